"""Plays a scenario through the account, the lone walk and the compiled counterfactual."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from envs.core.actions import preset
from envs.core.decide import Decision, Desk, decide
from envs.core.hooks import HookChain
from envs.core.instrument import Instrument
from envs.core.market_data import DetailBars, MarketData
from envs.core.rules.alone import walk_alone
from envs.core.rules.rounding import from_units
from envs.core.series import prepare
from envs.core.tape import SignalTape
from envs.core.trade import ClosedTrade, SizingChoice, SizingContext, Skipped, no_propensities
from envs.core.types import NS_PER_HOUR
from envs.core.view import DecisionView
from envs.core.world import Resolved, World
from envs.kernel.counterfactual import Counterfactual
from tests.scenarios.table import DECISION_CLOSE, Bar, Scenario

START_NS = 1_577_836_800 * 10**9
TICK, STEP = "0.01", "0.001"
FULL = preset("full")


def ticks(price: float) -> int:
    return round(price * 100)


def steps(quantity: float) -> int:
    return round(quantity * 1000)


def market_of(case: Scenario) -> MarketData:
    flat: Bar = (DECISION_CLOSE,) * 4
    bars = (flat, *case.bars)
    n = len(bars)
    interval = int(case.hours * NS_PER_HOUR)
    ohlc = np.array([[ticks(x) for x in bar] for bar in bars], dtype=np.int64)[:, None, :]
    mark = np.array([case.marks.get(t, bars[t]) for t in range(n)], dtype=np.float64)[:, None, :]
    stamp, rate = np.zeros((n, 1), dtype=np.bool_), np.zeros((n, 1))
    for row, value in case.rates.items():
        stamp[row], rate[row] = True, value
    valid = np.ones((n, 1), dtype=np.bool_)
    valid[list(case.missing)] = False
    return MarketData(
        ("A",), (Instrument.of("A", TICK, STEP, case.min_notional),), interval,
        START_NS + interval * np.arange(1, n + 1, dtype=np.int64),
        *(ohlc[:, :, k] for k in range(4)),
        np.ones((n, 1)), valid, mark, np.array([bool(case.marks)]), rate, stamp,
        np.full((n, 1), case.atr), np.full((n, 1), 0.02),
        np.full((n, 1), case.regime, dtype=np.int8),
        np.zeros((n, 1), dtype=np.int8), np.zeros((n, 1), dtype=np.int8), np.zeros((n, 1, 1)),
        ("x",), "hash", valid.copy(), detail_of(case, bars),
    )  # fmt: skip


def detail_of(case: Scenario, bars: tuple[Bar, ...]) -> DetailBars | None:
    """Finer bars of the rows that have them; the other rows are walked whole."""
    if not case.detail:
        return None
    parts = len(next(iter(case.detail.values())))
    fine = np.zeros((len(bars), parts, 1, 4), dtype=np.int64)
    known = np.zeros((len(bars), parts, 1), dtype=np.bool_)
    for row, some in case.detail.items():
        for k, bar in enumerate(some):
            fine[row, k, 0] = [ticks(x) for x in bar]
            known[row, k, 0] = True
    return DetailBars(*(np.ascontiguousarray(fine[..., k]) for k in range(4)), known)


def tape_of(case: Scenario, n: int) -> SignalTape:
    candidate = np.zeros((n, 1), dtype=np.bool_)
    candidate[0] = True
    zero, small = np.zeros((n, 1)), np.zeros((n, 1), dtype=np.int8)
    return SignalTape(
        np.full((n, 1), case.side, dtype=np.int8), zero, zero, zero, zero + 0.002, zero + 0.5, zero,
        small, small, np.full((n, 1, 4), 0.25), np.ones((n, 1, 4)), candidate,
        np.full((n, 3, 3), np.nan), "planted", "uniform",
    )  # fmt: skip


class Scripted:
    """Chooses the table's action whatever the state."""

    def __init__(self, index: int) -> None:
        self.index = index

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        return SizingChoice(self.index, no_propensities(context.mask.shape[0], self.index))


