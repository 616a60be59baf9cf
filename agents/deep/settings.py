"""Settings of the deep-RL baselines (stable-baselines3 DQN and PPO)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from envs.core.settings import setting

QUICK_TIMESTEPS = 150_000


@dataclass(frozen=True)
class DeepSettings:
    """How ``--agent dqn`` and ``--agent ppo`` train on the vector environment."""

    timesteps: int = setting(
        1_000_000, "RL_DEEP_TIMESTEPS", "decisions",
        f"decisions trained on, all environments together ({QUICK_TIMESTEPS} with --quick)",
        option="--timesteps", metavar="N", ge=1, le=10**10,
    )  # fmt: skip
    n_envs: int = setting(
        256, "RL_DEEP_ENVS", "environments", "environments stepped together", ge=1, le=65_536
    )
    episode_bars: int = setting(
        2_160, "RL_DEEP_EPISODE_BARS", "bars", "length of a training episode", ge=2, le=10**7
    )
    layers: tuple[int, ...] = setting(
        (64, 64), "RL_DEEP_LAYERS", "list of units", "hidden layers of the network", ge=1, le=4_096
    )
    learning_rate: float = setting(
        0.0003, "RL_DEEP_LEARNING_RATE", "factor", "step size of Adam", gt=0.0, le=1.0
    )
    discount: float = setting(
        0.95, "RL_DEEP_DISCOUNT", "[0,1)", "discount of the next decision", ge=0.0, lt=1.0
    )
    reward_scale: float = setting(
        100.0, "RL_DEEP_REWARD_SCALE", "factor",
        "factor on the log growth that the learner sees: 100 gives percent", gt=0.0, le=1e6,
    )  # fmt: skip
    batch: int = setting(1_024, "RL_DEEP_BATCH", "decisions", "size of a minibatch", ge=2, le=10**7)
    rollout: int = setting(
        32, "RL_DEEP_ROLLOUT", "steps", "PPO: steps of every environment per update", ge=2, le=10**6
    )
    epochs: int = setting(
        4, "RL_DEEP_EPOCHS", "passes", "PPO: passes over a rollout", ge=1, le=1_000
    )
    entropy: float = setting(
        0.01, "RL_DEEP_ENTROPY", "factor", "PPO: bonus on the policy's entropy", ge=0.0, le=10.0
    )
    clip: float = setting(
        0.2, "RL_DEEP_CLIP", "factor", "PPO: largest change of a probability", gt=0.0, le=1.0
    )
    gae: float = setting(
        0.95, "RL_DEEP_GAE_LAMBDA", "[0,1]", "PPO: horizon of the advantages", ge=0.0, le=1.0
    )
    buffer: int = setting(
        100_000, "RL_DEEP_BUFFER", "decisions", "DQN: replay memory", ge=1, le=10**8
    )
    learning_starts: int = setting(
        10_000, "RL_DEEP_LEARNING_STARTS", "decisions", "DQN: random decisions before it learns",
        ge=0, le=10**9,
    )  # fmt: skip
    updates: int = setting(
        4, "RL_DEEP_UPDATES", "minibatches", "DQN: updates after each step of all environments",
        ge=1, le=10_000,
    )  # fmt: skip
    target_update: int = setting(
        10_000, "RL_DEEP_TARGET_UPDATE", "decisions", "DQN: age at which the target is copied",
        ge=1, le=10**9,
    )  # fmt: skip
    exploration_share: float = setting(
        0.3, "RL_DEEP_EXPLORATION_SHARE", "share",
        "DQN: share of training over which epsilon falls",
        gt=0.0, le=1.0,
    )  # fmt: skip
    exploration_final: float = setting(
        0.05, "RL_DEEP_EXPLORATION_FINAL", "probability", "DQN: epsilon from then on",
        ge=0.0, le=1.0,
    )  # fmt: skip

    def contradictions(self, algorithm: str, reward: str) -> Iterator[str]:
        """Yield one sentence for each setting that ``dqn`` or ``ppo`` cannot work with.

        ``reward`` is the run's decision reward (RL_SIZING_REWARD).
        """
        if reward != "log_growth":
            yield (
                f"{algorithm} learns from the environments' step reward, which is log growth: "
                f"RL_SIZING_REWARD = {reward} is for the table"
            )
        if algorithm != "dqn":
            return
        if self.buffer < self.n_envs:
            yield (
                f"RL_DEEP_BUFFER = {self.buffer} must hold one step of all {self.n_envs} "
                "environments (RL_DEEP_ENVS)"
            )
        if self.learning_starts >= self.timesteps:
            yield (
                f"RL_DEEP_LEARNING_STARTS = {self.learning_starts} must be below "
                f"RL_DEEP_TIMESTEPS = {self.timesteps}: DQN would learn nothing"
            )
