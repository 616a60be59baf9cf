"""A trader of a venue that moves by itself, put together from an open client."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from runtime.adapters.ccxt_feed import CcxtFeed
from runtime.adapters.ccxt_venue import CcxtVenue
from runtime.adapters.clocks import SystemClock
from runtime.adapters.rate_budget import BudgetLimits, RateBudget
from runtime.bundle import Bundle
from runtime.driving.market_clock import MarketClock
from runtime.driving.timed import Timed, TimedDriver, venue_settings
from runtime.kernel import Kernel
from runtime.learning.recovery import recover
from runtime.preflight import Journalled, Preflight
from runtime.signals.cached import CachedSignals
from runtime.signals.live import LiveSignals
from runtime.trading.first_stops import first_stops
from runtime.wiring.core import Core, build_core, learning_of
from runtime.wiring.fed_kernel import FedKernel
from runtime.wiring.history import LiveHistory, ask_history, columns_of, live_signals
from runtime.wiring.keeping import Kept
from runtime.wiring.minds import Minds, minds_of
from runtime.wiring.period import interval_of
from runtime.wiring.plan import TradePlan
from runtime.wiring.same_market import require_period, require_same_market
from runtime.wiring.timed import EndOfData, TimedDrive, timed_options, timed_settings
from runtime.wiring.trader import Trader

_LOG = logging.getLogger(__name__)
_NS_PER_MS = 1_000_000
_PRICES_S = 5.0


@dataclass(frozen=True)
class Clocked:
    """What differs between venues that move by themselves.

    Attributes:
        client: of ``make_exchange``.
        speed: market seconds per wall second.
        wall: whether the market's time is the wall's.
        limits: request budget; None: the exchange's own.
        known: signals on bars known beforehand; None: models are asked as the bars come.
        begin_ns: market time at the begin, where it is not the wall's; 0: as its prices tell.
        first_ns: close before which nothing may be decided, on an exchange that runs already.
        end_ns: where the market's data ends; None: never.
        gone: done when the exchange's process has ended.
        most_bars: closes there will be, 0: unknown.
    """

    client: Any
    speed: float = 1.0
    wall: bool = True
    limits: BudgetLimits | None = None
    known: CachedSignals | None = None
    begin_ns: int = 0
    first_ns: int = 0
    end_ns: int | None = None
    gone: asyncio.Task[int] | None = None
    most_bars: int = 0


async def open_clocked(
    plan: TradePlan, bundle: Bundle, kept: Kept, at: Clocked, stack: AsyncExitStack
) -> Trader:
    """Open venue and feed, look before trading, and put the trader together.

    What is opened is closed with ``stack``.

    Raises:
        FixInput: The venue or the account is not fit to trade; every reason is named.
        VenueUnavailable: The venue does not answer.
    """
    settings, clock = plan.settings, SystemClock()
    symbols = tuple(sorted(settings.run.symbols))
    venue = CcxtVenue(
        at.client, kept.store, symbols, clock=clock, budget=RateBudget(clock, at.limits),
        settings=venue_settings(at.speed),
    )  # fmt: skip
    stack.push_async_callback(venue.close)
    await venue.open()
    state = await kept.journal.last_state()
    if state is not None:
        # Before whatever takes long: history, models, what was learned.
        await first_stops(state["books"], venue, kept.store)
    asked = Preflight(settings, plan.venue, bundle=bundle)
    report = await asked.ask(venue, journalled(state))
    report.require()
    for check in report.warnings:
        _LOG.warning("%s: %s", check.name, check.text)
    feed = CcxtFeed(venue.link)
    stack.push_async_callback(feed.close)
    await feed.open(symbols, settings.run.timeframe)
    market_clock = MarketClock(venue.link, feed, wall=at.wall, start_ns=at.begin_ns)
    if at.first_ns:
        await _first_prices(feed)
        require_period(market_clock.now_ns(), at.first_ns, plan.exchange_url)
        if at.known is not None:
            await require_same_market(feed, at.known.data, plan.exchange_url)
    interval_ns = interval_of(bundle)
    options = timed_options(settings, at.speed, interval_ns, plan.journal == "full")
    known = at.known
    contracts = known.data.market.instruments if known else [venue.instruments[s] for s in symbols]
    minds = minds_of(bundle, settings, timed=True, contracts=contracts)
    history: LiveHistory | None = None
    signals: CachedSignals | LiveSignals
    if at.known is not None:
        signals = at.known
    else:
        history = await ask_history(feed, venue.instruments, symbols, settings.run.timeframe)
        signals = await _started(plan, bundle, kept, minds, history, state)
        stack.push_async_callback(signals.stop)
    core = build_core(plan, bundle, kept, venue, signals, market_clock.now_ns, options, minds)
    if isinstance(signals, LiveSignals) and state is None:
        # The history's labels are learned and stand in no journal.
        core.learning.checkpoint(kept.journal.last_seq, force=True)
    for symbol, why in report.blocks.items():
        core.kernel.block_entries(symbol, why)
    timed: Timed = core.kernel
    if isinstance(signals, LiveSignals) and history is not None:
        timed = _fed(core.kernel, signals, feed, plan, history)
    await _first_prices(feed)
    drive = _drive(plan, core, timed, venue, feed, market_clock, at, signals)
    return Trader(
        plan, bundle, kept.folder, core.kernel, drive, venue, feed, kept.journal, signals,
        core.learning, core.stop, most_bars=at.most_bars or plan.max_bars or 0,
        first_ns=market_clock.now_ns(), journal_name=kept.name,
    )  # fmt: skip


def journalled(state: Mapping[str, Any] | None) -> Journalled:
    """What the last commit knows of the account."""
    if state is None:
        return Journalled()
    books = state["books"]
    names = books["symbols"]
    ours = frozenset(names[int(s)] for s in books["account"]["positions"])
    known = books["leverage"]
    return Journalled(ours, None, {s: int(known[s]) for s in ours if s in known})


async def _first_prices(feed: CcxtFeed) -> None:
    """Wait a little for every contract's first price: the market's time is known by it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PRICES_S):
            while any(feed.mark(s) is None for s in feed.symbols):  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def _started(
    plan: TradePlan, bundle: Bundle, kept: Kept, minds: Minds, history: LiveHistory,
    state: Mapping[str, Any] | None,
) -> LiveSignals:  # fmt: skip
    """Live signals, started where the journal stands, with the manager as it was then."""
    signals = live_signals(bundle, plan.settings, history, learning=plan.learn)
    if state is not None:
        columns = columns_of(history, plan.settings, bundle.manager)
        recover(kept.journal, learning_of(plan, kept, columns, minds))
        signals.restore(state["signals"])
    await signals.start()
    return signals


