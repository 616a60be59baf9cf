"""Whatever the account and the market: the mathematician and Kelly never exceed what they allow."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.baselines import Constant
from agents.outcomes import TradeOutcome
from agents.settings import KellySettings, SizingSettings
from agents.sizing.ev_kelly import EvKelly
from agents.sizing.explain_limits import Limits, SymbolRules
from agents.sizing.kelly import drawdown_fraction, kelly_used
from agents.sizing.kelly_cap import KellyCap, kelly_seat
from agents.sizing.math_mode import MathModeAgent
from envs.core.actions import preset
from envs.core.decide import Desk, decide
from envs.core.hooks import HookChain
from envs.core.rules.exits import stop_atr
from envs.core.rules.sizing import Funds, size_ladder
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from envs.core.view import DecisionView
from envs.core.world import World
from envs.defaults import default_environment_data

FULL = preset("full")
CORE = CoreSettings()
EPS = 1.0 + 1e-9
amounts = st.floats(0.0, 60_000.0)
funds = st.builds(
    Funds, st.floats(1.0, 1e6), st.floats(-1_000.0, 1e6), amounts, st.floats(0.0, 2_000.0),
    st.sampled_from([1.0, 0.25]),
)  # fmt: skip
atrs = st.floats(0.0005, 0.3)
sides = st.sampled_from([1, -1])
net_r = st.lists(st.floats(-1.3, 4.0), min_size=1, max_size=120)


@cache
def desk() -> Desk:
    market, tape, _ = default_environment_data()
    row = int(tape.candidate.any(axis=1).argmax())
    return Desk(World(prepare(market, CORE), CORE, row, keep_ledger=False), tape, FULL, CORE)


def view_of(own: Funds, atr_frac: float, side: int) -> DecisionView:
    """The first candidate as another account and another market would see it."""
    d = desk()
    s = d.candidates()[0]
    plain = d.view(s, side)
    data = d.world.data
    qty, notional = np.zeros(76, dtype=np.int64), np.zeros(76)
    clamped, reasons = np.zeros(76, dtype=np.bool_), np.zeros(76, dtype=np.int8)
    size_ladder(
        own, data.size_rules, data.contracts[s], data.brackets[s], side, plain.close_ticks,
        atr_frac, plain.context.round_trip, d.arrays.sizes, d.arrays.leverages, d.arrays.exits,
        qty, notional, clamped, reasons,
    )  # fmt: skip
    context = replace(
        plain.context, atr_frac=atr_frac, mask=reasons == 0, notional_frac=notional / own.equity,
        clamped=clamped,
    )  # fmt: skip
    return replace(
        plain, context=context, funds=own, qty_steps=qty, mask_reasons=reasons, executable=True,
        block_reason="",
    )  # fmt: skip


def taught(returns: list[float], **changes: float | bool) -> KellyCap:
    cap = KellyCap(FULL, replace(KellySettings(min_trades=1), **changes), CORE.plan)
    for k, r in enumerate(returns):
        cap.learn_one(TradeOutcome(str(k), "X", k, k + 1, r))
    return cap


@given(own=funds, atr_frac=atrs, side=sides, returns=net_r)
@settings(max_examples=150)
def test_a_plan_keeps_every_limit(
    own: Funds, atr_frac: float, side: int, returns: list[float]
) -> None:
    view, cap = view_of(own, atr_frac, side), taught(returns)
    data = desk().world.data
    instruments = {i.symbol: i for i in data.market.instruments}
    agent = MathModeAgent(EvKelly(FULL, SizingSettings()), CORE, instruments, cap)
    decision = decide(view, agent, HookChain())
    if decision.qty_steps == 0:
        assert decision.reason
        return
    plan, chosen = decision.plan, decision.chosen
    assert plan is not None
    assert chosen is not None
    assert view.context.mask[chosen]
    instrument = instruments[view.symbol]
    notional = instrument.price(view.close_ticks) * instrument.quantity(decision.qty_steps)
    loss = notional * (plan.sl_atr * atr_frac + view.context.round_trip) / own.equity
    assert loss <= min(CORE.plan.risk_per_trade, cap.allowance().risk_frac) * EPS
    margin = notional / plan.leverage
    assert margin <= min(CORE.plan.max_margin * own.equity, 0.95 * own.free_margin) * EPS
    assert margin <= CORE.plan.max_margin * own.equity * own.size_factor * EPS
    assert notional + own.gross_notional <= CORE.risk.max_gross * own.equity * EPS
    risk = notional * plan.sl_atr * atr_frac + own.total_risk
    assert risk <= CORE.risk.max_total_risk * own.equity * EPS
    assert notional >= max(instrument.min_notional_quote, CORE.risk.min_order_quote)


@given(own=funds, atr_frac=atrs, side=sides, returns=net_r, index=st.integers(1, 75))
@settings(max_examples=150)
def test_kelly_only_lowers_and_holds(
    own: Funds, atr_frac: float, side: int, returns: list[float], index: int
) -> None:
    view, cap = view_of(own, atr_frac, side), taught(returns)
    brain = Constant(FULL, index)
    whole = decide(view, brain, HookChain())
    cut = decide(view, brain, HookChain([kelly_seat(cap)]))
    assert cut.chosen == whole.chosen
    assert 0 <= cut.qty_steps <= whole.qty_steps
    if cut.qty_steps == 0 or cut.chosen is None:
        return
    notional = view.context.notional_frac[cut.chosen] * cut.qty_steps / view.qty_steps[cut.chosen]
    stop = stop_atr(int(FULL.actions[cut.chosen].exit)) * atr_frac
    allowed = cap.allowance()
    assert not allowed.reason
    if allowed.kelly is not None and allowed.risk_frac < CORE.plan.risk_per_trade:
        assert notional * (stop + view.context.round_trip) <= allowed.risk_frac * EPS
    else:
        assert cut.qty_steps == whole.qty_steps


@given(returns=net_r, alpha=st.floats(0.3, 0.95), beta=st.floats(0.01, 0.9))
@settings(max_examples=150)
def test_the_drawdown_constraint_only_lowers(
    returns: list[float], alpha: float, beta: float
) -> None:
    plain = KellySettings(min_trades=1)
    tight = replace(plain, dd_constraint=True, dd_alpha=alpha, dd_beta=beta)
    free, bound = kelly_used(returns, plain), kelly_used(returns, tight)
    assert free is not None
    assert bound is not None
    assert 0.0 <= bound <= free <= plain.largest
    f = drawdown_fraction(returns, alpha, beta)
    power = np.log(beta) / np.log(alpha)
    worst = np.maximum(1.0 + f * np.asarray(returns), 1e-300)
    assert (worst**-power).mean() <= 1.0 + 1e-6 or f == 0.0


@given(own=funds, atr_frac=atrs, side=sides)
@settings(max_examples=150)
def test_what_is_clamped_has_a_named_limit(own: Funds, atr_frac: float, side: int) -> None:
    view = view_of(own, atr_frac, side)
    data, s = desk().world.data, view.symbol_index
    limits = Limits(view, SymbolRules(data.size_rules, data.contracts[s], data.brackets[s]))
    for i, action in enumerate(FULL.actions):
        cut = limits.cut(action.size, action.leverage, action.exit)
        if view.context.mask[i]:
            assert bool(cut.limits) == bool(view.context.clamped[i])
            assert view.context.notional_frac[i] * own.equity <= cut.wished * EPS
