"""Settings of the sizing agents (spec 8.3, 14)."""

from __future__ import annotations

from dataclasses import dataclass

from envs.core.settings import setting

AUTO = "auto"
CLASSIC_DISCOUNT = 0.95


@dataclass(frozen=True)
class SizingSettings:
    """Learner, preset, reward and their parameters."""

    preset: str = setting(
        "full",
        "RL_SIZING_PRESET",
        "classic, overview, full",
        "action grid",
        choices=("classic", "overview", "full"),
    )
    learner: str = setting(
        "counterfactual",
        "RL_SIZING_LEARNER",
        "counterfactual, classic",
        "learning rule",
        choices=("counterfactual", "classic"),
    )
    agent: str = setting(
        "auto",
        "RL_SIZING_AGENT",
        "auto, table, ev_kelly",
        "what the bundle ships",
        choices=("auto", "table", "ev_kelly"),
    )
    reward: str = setting(
        "log_growth",
        "RL_SIZING_REWARD",
        "log_growth, r_multiple, shaped",
        "decision reward",
        choices=("log_growth", "r_multiple", "shaped"),
    )
    epsilon: float = setting(
        0.10, "RL_SIZING_EPSILON", "probability", "exploration in training only", ge=0.0, le=1.0
    )
    min_step: float = setting(
        0.0003, "RL_SIZING_MIN_STEP", "frac", "smallest step of the means", ge=0.0, le=1.0
    )
    shrink_k: tuple[float, float, float] = setting(
        (1000.0, 100.0, 30.0),
        "RL_SIZING_SHRINK_K",
        "effective decisions",
        "shrinkage of cell, (regime, confidence) and regime",
        ge=0.0,
    )
    lcb_z: float = setting(
        1.0, "RL_SIZING_LCB_Z", "standard errors", "lower confidence bound", ge=0.0, le=10.0
    )
    prior: str = setting(
        "ev_line",
        "RL_SIZING_PRIOR",
        "ev_line, none",
        "prior of the table",
        choices=("ev_line", "none"),
    )
    ev_z: float = setting(
        0.5, "RL_SIZING_EV_Z", "standard errors", "caution of the exit slopes", ge=0.0, le=10.0
    )
    kelly_fraction: float = setting(
        0.5, "RL_SIZING_KELLY_FRACTION", "(0,1]", "fraction of full Kelly", gt=0.0, le=1.0
    )
    alpha: float = setting(0.15, "RL_SIZING_ALPHA", "(0,1]", "classic: step size", gt=0.0, le=1.0)
    discount: str = setting(
        AUTO,
        "RL_SIZING_DISCOUNT",
        "auto, [0,1)",
        f"discount of the next state; auto: {CLASSIC_DISCOUNT} (classic), 0 (counterfactual, which "
        "takes nothing above 0)",
        pattern=r"auto|0(\.\d*)?|\.\d+",
    )
    q0: float = setting(0.0, "RL_SIZING_Q0", "reward", "classic: optimistic start")
    step: str = setting(
        "constant",
        "RL_SIZING_STEP",
        "constant, visit",
        "classic: step size rule",
        choices=("constant", "visit"),
    )
    algorithm: str = setting(
        "q",
        "RL_SIZING_ALGORITHM",
        "q, double, expected_sarsa",
        "classic: update target",
        choices=("q", "double", "expected_sarsa"),
    )
    exploration: str = setting(
        "epsilon",
        "RL_SIZING_EXPLORATION",
        "epsilon, ucb, thompson, none",
        "classic: exploration",
        choices=("epsilon", "ucb", "thompson", "none"),
    )
    ucb_c: float = setting(0.5, "RL_SIZING_UCB_C", "reward", "classic: UCB width", ge=0.0)

    @property
    def classic_discount(self) -> float:
        """Discount of the classic learner, ``auto`` resolved."""
        return CLASSIC_DISCOUNT if self.discount == AUTO else float(self.discount)


@dataclass(frozen=True)
class KellySettings:
    """Fractional, shrunk Kelly (spec 7)."""

    min_trades: int = setting(20, "MATH_KELLY_MIN_TRADES", "trades", "before Kelly acts", ge=1)
    fraction: float = setting(
        0.5, "MATH_KELLY_FRACTION", "factor", "fraction of full Kelly", gt=0.0, le=1.0
    )
    largest: float = setting(0.25, "MATH_KELLY_MAX", "frac", "largest Kelly", gt=0.0, le=1.0)
    prior_trades: float = setting(
        20.0, "MATH_KELLY_PRIOR", "trades", "weight of the zero-edge prior", ge=0.0
    )
    dd_constraint: bool = setting(False, "MATH_DD_CONSTRAINT", "bool", "drawdown constraint")
    dd_alpha: float = setting(
        0.7, "MATH_DD_ALPHA", "frac", "level not to fall below", gt=0.0, lt=1.0
    )
    dd_beta: float = setting(
        0.1, "MATH_DD_BETA", "probability", "chance of falling there", gt=0.0, lt=1.0
    )
