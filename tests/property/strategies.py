"""Drawn small markets with shocks, drawn settings, and episodes of random actions on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from hypothesis import strategies as st

from envs.core.actions import preset
from envs.core.decide import Desk, decide
from envs.core.hooks import HookChain
from envs.core.instrument import Instrument
from envs.core.market_data import MarketData
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from envs.core.tape import SignalTape
from envs.core.trade import ClosedTrade, Decision, SizingChoice, SizingContext, no_propensities
from envs.core.types import NS_PER_HOUR, EntryStyle, EntryUnfilled, Float64Array, IntrabarRule
from envs.core.view import DecisionView
from envs.core.world import Resolved, World

START_NS = 1_577_836_800 * 10**9
FIRST_ROW = 5


@dataclass(frozen=True)
class Case:
    """A drawn market, its signals and settings; ``seed`` draws the actions."""

    market: MarketData
    tape: SignalTape
    settings: CoreSettings
    seed: int


def small_market(seed: int, n: int, symbols: int, shock: float, with_mark: bool) -> MarketData:
    """Bars whose opens gap and whose wicks reach by up to 35 % of price."""
    rng = np.random.default_rng(seed)
    shape = (n, symbols)
    columns = [np.zeros(shape, dtype=np.int64) for _ in range(4)]
    for s in range(symbols):
        price = 100_000.0
        for t in range(n):
            jump = rng.uniform(-0.35, 0.35) if rng.random() < shock else rng.normal() * 0.002
            first = min(max(price * (1.0 + jump), 5_000.0), 2e6)
            last = first * (1.0 + rng.normal() * 0.008)
            up, down = rng.uniform(0.0, 0.006, 2)
            if rng.random() < shock:
                up = rng.uniform(0.0, 0.35)
            if rng.random() < shock:
                down = rng.uniform(0.0, 0.35)
            high, low = max(first, last) * (1.0 + up), min(first, last) * (1.0 - down)
            price = last
            for column, value in zip(columns, (first, high + 1.0, low, last), strict=True):
                column[t, s] = int(value)
    o, h, low_, c = columns
    close_ns = START_NS + NS_PER_HOUR * np.arange(1, n + 1, dtype=np.int64)
    atr_frac = rng.uniform(0.004, 0.03, shape)
    stamp = np.zeros(shape, dtype=np.bool_)
    stamp[::8] = True
    mark: Float64Array = np.asarray(np.stack(columns, axis=2) * 0.01, dtype=np.float64)
    if with_mark:
        mark = np.asarray(mark * (1.0 + rng.normal(size=(*shape, 1)) * 0.004))
    names = ("A", "B", "C")[:symbols]
    return MarketData(
        names, tuple(Instrument.of(x, "0.01", "0.001") for x in names), NS_PER_HOUR, close_ns, o,
        h, low_, c, np.ones(shape), np.ones(shape, dtype=np.bool_), mark,
        np.full(symbols, with_mark), np.where(stamp, 2e-3 * rng.normal(size=shape), 0.0), stamp,
        atr_frac * c * 0.01, atr_frac, rng.integers(0, 4, shape).astype(np.int8),
        rng.integers(0, 5, shape).astype(np.int8), np.zeros(shape, dtype=np.int8),
        np.zeros((*shape, 1)), ("x",), "hash", np.ones(shape, dtype=np.bool_),
    )  # fmt: skip


def signals(market: MarketData, seed: int) -> SignalTape:
    """Random sides, half of all rows candidates."""
    rng = np.random.default_rng(seed)
    shape = market.valid.shape
    side = rng.choice([-1, 1], shape).astype(np.int8)
    zero, small = np.zeros(shape), np.zeros(shape, dtype=np.int8)
    ev: Float64Array = np.asarray(side * 0.002, dtype=np.float64)
    return SignalTape(
        side, zero, zero, zero, ev, rng.random(shape), zero, small, small,
        np.full((*shape, 4), 0.25), np.ones((*shape, 4)), rng.random(shape) < 0.5,
        np.full((market.n_bars, 3, 3), np.nan), "planted", "uniform",
    )  # fmt: skip


def drawn_settings(draw: st.DrawFn) -> CoreSettings:
    """Settings over every entry style, path rule and a spread of costs."""
    base = CoreSettings()
    entry = replace(
        base.entry,
        style=draw(st.sampled_from(list(EntryStyle))),
        unfilled=draw(st.sampled_from(list(EntryUnfilled))),
        intrabar=draw(st.sampled_from([IntrabarRule.PATH, IntrabarRule.PESSIMISTIC])),
    )
    costs = replace(base.costs, taker_fee=draw(st.sampled_from([0.0, 0.0004, 0.002])))
    risk = replace(
        base.risk,
        partial_fraction=draw(st.sampled_from([0.25, 0.5, 1.0])),
        max_position_margin=draw(st.sampled_from([0.15, 0.05])),
        max_total_risk=draw(st.sampled_from([0.10, 0.005])),
        max_gross=draw(st.sampled_from([5.0, 0.5])),
        max_positions=draw(st.sampled_from([10, 1])),
    )
    plan = replace(base.plan, liq_buffer=draw(st.sampled_from([1.0, 2.0])))
    return replace(base, entry=entry, costs=costs, risk=risk, plan=plan)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """One drawn episode."""
    seed = draw(st.integers(0, 10**6))
    market = small_market(
        seed,
        draw(st.integers(20, 80)),
        draw(st.integers(1, 3)),
        draw(st.sampled_from([0.0, 0.05, 0.2])),
        draw(st.booleans()),
    )
    return Case(market, signals(market, seed + 1), drawn_settings(draw), seed + 2)


class Random:
    """Draws uniformly among the allowed actions."""

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        """Choose any allowed action."""
        if rng is None:
            raise ValueError("random actions need a generator")
        index = int(rng.choice(np.flatnonzero(context.mask)))
        return SizingChoice(index, no_propensities(context.mask.shape[0], index))


@dataclass
class Episode:
    """A run, with everything decided and resolved."""

    world: World
    sent: list[tuple[DecisionView, Decision]] = field(default_factory=list)
    resolved: list[Resolved] = field(default_factory=list)
    equities: list[float] = field(default_factory=list)

    @property
    def trades(self) -> list[ClosedTrade]:
        """Closed trades in order."""
        return [r.outcome for r in self.resolved if isinstance(r.outcome, ClosedTrade)]


def play(
    case: Case,
    last_row: int | None = None,
    watch: Callable[[World], None] | None = None,
    on_sent: Callable[[World, DecisionView, Decision], None] | None = None,
    finish: bool = True,
) -> Episode:
    """Run one episode; ``watch`` sees the world after every bar."""
    rng = np.random.default_rng(case.seed)
    world = World(prepare(case.market, case.settings), case.settings, FIRST_ROW, last_row)
    desk = Desk(world, case.tape, preset("full"), case.settings)
    out = Episode(world, equities=[world.account.equity_quote()])
    while not world.done:
        for s in desk.candidates():
            view = desk.view(s)
            decision = decide(view, Random(), HookChain(), rng)
            if desk.commit(view, decision):
                out.sent.append((view, decision))
                if on_sent:
                    on_sent(world, view, decision)
        out.resolved += world.advance()
        out.equities.append(world.account.equity_quote())
        if watch:
            watch(world)
    if finish:
        out.resolved += world.finish()
        out.equities.append(world.account.equity_quote())
    return out