def _fed(
    kernel: Kernel, signals: LiveSignals, feed: CcxtFeed, plan: TradePlan, history: LiveHistory
) -> FedKernel:
    first = history.series[0]
    marked = [r.symbol for r in history.series if r.mark is not None]
    settled = {
        r.symbol: int(r.funding_ns[-1] if r.funding_ns is not None else r.open_ns[-1]) // _NS_PER_MS
        for r in history.series
    }
    return FedKernel(
        kernel, signals, feed, plan.settings.run.timeframe, first.interval_ns // _NS_PER_MS,
        marked, settled,
    )  # fmt: skip


def _drive(
    plan: TradePlan, core: Core, timed: Timed, venue: CcxtVenue, feed: CcxtFeed,
    clock: MarketClock, at: Clocked, signals: CachedSignals | LiveSignals,
) -> TimedDrive:  # fmt: skip
    kernel, stop = core.kernel, asyncio.Event()
    data_ends: Callable[[], bool] = lambda: False  # noqa: E731
    if at.end_ns is not None:
        data_ends = EndOfData(at.end_ns, lambda: kernel.bar_ns, clock.now_ns)
    period_ends = _period_end(plan, kernel)
    driver = TimedDriver(
        timed, venue, feed, clock, tuple(sorted(plan.settings.run.symbols)),
        timed_settings(plan.settings, at.speed), stop, core.stop, plan.max_bars,
        lambda: data_ends() or period_ends(),
        is_asking=lambda: isinstance(signals, LiveSignals) and signals.turn.is_lent,
    )  # fmt: skip

    async def catch_up() -> None:
        """Closes of the history that came while nobody traded: learned, too old to decide on."""
        if isinstance(signals, LiveSignals):
            for close_ns in signals.pending():
                await kernel.on_close(close_ns, ())

    return TimedDrive(driver, kernel, stop, data_ends, at.gone, catch_up)


def _period_end(plan: TradePlan, kernel: Kernel) -> Callable[[], bool]:
    """Whether the close asked for with ``--end`` has passed, on a market that goes on."""
    end_ns = plan.end_ns
    if end_ns is None or plan.venue == "local":
        return lambda: False
    return lambda: kernel.bar_ns >= end_ns
