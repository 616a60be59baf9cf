"""Traders of venues whose market moves by itself: the local exchange, the demo, live."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from runtime.adapters.ccxt_factory import make_exchange
from runtime.adapters.ccxt_feed import CcxtFeed
from runtime.adapters.ccxt_venue import CcxtVenue
from runtime.adapters.clocks import SystemClock
from runtime.adapters.rate_budget import RateBudget
from runtime.bundle import load_bundle
from runtime.driving.market_clock import MarketClock
from runtime.driving.timed import TimedDriver, TimedSettings, venue_settings
from runtime.kernel import Kernel
from runtime.settings import Settings
from runtime.signals.cached import cached_signals
from runtime.trading.context import TradingOptions
from runtime.wiring.core import build_core
from runtime.wiring.errors import CoreFailed
from runtime.wiring.keeping import keep
from runtime.wiring.local import WIDE, exchange_for, is_as_sold
from runtime.wiring.plan import TradePlan
from runtime.wiring.state_folder import open_state
from runtime.wiring.trader import Ended, Trader

_LATE_S = 5.0
_DECIDE_WALL_S = 5.0


class TimedDrive:
    """``Drive`` over a ``TimedDriver``.

    Args:
        stop: what the driver was made with.
        ended: whether the market has ended.
        gone: done when the exchange's process ended; None where it is not ours.
    """

    def __init__(
        self, driver: TimedDriver, kernel: Kernel, stop: asyncio.Event,
        ended: Callable[[], bool], gone: asyncio.Task[int] | None = None,
    ) -> None:  # fmt: skip
        self._driver, self._kernel, self._stop = driver, kernel, stop
        self._ended, self._gone = ended, gone

    async def run(self) -> Ended:
        """Drive until the market ends, enough bars closed, or ``stop``.

        Raises:
            CoreFailed: The local exchange's process ended.
        """
        running = asyncio.create_task(self._driver.run())
        waited = {running} if self._gone is None else {running, self._gone}
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                raise CoreFailed(
                    "the local exchange ended by itself; its journal is in the state folder: the "
                    "same command goes on"
                )
            running.result()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        if self._stop.is_set():
            return Ended.ASKED
        if self._ended():
            await self._kernel.finish()
            return Ended.DATA
        return Ended.BARS

    def stop(self) -> None:
        """End after the step under way."""
        self._stop.set()

    async def settle(self) -> None:
        """Give what was sent a moment to be told of."""
        await asyncio.sleep(1.0)


class EndOfData:
    """Whether the last bar of the data has closed; one that is lost is not waited for."""

    def __init__(self, end_ns: int, bar_ns: Callable[[], int], now_ns: Callable[[], int]) -> None:
        self._end_ns, self._bar_ns, self._now_ns = end_ns, bar_ns, now_ns
        self._since_s: float | None = None

    def __call__(self) -> bool:
        """Ask; costs next to nothing."""
        if self._bar_ns() >= self._end_ns:
            return True
        if self._now_ns() < self._end_ns:
            return False
        now_s = time.monotonic()
        self._since_s = self._since_s if self._since_s is not None else now_s
        return now_s - self._since_s > _LATE_S


def timed_settings(settings: Settings, speed: float) -> TimedSettings:
    """Times of the loop as the settings have them."""
    trading = settings.trading
    return TimedSettings(
        monitor_s=trading.monitor_s, cycle_s=trading.cycle_s, speed=speed,
        max_age_s=trading.max_data_age_s,
    )  # fmt: skip


def timed_options(settings: Settings, speed: float, interval_ns: int, full: bool) -> TradingOptions:
    """Times of trading; a request takes wall time, so at speed deadlines of the market stretch."""
    within_s = min(interval_ns / 2e9, max(60.0, _DECIDE_WALL_S * speed))
    return TradingOptions(
        protect_deadline_s=settings.trading.protect_deadline_s * max(1.0, speed),
        decide_within_s=within_s, in_turn=False, full=full,
    )  # fmt: skip


@asynccontextmanager
async def open_local_timed(plan: TradePlan) -> AsyncIterator[Trader]:
    """A trader on the local exchange in its own time, on bars and votes known beforehand."""
    bundle, speed = load_bundle(plan.bundle), float(plan.speed)
    signals = cached_signals(
        bundle, plan.settings, start_ns=plan.start_ns, end_ns=plan.end_ns, cache=plan.cache,
        learning=plan.learn,
    )  # fmt: skip
    market = signals.data.market
    symbols, first, last = market.symbols, signals.row, signals.last_row
    async with AsyncExitStack() as stack:
        kept = stack.enter_context(keep(plan, open_state(plan)))
        at = await stack.enter_async_context(exchange_for(plan, kept, bundle, signals))
        clock = SystemClock()
        venue = CcxtVenue(
            make_exchange("local", url=at.rest), kept.store, symbols, clock=clock,
            budget=RateBudget(clock, None if is_as_sold(plan) else WIDE),
            settings=venue_settings(speed),
        )  # fmt: skip
        stack.push_async_callback(venue.close)
        await venue.open()
        feed = CcxtFeed(venue.link)
        stack.push_async_callback(feed.close)
        await feed.open(symbols, plan.settings.run.timeframe)
        start_ns = at.now_ns or int(market.close_ns[first])
        market_clock = MarketClock(venue.link, feed, wall=False, start_ns=start_ns)
        core = build_core(
            plan, bundle, kept, venue, signals, market_clock.now_ns,
            timed_options(plan.settings, speed, market.interval_ns, plan.journal == "full"),
        )  # fmt: skip
        stop, kernel = asyncio.Event(), core.kernel
        end = EndOfData(int(market.close_ns[last]), lambda: kernel.bar_ns, market_clock.now_ns)
        driver = TimedDriver(
            kernel, venue, feed, market_clock, symbols, timed_settings(plan.settings, speed), stop,
            core.stop, plan.max_bars, end,
        )  # fmt: skip
        yield Trader(
            plan, bundle, kept.folder, kernel, TimedDrive(driver, kernel, stop, end, at.gone),
            venue, feed, kept.journal, signals, core.learning, core.stop,
            most_bars=min(last - first, plan.max_bars or last), first_ns=start_ns,
            journal_name=kept.name,
        )  # fmt: skip
