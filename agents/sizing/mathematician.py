"""The Trading Mathematician: one planned trade, its caps and its expectation, and why (spec 7).

Steps 1 to 8 call the rules of the core; Kelly is an adviser that can only lower the risk.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, inf, isfinite, log

import numpy as np

from agents.policy import Policy
from agents.sizing.kelly_tally import Allowance
from envs.core.actions import ActionPreset
from envs.core.instrument import Instrument
from envs.core.rules.costs import planned_net, round_trip_frac, slippage_frac
from envs.core.rules.exits import stop_atr
from envs.core.rules.sizing import Funds, SizeRules, largest_leverage, plan_margin, planned_notional
from envs.core.settings import CostSettings, PlanSettings
from envs.core.trade import SizingContext
from envs.core.types import BoolArray, ExitStrategy

INVALID_INPUT = "INVALID_INPUT"
STOP_INSIDE_COST = "STOP_INSIDE_COST"
LIQUIDATION_TOO_NEAR = "LIQUIDATION_TOO_NEAR"
BELOW_MIN_NOTIONAL = "BELOW_MIN_NOTIONAL"


@dataclass(frozen=True)
class AccountState:
    """Account at the decision, quote; ``n_trades`` real closed trades in the Kelly window."""

    equity: float
    free_margin: float
    n_trades: int = 0


@dataclass(frozen=True)
class MarketConditions:
    """One symbol at the decision: reference price in quote, side +1 or -1, ATR over price."""

    instrument: Instrument
    price: float
    side: int
    atr_frac: float


@dataclass(frozen=True)
class OptimalParameters:
    """A planned trade; everything 0 with a reason where there is none. Quote and fractions.

    Profit and loss are planned from the reference price, ``net_`` after costs. ``binding_cap``
    names what limited the size.
    """

    margin: float = 0.0
    leverage: int = 0
    notional: float = 0.0
    qty: float = 0.0
    sl_frac: float = 0.0
    tp_frac: float = 0.0
    profit_at_tp: float = 0.0
    loss_at_sl: float = 0.0
    net_profit_at_tp: float = 0.0
    net_loss_at_sl: float = 0.0
    kelly_used: float | None = None
    binding_cap: str = ""
    confidence_score: float = 0.0
    reason: str = ""

    def explain(self) -> str:
        """Say in one line what is planned and why."""
        if self.reason:
            return f"no trade: {self.reason}"
        kelly = "not applied" if self.kelly_used is None else f"{self.kelly_used:.4f}"
        return (
            f"margin {self.margin:.2f} x {self.leverage} = notional {self.notional:.2f}, "
            f"stop {self.sl_frac:.4f}, target {self.tp_frac:.4f}; "
            f"net {self.net_profit_at_tp:+.2f} at the target, {self.net_loss_at_sl:+.2f} at the "
            f"stop; limited by {self.binding_cap}; Kelly {kelly}"
        )


def optimal_parameters(
    account: AccountState, market: MarketConditions, allowance: Allowance, plan: PlanSettings,
    costs: CostSettings, round_trip: float | None = None,
) -> OptimalParameters:  # fmt: skip
    """Plan one trade: steps 1 to 8 of spec 7.

    ``round_trip`` is the cost of both ways as a fraction; by default that of market orders, which
    the planned net profit and loss always suppose.
    """
    if not _valid(account, market):
        return OptimalParameters(reason=INVALID_INPUT)
    if allowance.reason:
        return OptimalParameters(kelly_used=allowance.kelly, reason=allowance.reason)
    slip = slippage_frac(market.atr_frac, costs.slippage_min_bps, costs.slippage_max_bps)
    if round_trip is None:
        round_trip = round_trip_frac(False, costs.maker_fee, costs.taker_fee, slip)
    sl_frac = plan.sl_atr * market.atr_frac
    if sl_frac < 3.0 * round_trip:
        return OptimalParameters(reason=STOP_INSIDE_COST)
    tp_frac = plan.tp_sl * sl_frac
    risk = min(plan.risk_per_trade, allowance.risk_frac)
    funds = Funds(account.equity, account.free_margin, 0.0, 0.0, 1.0)
    margin = plan_margin(funds, _rules(plan, risk), market.atr_frac, sl_frac)
    wished = margin * plan.leverage
    mmr = market.instrument.bracket_of(wished).mmr
    leverage = largest_leverage(market.side, sl_frac, mmr, plan.leverage, plan.liq_buffer)
    if leverage < 1:
        return OptimalParameters(reason=LIQUIDATION_TOO_NEAR)
    notional = planned_notional(margin, leverage, risk, account.equity, sl_frac, round_trip)
    step = market.instrument.step
    qty = floor(notional / market.price * step.denominator / step.numerator)
    held = market.price * market.instrument.quantity(qty)
    if qty < 1 or held < market.instrument.min_notional_quote:
        return OptimalParameters(reason=BELOW_MIN_NOTIONAL)
    return OptimalParameters(
        held / leverage,
        leverage,
        held,
        market.instrument.quantity(qty),
        sl_frac,
        tp_frac,
        held * tp_frac,
        held * sl_frac,
        planned_net(held, tp_frac, costs.taker_fee, slip),
        planned_net(held, -sl_frac, costs.taker_fee, slip),
        allowance.kelly,
        _binding_cap(account, plan, risk, sl_frac, notional < margin * leverage),
        confidence_score(account.n_trades, held / leverage, account.free_margin),
    )


def confidence_score(n_trades: int, margin: float, free_margin: float) -> float:
    """Informative only: fewer trades and a nearly used-up margin lower it."""
    score = 1.0
    if n_trades < 10:
        score = 0.6
    elif n_trades < 50:
        score = 0.8
    elif n_trades < 100:
        score = 0.9
    return score * 0.9 if margin > 0.8 * free_margin else score


def nearest_action(preset: ActionPreset, mask: BoolArray, size: float, leverage: int) -> int | None:
    """Unmasked balanced action nearest to a plan by ``|ln size| + |ln leverage|`` ratios (8.5).

    ``size`` is the planned margin over that of the whole plan. A size of 0 is skip; None where the
    preset has neither skip nor an allowed balanced action.
    """
    best, nearest = preset.skip_index, inf
    if size <= 0.0 or leverage < 1:
        return best
    for index in np.flatnonzero(mask).tolist():
        action = preset.actions[index]
        if action.size <= 0.0 or action.exit is not ExitStrategy.BALANCED:
            continue
        away = abs(log(action.size / size)) + abs(log(action.leverage / leverage))
        if away < nearest:
            best, nearest = index, away
    return best


class Mathematician(Policy):
    """The plan of spec 7 as a policy: the grid action nearest to it, exit balanced (8.5).

    Kelly plays no part, and of the account only what the mask and the caps of the context carry:
    the ratios are those of an account whose free margin does not bind. A preset without skip
    takes its first allowed action where nothing is planned.
    """

    def __init__(self, preset: ActionPreset, plan: PlanSettings, costs: CostSettings) -> None:
        super().__init__("mathematician", preset)
        self._plan, self._costs = plan, costs

    def choose(self, context: SizingContext, rng: np.random.Generator | None) -> int | None:
        """Nearest unmasked balanced action, None for skip."""
        return planned_action(
            self.preset, context, self._plan.risk_per_trade, self._plan, self._costs
        )


def planned_action(
    grid: ActionPreset, context: SizingContext, risk: float, plan: PlanSettings, costs: CostSettings
) -> int | None:
    """Nearest unmasked balanced action to the plan at ``risk``, of what a context alone tells.

    None for skip.
    """
    atr_frac = context.atr_frac
    sl_frac = plan.sl_atr * atr_frac
    if not (risk > 0.0 and sl_frac >= 3.0 * context.round_trip):
        return None
    account = Funds(1.0, 1.0, 0.0, 0.0, 1.0)
    margin = plan_margin(account, _rules(plan, risk), atr_frac, sl_frac)
    leverage = min(
        largest_leverage(side, sl_frac, costs.default_mmr, plan.leverage, plan.liq_buffer)
        for side in (1, -1)
    )
    if leverage < 1:
        return None
    notional = planned_notional(margin, leverage, risk, 1.0, sl_frac, context.round_trip)
    whole = whole_margin(account, plan, atr_frac)
    return nearest_action(grid, context.mask, notional / leverage / whole, leverage)


def whole_margin(funds: Funds, plan: PlanSettings, atr_frac: float) -> float:
    """Margin of size 1.0 of the grid with the balanced exit, quote."""
    sl_frac = stop_atr(ExitStrategy.BALANCED) * atr_frac
    return plan_margin(funds, _rules(plan, plan.risk_per_trade), atr_frac, sl_frac)


def _valid(account: AccountState, market: MarketConditions) -> bool:
    amounts = (account.equity, account.free_margin, market.price, market.atr_frac)
    return all(isfinite(x) and x > 0.0 for x in amounts) and market.side in (1, -1)


def _rules(plan: PlanSettings, risk: float) -> SizeRules:
    """The plan's constants; the caps of the world are applied where orders are made."""
    return SizeRules(
        risk, plan.max_margin, plan.vol_scaling, plan.liq_buffer, 1.0, 1.0, 1.0, inf,
        plan.leverage, 0.0,
    )  # fmt: skip


def _binding_cap(
    account: AccountState, plan: PlanSettings, risk: float, sl_frac: float, cut: bool
) -> str:
    if cut:
        return "risk after costs"
    bounds = {
        "risk": risk * account.equity / sl_frac,
        "margin": plan.max_margin * account.equity,
        "free margin": 0.95 * account.free_margin,
    }
    return min(bounds, key=lambda name: bounds[name])
