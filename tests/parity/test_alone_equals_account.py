"""Kernel == plain rules == account, on drawn shock markets (gaps and wicks), without tolerance."""

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
from envs.core.rules.reward import log_growth
from envs.core.rules.rounding import from_units
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from envs.core.tape import SignalTape
from envs.core.trade import ClosedTrade, SizingChoice, SizingContext, no_propensities
from envs.core.types import NS_PER_HOUR, EntryStyle, IntrabarRule
from envs.core.view import DecisionView
from envs.core.world import Resolved, World
from envs.kernel.counterfactual import Counterfactual, compiled_ladder

N_BARS = 700
START_NS = 1_577_836_800 * 10**9


def shock_market(seed: int, shock: float, with_mark: bool) -> MarketData:
    rng = np.random.default_rng(seed)
    shape = (N_BARS, 3)
    columns = [np.zeros(shape, dtype=np.int64) for _ in range(4)]
    detail = [[np.zeros(shape, dtype=np.int64) for _ in range(4)] for _ in range(4)]
    detail_ok = rng.random((N_BARS, 4, 3)) < 0.99
    for s in range(3):
        price = 100_000.0
        for t in range(N_BARS):
            first = max(price * (1.0 + rng.normal() * shock), 2_000.0)
            path = first * np.cumprod(1.0 + rng.normal(size=20) * 0.0025)
            high = max(first, path.max()) * (1.0 + abs(rng.normal()) * shock)
            low = min(first, path.min()) * (1.0 - min(0.6, abs(rng.normal()) * shock))
            price = float(path[-1])
            for column, value in zip(columns, (first, high + 1, low, price), strict=True):
                column[t, s] = int(value)
            opening = int(first)
            for k in range(4):
                piece = path[5 * k : 5 * k + 5].astype(np.int64)
                top, bottom = max(opening, piece.max()), min(opening, piece.min())
                if k == 1:
                    top, bottom = max(top, int(high) + 1), min(bottom, int(low))
                for column, value in zip(detail[k], (opening, top, bottom, piece[-1]), strict=True):
                    column[t, s] = value
                opening = int(piece[-1])
    o, h, low_, c = columns
    close_ns = START_NS + NS_PER_HOUR * np.arange(1, N_BARS + 1, dtype=np.int64)
    atr = np.full(shape, np.nan)
    for t in range(20, N_BARS):
        atr[t] = (h - low_)[t - 14 : t].mean(axis=0) * 0.01
    stamp = np.zeros(shape, dtype=np.bool_)
    stamp[::8] = True
    mark = np.stack(columns, axis=2) * 0.01
    if with_mark:
        mark = mark * (1.0 + rng.normal(size=(*shape, 1)) * 0.004)
    names = ("A", "B", "C")
    fine = DetailBars(*(np.stack(parts, axis=1) for parts in zip(*detail, strict=True)), detail_ok)
    return MarketData(
        names, tuple(Instrument.of(n, "0.01", "0.001") for n in names), NS_PER_HOUR, close_ns, o, h,
        low_, c, np.ones(shape), np.ones(shape, dtype=np.bool_), mark, np.full(3, with_mark),
        np.where(stamp, 1e-3 * rng.normal(size=shape), 0.0), stamp, atr, atr / (c * 0.01),
        rng.integers(0, 4, shape).astype(np.int8), rng.integers(0, 5, shape).astype(np.int8),
        np.zeros(shape, dtype=np.int8), np.zeros((*shape, 2)), ("x", "y"), "hash",
        np.isfinite(atr), fine,
    )  # fmt: skip


def drawn_tape(market: MarketData, seed: int) -> SignalTape:
    rng = np.random.default_rng(seed)
    shape = market.valid.shape
    side = rng.choice([-1, 1], shape).astype(np.int8)
    candidate = (rng.random(shape) < 0.25) & market.complete
    candidate[-1] = False
    zero, small = np.zeros(shape), np.zeros(shape, dtype=np.int8)
    return SignalTape(
        side, zero, zero, zero, side * 0.002, rng.random(shape), zero, small, small,
        np.full((*shape, 4), 0.25), np.ones((*shape, 4)), candidate,
        np.full((market.n_bars, 3, 3), np.nan), "planted", "uniform",
    )  # fmt: skip


class Random:
    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        assert rng is not None
        index = int(rng.choice(np.flatnonzero(context.mask)))
        return SizingChoice(index, no_propensities(context.mask.shape[0], index))


