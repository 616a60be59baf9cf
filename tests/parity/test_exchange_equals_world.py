"""World == local exchange in lockstep: the same fills, fees, funding, liquidations and cash.

The core's world trades drawn shock markets at random; a mirror trader sends the same entries to the
exchange and keeps the orders resting that the rules ask for. No tolerance anywhere.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.core.actions import preset
from envs.core.decide import Desk, decide
from envs.core.events import EntryKind
from envs.core.hooks import HookChain
from envs.core.market_data import MarketData
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from envs.core.trade import ClosedTrade
from envs.core.types import NS_PER_HOUR, EntryStyle, EntryUnfilled, ExitReason
from envs.core.world import Resolved, World
from runtime.exchange.clock import SystemClock
from runtime.exchange.market import ExchangeMarket
from runtime.exchange.orders import IncomeType
from runtime.exchange.session import ExchangeSession
from runtime.exchange.settings import ExchangeSettings
from tests.parity.mirror import Mirror
from tests.property.strategies import FIRST_ROW, Case, Random, signals, small_market

KINDS = {
    EntryKind.FEE: IncomeType.COMMISSION,
    EntryKind.LIQUIDATION_FEE: IncomeType.COMMISSION,
    EntryKind.REALISED: IncomeType.REALIZED_PNL,
    EntryKind.FUNDING: IncomeType.FUNDING_FEE,
    EntryKind.INSURANCE: IncomeType.INSURANCE_CLEAR,
}


def settings_of(seed: int, style: EntryStyle, unfilled: EntryUnfilled, eager: bool) -> CoreSettings:
    """Costs, partials and limits by seed; eager ones meet the drawdown ladder often."""
    rng = np.random.default_rng([seed, 9])
    base = CoreSettings()
    entry = replace(base.entry, style=style, unfilled=unfilled)
    costs = replace(base.costs, taker_fee=float(rng.choice([0.0, 0.0004, 0.002])))
    risk = replace(base.risk, partial_fraction=float(rng.choice([0.25, 0.5, 1.0])))
    ess = base.ess
    if not eager:
        risk = replace(risk, max_open_dd=0.99, max_daily_dd=0.99)
        ess = replace(ess, max_total_dd=0.99, max_stops_15m=1000)
    return replace(base, entry=entry, costs=costs, risk=risk, ess=ess)


class Pair:
    """The world and the exchange on one market, bar by bar."""

    def __init__(self, case: Case) -> None:
        self.case = case
        data = prepare(case.market, case.settings)
        self.world = World(data, case.settings, FIRST_ROW)
        self.desk = Desk(self.world, case.tape, preset("full"), case.settings)
        wanted = ExchangeSettings(
            symbols=case.market.symbols, speed="lockstep", core=case.settings,
            start_quote=case.settings.start_equity_quote,
        )  # fmt: skip
        market = ExchangeMarket(data, FIRST_ROW)
        self.session = ExchangeSession(wanted, market, SystemClock(), None)
        self.mirror = Mirror(self.session)
        self.resolved: list[Resolved] = []
        self.bars, self.finished, self.ends = 0, False, 0

    async def run(self) -> Pair:
        """Play to the end, comparing after every bar."""
        rng = np.random.default_rng(self.case.seed)
        while not self.world.done:
            await self._decide(rng)
            resolved = self.world.advance()
            self.resolved += resolved
            await self.mirror.bar()
            if self.differs_by_design():
                return self
            self.bars += 1
            self.compare(f"bar {self.bars}")
        if self.world.done and not self.world.ruined:
            self.ends = len(self.world.account.positions)
            self.resolved += self.world.finish()
            await self.mirror.finish()
            self.compare("the end")
        self.finished = True
        return self

    def differs_by_design(self) -> bool:
        """Whether the core did what no client of an exchange can do.

        A resting entry that fills inside a piece is protected from there on in the core, at the
        next vertex on an exchange.
        """
        closed = [r.outcome for r in self.resolved if isinstance(r.outcome, ClosedTrade)]
        return any(
            leg.time_ns == trade.entry_ns and trade.entry_ns % NS_PER_HOUR != 0
            for trade in closed
            for leg in trade.legs
        )

    async def _decide(self, rng: np.random.Generator) -> None:
        names = self.case.market.symbols
        for s in self.desk.candidates():
            view = self.desk.view(s)
            decision = decide(view, Random(), HookChain(), rng)
            if self.desk.commit(view, decision):
                await self.mirror.enter(names[s], self.world.account.pending[s].order)

    def compare(self, where: str) -> None:
        """Cash, every booked amount, and every open position to the last digit."""
        account, state, names = self.world.account, self.session.state, self.case.market.symbols
        mine = Counter((e.time_ns, e.symbol, KINDS[e.kind], e.units) for e in account.ledger)
        theirs = Counter((i.time_ns, i.symbol, i.type, i.units) for i in state.ledger.income)
        assert mine == theirs, f"{where}: {mine - theirs} against {theirs - mine}"
        assert state.ledger.wallet_units == account.cash_units, where
        held = {names[s]: (p.book, p.tier) for s, p in account.positions.items()}
        assert {n: (h.book, h.tier) for n, h in state.holdings.items()} == held, where
        assert state.equity_quote() == account.equity_quote(), where

    def reasons(self) -> Counter[ExitReason]:
        """How the closed trades ended."""
        return Counter(
            leg.reason
            for r in self.resolved
            if isinstance(r.outcome, ClosedTrade)
            for leg in r.outcome.legs
        )


def pair_of(
    seed: int, *, n: int = 150, symbols: int = 3, shock: float = 0.05, with_mark: bool = False,
    style: EntryStyle = EntryStyle.MARKET, unfilled: EntryUnfilled = EntryUnfilled.LAPSE,
    eager: bool = True, gap_at_end: bool = False,
) -> Pair:  # fmt: skip
    market = small_market(seed, n, symbols, shock, with_mark)
    if gap_at_end:
        market = without_last_bar(market, seed % symbols)
    case = Case(
        market, signals(market, seed + 1), settings_of(seed, style, unfilled, eager), seed + 2
    )
    return asyncio.run(Pair(case).run())


def without_last_bar(market: MarketData, s: int) -> MarketData:
    """The last bar of a symbol left out, as a gap is stored."""
    columns = {
        name: getattr(market, name).copy()
        for name in ("valid", "open_ticks", "high_ticks", "low_ticks", "close_ticks")
    }
    for column in columns.values():
        column[-1, s] = 0
    return replace(market, **columns)


@pytest.mark.parametrize("shock", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("with_mark", [False, True])
def test_market_entries_end_in_the_same_books(shock: float, with_mark: bool) -> None:
    reasons: Counter[ExitReason] = Counter()
    for seed in range(5):
        pair = pair_of(seed, shock=shock, with_mark=with_mark, eager=not with_mark)
        assert pair.finished
        reasons += pair.reasons()
    wanted = {ExitReason.STOP, ExitReason.PARTIAL, ExitReason.TARGET, ExitReason.BREAKEVEN}
    wanted |= {ExitReason.TRAIL} if shock < 0.2 else {ExitReason.LIQUIDATION}
    wanted |= {ExitReason.TIME} if shock == 0.0 else set()
    assert wanted <= set(reasons)


@pytest.mark.parametrize("gap_at_end", [False, True])
def test_what_is_open_at_the_end_closes_at_the_last_close(gap_at_end: bool) -> None:
    pairs = [
        pair_of(seed, n=40 + seed, with_mark=bool(seed % 2), eager=False, gap_at_end=gap_at_end)
        for seed in range(9)
    ]
    assert all(p.finished for p in pairs)
    assert sum(p.ends for p in pairs) >= 5
    for p in pairs:
        ended = [r.outcome for r in p.resolved[-p.ends :] if p.ends]
        assert all(isinstance(t, ClosedTrade) and t.exit_ns == p.session.now_ns for t in ended)


def test_the_ladder_acts_the_same() -> None:
    reasons: Counter[ExitReason] = Counter()
    for seed in range(12):
        pair = pair_of(seed, shock=0.2)
        assert pair.finished
        reasons += pair.reasons()
    assert {ExitReason.DEFENSIVE, ExitReason.EMERGENCY} <= set(reasons)


MET_AT_ONCE = [(9, 0.2), (17, 0.05), (19, 0.2), (33, 0.05), (63, 0.2)]


@pytest.mark.parametrize(("seed", "shock"), MET_AT_ONCE)
def test_a_defensive_stop_beyond_the_last_price_is_a_market_exit(seed: int, shock: float) -> None:
    pair = pair_of(seed, n=120, shock=shock, with_mark=True)
    assert pair.finished
    assert pair.mirror.refused_defensive > 0


@pytest.mark.parametrize("seed", range(6))
def test_a_break_even_beyond_the_last_price_is_a_market_exit(seed: int) -> None:
    """Marks far from the last price, and a move to break-even before the costs are earned."""
    drawn = small_market(seed, 60, 3, 0.0, False)
    far = 1.0 + np.random.default_rng(seed).normal(size=(60, 3, 1)) * 0.02
    market = replace(drawn, mark=drawn.mark * far, has_mark=np.ones(3, dtype=np.bool_))
    base = settings_of(seed, EntryStyle.MARKET, EntryUnfilled.LAPSE, False)
    costly = replace(base.costs, taker_fee=0.002)
    early = replace(base.risk, breakeven_at_r=0.05)
    case = Case(
        market, signals(market, seed + 1), replace(base, costs=costly, risk=early), seed + 2
    )
    pair = asyncio.run(Pair(case).run())
    assert pair.finished
    assert pair.reasons()[ExitReason.BREAKEVEN] >= 4


@pytest.mark.parametrize("unfilled", list(EntryUnfilled))
@pytest.mark.parametrize("with_mark", [False, True])
def test_resting_entries_end_in_the_same_books(unfilled: EntryUnfilled, with_mark: bool) -> None:
    pairs = [
        pair_of(
            seed,
            n=80,
            shock=0.02,
            with_mark=with_mark,
            style=EntryStyle.POST_ONLY,
            unfilled=unfilled,
            eager=False,
        )
        for seed in range(8)
    ]
    assert sum(p.finished for p in pairs) >= 3
    assert sum(p.bars for p in pairs) > 300
    makers = [t for p in pairs for t in p.session.state.ledger.trades if t.maker]
    assert len(makers) > 50


@given(
    seed=st.integers(0, 10**6),
    shock=st.sampled_from([0.0, 0.05, 0.2]),
    with_mark=st.booleans(),
    style=st.sampled_from(list(EntryStyle)),
    symbols=st.integers(1, 3),
)
@settings(max_examples=40)
def test_drawn_markets_end_in_the_same_books(
    seed: int, shock: float, with_mark: bool, style: EntryStyle, symbols: int
) -> None:
    pair_of(seed, n=60, symbols=symbols, shock=shock, with_mark=with_mark, style=style)
