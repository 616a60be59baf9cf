"""Outcomes as JSON values, and what a closed trade is worth to a learner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from envs.core.errors import DamagedArtifact, FixSettings
from envs.core.rules.exits import stop_atr
from envs.core.rules.reward import LOG_GROWTH, R_MULTIPLE, SHAPED, decision_reward
from envs.core.rules.rounding import from_units
from envs.core.trade import ClosedTrade, Leg, Skipped
from envs.core.types import NS_PER_HOUR, ExitReason

REWARD_KINDS = {"log_growth": LOG_GROWTH, "r_multiple": R_MULTIPLE, "shaped": SHAPED}


def reward_kind(name: str) -> int:
    """Number of a decision reward.

    Raises:
        FixSettings: Unknown name.
    """
    if name not in REWARD_KINDS:
        known = ", ".join(REWARD_KINDS)
        raise FixSettings(f"RL_SIZING_REWARD={name!r}: choose one of {known}")
    return REWARD_KINDS[name]


def trade_reward(trade: ClosedTrade, kind: int, atr_frac: float) -> float:
    """Decision reward of a closed trade; ``atr_frac`` as at its decision."""
    return decision_reward(
        kind, from_units(trade.net_units), from_units(trade.equity_units),
        from_units(trade.risk_units), from_units(trade.notional_units),
        stop_atr(trade.exit_strategy) * atr_frac, (trade.exit_ns - trade.entry_ns) / NS_PER_HOUR,
        trade.mae_frac,
    )  # fmt: skip


def outcome_to_json(outcome: ClosedTrade | Skipped) -> dict[str, Any]:
    """Numbers and texts that ``outcome_of_json`` makes the same outcome of."""
    if isinstance(outcome, Skipped):
        return {"skipped": outcome.reason}
    legs = [{**asdict(leg), "reason": int(leg.reason)} for leg in outcome.legs]
    return {**asdict(outcome), "legs": legs, "reason": int(outcome.reason)}


def outcome_of_json(values: Mapping[str, Any]) -> ClosedTrade | Skipped:
    """Outcome that was written by ``outcome_to_json``.

    Raises:
        DamagedArtifact: It is not what was written.
    """
    try:
        if "skipped" in values:
            return Skipped(str(values["skipped"]))
        legs = tuple(Leg(**{**x, "reason": ExitReason(x["reason"])}) for x in values["legs"])
        return ClosedTrade(**{**values, "legs": legs, "reason": ExitReason(values["reason"])})
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedArtifact(f"state of learning: an outcome cannot be read ({error})") from error