class Played:
    """One scenario played by the account; ``alone`` and ``counterfactual`` from the same view."""

    def __init__(self, case: Scenario) -> None:
        settings = replace(case.settings, start_equity_quote=case.equity)
        self.case = case
        self.world = World(prepare(market_of(case), settings), settings)
        self.desk = Desk(self.world, tape_of(case, len(case.bars) + 1), FULL, settings)
        self.index = FULL.index_of(1.0, case.leverage, case.exit)
        self.view = self._scripted_view()
        self.decision: Decision = decide(self.view, Scripted(self.index), HookChain())
        assert self.desk.commit(self.view, self.decision)
        resolved: list[Resolved] = []
        while not self.world.done:
            resolved += self.world.advance()
        resolved += self.world.finish()
        assert len(resolved) == 1, f"{len(resolved)} outcomes of one decision"
        self.outcome = resolved[0].outcome
        self.row = resolved[0].row

    def _scripted_view(self) -> DecisionView:
        """The desk's view with the table's quantity in place of the plan's."""
        view = self.desk.view(0)
        qty, mask = np.zeros_like(view.qty_steps), np.zeros(FULL.n, dtype=np.bool_)
        qty[self.index], mask[self.index] = steps(self.case.qty), True
        return replace(view, qty_steps=qty, context=replace(view.context, mask=mask))


def check(case: Scenario) -> None:
    """Play and compare everything the table states."""
    played = Played(case)
    if case.skip:
        assert played.outcome == Skipped(case.skip)
    else:
        assert isinstance(played.outcome, ClosedTrade), played.outcome
        check_trade(case, played, played.outcome)
    check_money(played)
    if case.alone:
        check_alone(played)


def check_trade(case: Scenario, played: Played, trade: ClosedTrade) -> None:
    got = [(leg.reason.name, leg.price_ticks) for leg in trade.legs]
    assert got == [(leg.reason, ticks(leg.price)) for leg in case.legs]
    for leg, expected in zip(trade.legs, case.legs, strict=True):
        assert row_of(played, leg.time_ns) == expected.row
        if expected.qty is not None:
            assert leg.qty_steps == steps(expected.qty)
    assert sum(leg.qty_steps for leg in trade.legs) == steps(case.qty)
    assert trade.reason.name == (case.final or case.legs[-1].reason)
    assert played.row == case.legs[-1].row
    assert row_of(played, trade.entry_ns) == case.entry_row
    if case.entry_price is not None:
        assert trade.entry_ticks == ticks(case.entry_price)
    assert from_units(trade.funding_units) == pytest.approx(case.funding, abs=1e-8)
    stated = (
        (case.net, from_units(trade.net_units)),
        (case.fees, from_units(trade.fee_units)),
        (case.insurance, from_units(trade.insurance_units)),
        (case.r_net, trade.r_net),
        (case.r_gross, trade.r_gross),
        (case.mae, trade.mae_frac),
        (case.mfe, trade.mfe_frac),
    )
    for want, have in stated:
        if want is not None:
            assert have == pytest.approx(want, abs=2e-8)


def row_of(played: Played, now_ns: int) -> int:
    """Row of the bar an instant belongs to; its opening instant is the bar's own."""
    interval = played.world.interval_ns
    at_close = now_ns == played.world.now_ns
    return (now_ns - START_NS) // interval - (1 if at_close else 0)


def check_money(played: Played) -> None:
    account = played.world.account
    booked = sum(entry.units for entry in account.ledger)
    net = played.outcome.net_units if isinstance(played.outcome, ClosedTrade) else 0
    assert account.cash_units - account.start_units == booked == net


def check_alone(played: Played) -> None:
    """The lone walk and the compiled outcomes give the account's result to the unit."""
    case, world, view = played.case, played.world, played.view
    data = world.data
    got = walk_alone(
        data.series[0], 0, world.last_row,
        played.desk.order_of(view, played.index, steps(case.qty)), view.spare_units,
        world.interval_ns, int(case.settings.entry.intrabar), data.fees, data.contracts[0],
        data.brackets[0],
    )  # fmt: skip
    _, net, end = Counterfactual(played.desk, 0).outcomes(view)
    trade = played.outcome
    if not isinstance(trade, ClosedTrade):
        assert not got.opened
        assert end[played.index] == -1
        return
    lone = (got.net, got.risk, got.entry_ns, got.exit_ns, got.mae_frac, got.mfe_frac, got.reason)
    assert lone == (
        trade.net_units, trade.risk_units, trade.entry_ns, trade.exit_ns, trade.mae_frac,
        trade.mfe_frac, int(trade.legs[-1].reason),
    )  # fmt: skip
    assert (net[played.index], end[played.index]) == (got.net, got.end_row)
