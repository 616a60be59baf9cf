"""Which limits cut a size: each cap asked alone through the rules that apply them all (spec 8.2).

Nothing is computed a second way: a limit binds where the rules, with every other limit lifted,
allow no more than they do with all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from envs.core.rules import sizing
from envs.core.rules.exits import stop_atr
from envs.core.rules.margin import bracket_index, liquidation_distance
from envs.core.rules.sizing import Caps, Contract, Funds, SizeRules, capped_notional, caps_of
from envs.core.types import ExitStrategy, Float64Array
from envs.core.view import DecisionView

MASK_REASONS = {
    sizing.OK: "",
    sizing.INVALID_INPUT: "INVALID_INPUT",
    sizing.STOP_INSIDE_COST: "STOP_INSIDE_COST",
    sizing.LIQUIDATION_TOO_NEAR: "LIQUIDATION_TOO_NEAR",
    sizing.BELOW_MIN_NOTIONAL: "BELOW_MIN_NOTIONAL",
    sizing.LEVERAGE_TOO_HIGH: "LEVERAGE_TOO_HIGH",
}
# The largest amount the rules still take for a known one.
_PLENTY = 1e299


@dataclass(frozen=True)
class SymbolRules:
    """Limits of the account and the contract one symbol is traded under."""

    rules: SizeRules
    contract: Contract
    brackets: Float64Array


@dataclass(frozen=True)
class ExitPlan:
    """Plan and caps of one exit strategy, quote and fractions; amounts 0 where ``reason`` is set.

    ``margin`` is that of size 1.0 before caps, ``plan_limits`` what set it.
    """

    exit: str
    reason: str
    stop_frac: float
    margin: float
    max_margin: float
    max_notional: float
    plan_limits: tuple[str, ...]


@dataclass(frozen=True)
class Cut:
    """One action between plan and order: notional wished for and what limited it."""

    wished: float
    liquidation_frac: float
    limits: tuple[str, ...]


class Limits:
    """What binds at one view, by exit strategy and by action."""

    def __init__(self, view: DecisionView, symbol: SymbolRules) -> None:
        self._view, self._symbol = view, symbol
        self._caps = {e: self._caps_of(e, symbol.rules, view.funds) for e in ExitStrategy}
        self._alone = {e: self._each_alone(e) for e in ExitStrategy}

    def exit_plan(self, exit_: ExitStrategy) -> ExitPlan:
        """Plan and caps of an exit strategy."""
        caps = self._caps[exit_]
        limits = self._plan_limits(caps) if caps.reason == sizing.OK else ()
        return ExitPlan(
            exit_.name.lower(), MASK_REASONS[caps.reason], caps.sl_frac, caps.margin,
            caps.max_margin, caps.max_notional, limits,
        )  # fmt: skip

    def cut(self, size: float, leverage: int, exit_: ExitStrategy) -> Cut:
        """How far an action gets; skip wishes for nothing."""
        caps, funds = self._caps[exit_], self._view.funds
        margin = caps.margin * size * funds.size_factor
        brackets = self._symbol.brackets
        mmr = brackets[bracket_index(margin * leverage, brackets), 1]
        distance = liquidation_distance(self._view.side, float(leverage), mmr)
        if caps.reason != sizing.OK or size == 0.0:
            return Cut(0.0, distance, ())
        wished = margin * leverage
        allowed = capped_notional(caps, margin, leverage)
        limits = tuple(
            name
            for name, alone in self._alone[exit_].items()
            if allowed < wished and capped_notional(alone, margin, leverage) <= allowed
        )
        return Cut(wished, distance, limits)

    def _each_alone(self, exit_: ExitStrategy) -> dict[str, Caps]:
        """Caps with one limit standing and the others lifted."""
        rules, funds = self._symbol.rules, self._view.funds
        lifted = rules._replace(
            max_position_margin=inf, max_risk=inf, max_total_risk=inf, max_gross=inf
        )
        rich = funds._replace(free_margin=_PLENTY)
        standing = {
            "position margin": (
                lifted._replace(max_position_margin=rules.max_position_margin), rich
            ),
            "free margin": (lifted, funds),
            "risk after costs": (lifted._replace(max_risk=rules.max_risk), rich),
            "gross exposure": (lifted._replace(max_gross=rules.max_gross), rich),
            "total risk": (lifted._replace(max_total_risk=rules.max_total_risk), rich),
        }  # fmt: skip
        return {name: self._caps_of(exit_, r, f) for name, (r, f) in standing.items()}

    def _plan_limits(self, caps: Caps) -> tuple[str, ...]:
        """What the margin of the plan is, and what shrank it further."""
        rules, funds = self._symbol.rules, self._view.funds
        atr_frac = self._view.context.atr_frac
        calm = rules._replace(vol_scaling=False)
        lifted = calm._replace(risk_per_trade=inf, max_margin=inf)
        rich = funds._replace(free_margin=_PLENTY)
        whole = sizing.plan_margin(funds, calm, atr_frac, caps.sl_frac)
        standing = {
            "risk": (lifted._replace(risk_per_trade=rules.risk_per_trade), rich),
            "plan margin": (lifted._replace(max_margin=rules.max_margin), rich),
            "free margin": (lifted, funds),
        }
        out = [
            name
            for name, (r, f) in standing.items()
            if sizing.plan_margin(f, r, atr_frac, caps.sl_frac) <= whole
        ]
        if caps.margin < whole:
            out.append("volatility")
        if funds.size_factor < 1.0:
            out.append("recovery after a stop")
        return tuple(out)

    def _caps_of(self, exit_: ExitStrategy, rules: SizeRules, funds: Funds) -> Caps:
        view = self._view
        return caps_of(
            funds, rules, self._symbol.contract, view.close_ticks, view.context.atr_frac,
            view.context.round_trip, stop_atr(int(exit_)),
        )  # fmt: skip
