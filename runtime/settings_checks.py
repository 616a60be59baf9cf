"""Checks between settings (spec 14, last paragraph)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from agents.deep.settings import DeepSettings
from runtime.settings_tree import by_name
from runtime.settings_values import render

ASCENDING = (
    # strictly below each other
    ("risk.dd_warning", "risk.dd_stop", "risk.max_daily_dd"),
    ("run.start", "run.train_end", "run.test_end"),
)
NOT_ABOVE = (
    ("costs.slippage_min_bps", "costs.slippage_max_bps"),
    ("plan.leverage", "risk.max_leverage"),
    ("trading.monitor_s", "trading.cycle_s"),
    ("market.adx_range", "market.adx_trend"),
    ("reinforcement.min_exploration", "reinforcement.initial_exploration"),
    ("reinforcement.min_weight", "reinforcement.max_weight"),
    ("performance.poor_win_rate", "performance.good_win_rate"),
)
REWARD_WEIGHTS = (
    "reinforcement.reward_alpha", "reinforcement.reward_beta", "reinforcement.reward_gamma",
)  # fmt: skip
SUM_TOLERANCE = 1e-9


def contradictions(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield one sentence for every pair or sum of settings that contradict each other."""
    for chain in ASCENDING:
        given = [key for key in chain if values.get(key) is not None]
        for low, high in pairwise(given):
            if not values[low] < values[high]:
                yield f"{_said(low, values)} must be below {_said(high, values)}"
    for low, high in NOT_ABOVE:
        if values[low] > values[high]:
            yield f"{_said(low, values)} must not be above {_said(high, values)}"
    discount = values["sizing.discount"]
    bootstraps = discount != "auto" and float(discount) > 0.0
    if bootstraps and values["sizing.learner"] == "counterfactual":
        yield (
            f"{_said('sizing.discount', values)} is for the classic learner: give auto or 0 with "
            f"{_said('sizing.learner', values)}"
        )
    total = sum(values[key] for key in REWARD_WEIGHTS)
    if abs(total - 1.0) > SUM_TOLERANCE:
        named = ", ".join(_said(key, values) for key in REWARD_WEIGHTS)
        yield f"{named} must sum to 1, not {total:g}"
    if values["live.ess_auto_ack"] == "true" and values["trading.venue"] in ("demo", "live"):
        yield (
            f"{_said('live.ess_auto_ack', values)} with {_said('trading.venue', values)}: stops "
            "there wait for an operator; set it to auto or false"
        )
    if values["run.agent"] != "table":
        own = {key.removeprefix("deep."): v for key, v in values.items() if key.startswith("deep.")}
        yield from DeepSettings(**own).contradictions(values["run.agent"], values["sizing.reward"])


def _said(key: str, values: Mapping[str, Any]) -> str:
    variable = by_name()[key]
    return f"{variable.label} = {render(values[key])}"
