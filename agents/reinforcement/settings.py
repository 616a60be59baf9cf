"""Settings of the reinforcement manager (spec 6, 14)."""

from __future__ import annotations

from dataclasses import dataclass

from envs.core.settings import setting

ALGORITHMS = ("aa", "fixed_share", "exponential", "platt_exponential", "uniform")


@dataclass(frozen=True)
class ReinforcementSettings:
    """Weights, calibration and rewards of the manager."""

    algorithm: str = setting(
        "aa",
        "RL_WEIGHT_ALGORITHM",
        "algorithm",
        "how votes are weighed",
        choices=(*ALGORITHMS, "auto"),
    )
    learning_rate: float = setting(
        0.05, "RL_LEARNING_RATE", "per trade", "exponential update", gt=0.0, le=1.0
    )
    pull: float = setting(
        0.02, "RL_WEIGHT_PULL", "rho per trade", "pull to the initial weights", ge=0.0, le=1.0
    )
    source: str = setting(
        "executed",
        "RL_WEIGHT_SOURCE",
        "executed, reference",
        "trades that move weights",
        choices=("executed", "reference"),
    )
    initial_exploration: float = setting(
        0.20,
        "RL_INITIAL_EXPLORATION_RATE",
        "probability",
        "uniform weights at the start",
        gt=0.0,
        le=1.0,
    )
    min_exploration: float = setting(
        0.05, "RL_MIN_EXPLORATION_RATE", "probability", "and at least", gt=0.0, le=1.0
    )
    exploration_decay: float = setting(
        100.0, "RL_EXPLORATION_DECAY_TRADES", "trades", "decay of exploration", gt=0.0
    )
    reward_alpha: float = setting(
        0.6, "RL_REWARD_ALPHA", "weight", "of z in the reward", ge=0.0, le=1.0
    )
    reward_beta: float = setting(
        0.3, "RL_REWARD_BETA", "weight", "of the Sharpe part", ge=0.0, le=1.0
    )
    reward_gamma: float = setting(
        0.1, "RL_REWARD_GAMMA", "weight", "of the risk part", ge=0.0, le=1.0
    )
    z_scale: float = setting(
        0.0, "RL_REWARD_Z_SCALE", "quote", "z before 10 trades; 0 = net R", ge=0.0
    )
    advantage_clip: float = setting(5.0, "RL_ADVANTAGE_CLIP", "-", "bound of the advantage", gt=0.0)
    kappa: float = setting(0.5, "RL_CALIBRATION_KAPPA", "factor", "reported scaler", ge=0.0, le=5.0)
    vote_kappa: float = setting(
        0.0, "RL_CALIBRATION_VOTE_KAPPA", "factor", "scaler in the vote", ge=0.0, le=5.0
    )
    min_weight: float = setting(
        0.05, "RL_MIN_MODEL_WEIGHT", "weight", "lower bound", ge=0.0, le=0.25
    )
    max_weight: float = setting(
        0.50, "RL_MAX_MODEL_WEIGHT", "weight", "upper bound", ge=0.25, le=1.0
    )
    share: float = setting(
        0.00025, "RL_SHARE_RATE", "frac per update", "fixed share", ge=0.0, lt=1.0
    )