class Run:
    """An episode of random actions with every view kept."""

    def __init__(self, market: MarketData, settings: CoreSettings, seed: int) -> None:
        self.settings = settings
        self.data = prepare(market, settings)
        self.world = World(self.data, settings, 20)
        tape = drawn_tape(market, seed)
        self.plain = Desk(self.world, tape, preset("full"), settings)
        self.desk = Desk(self.world, tape, preset("full"), settings, ladder=compiled_ladder())
        self.counterfactual = Counterfactual(self.desk, 0)
        self.views: dict[str, tuple[DecisionView, Decision]] = {}
        self.resolved: list[Resolved] = []

    def alone(self, view: DecisionView, index: int, qty: int):  # type: ignore[no-untyped-def]
        s = view.symbol_index
        return walk_alone(
            self.data.series[s], view.row, self.world.last_row,
            self.desk.order_of(view, index, qty), view.spare_units, NS_PER_HOUR,
            int(self.settings.entry.intrabar), self.data.fees, self.data.contracts[s],
            self.data.brackets[s],
        )  # fmt: skip


SETTINGS = {
    "path": CoreSettings(),
    "pessimistic": replace(
        CoreSettings(), entry=replace(CoreSettings().entry, intrabar=IntrabarRule.PESSIMISTIC)
    ),
    "detail": replace(
        CoreSettings(), entry=replace(CoreSettings().entry, intrabar=IntrabarRule.DETAIL)
    ),
    "post_only": replace(
        CoreSettings(), entry=replace(CoreSettings().entry, style=EntryStyle.POST_ONLY)
    ),
}


@pytest.fixture(
    scope="module",
    params=[(n, k, m) for n in SETTINGS for k, m in ((0.0, False), (0.06, True), (0.2, True))],
    ids=lambda p: f"{p[0]}-{p[1]}-{'mark' if p[2] else 'last'}",
)
def run(request: pytest.FixtureRequest) -> Run:
    name, shock, with_mark = request.param
    out = Run(shock_market(7, shock, with_mark), SETTINGS[name], 11)
    rng = np.random.default_rng(5)
    compared = 0
    while not out.world.done:
        for s in out.desk.candidates():
            view = out.desk.view(s)
            if compared < 40:
                compared += 1
                compare_ladder_and_outcomes(out, view, s, rng)
            if view.executable:
                decision = decide(view, Random(), HookChain(), rng)
                out.desk.commit(view, decision)
                out.views[decision.decision_id] = (view, decision)
        out.resolved += out.world.advance()
    out.resolved += out.world.finish()
    return out


def compare_ladder_and_outcomes(
    run: Run, view: DecisionView, s: int, rng: np.random.Generator
) -> None:
    plain = run.plain.view(s)
    assert np.array_equal(plain.qty_steps, view.qty_steps)
    assert np.array_equal(plain.mask_reasons, view.mask_reasons)
    assert np.array_equal(plain.context.notional_frac, view.context.notional_frac)
    reward, net, end = run.counterfactual.outcomes(view)
    for index in rng.choice(reward.size, 6, replace=False).tolist():
        qty = int(view.qty_steps[index])
        if not view.context.mask[index]:
            assert np.isnan(reward[index])
        elif qty > 0:
            got = run.alone(view, index, qty)
            assert (got.net, got.end_row) == (net[index], end[index])
            expected = log_growth(from_units(got.net), from_units(view.equity_units))
            assert reward[index] == (expected if got.opened else 0.0)


def test_account_equals_the_lone_walk_where_the_ladder_did_not_act(run: Run) -> None:
    same = acted = 0
    for r in run.resolved:
        if not isinstance(r.outcome, ClosedTrade):
            continue
        view, decision = run.views[r.decision.decision_id]
        assert decision.chosen is not None
        got = run.alone(view, decision.chosen, decision.qty_steps)
        if r.outcome.reason.name in ("EMERGENCY", "DEFENSIVE") or run.world.ruined:
            acted += 1
            continue
        mine = (
            r.outcome.net_units, r.outcome.risk_units, r.outcome.exit_ns, r.outcome.mae_frac,
            int(r.outcome.legs[-1].reason),
        )  # fmt: skip
        assert mine == (got.net, got.risk, got.exit_ns, got.mae_frac, got.reason)
        same += 1
    assert same > 10 or run.world.ruined


def test_money_is_conserved_to_the_unit(run: Run) -> None:
    account = run.world.account
    booked = sum(entry.units for entry in account.ledger)
    assert account.cash_units - account.start_units == booked == account.booked_units
    closed = [r.outcome for r in run.resolved if isinstance(r.outcome, ClosedTrade)]
    assert booked == sum(t.net_units for t in closed)
    assert not account.positions


def test_a_liquidation_never_costs_more_than_margin_and_fee(run: Run) -> None:
    for r in run.resolved:
        if isinstance(r.outcome, ClosedTrade) and r.outcome.reason.name == "LIQUIDATION":
            lost = -(r.outcome.gross_units + r.outcome.insurance_units)
            assert lost <= r.outcome.margin_units + max(0, r.outcome.funding_units)
