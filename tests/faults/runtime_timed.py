"""A runtime that trades by the clock on an exchange of this process whose market moves by itself.

One market second is one wall second and every time of the adapter is that of production, so that
seconds without protection are what they would be.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

from runtime.adapters.ccxt_feed import CcxtFeed
from runtime.adapters.ccxt_venue import VenueSettings
from runtime.driving.timed import TimedDriver, TimedSettings
from runtime.exchange.fault_schedule import Schedule
from runtime.kernel_ports import Quote
from runtime.port_errors import VenueUnavailable
from runtime.trading.context import TradingOptions
from tests.chaos.draws import Storm
from tests.faults.runtime_checks import Bounds
from tests.faults.runtime_feed import DirectFeed, SessionClock
from tests.faults.runtime_parts import REAL, Plan, Runtime, Wrap, as_it_is, open_runtime
from tests.faults.runtime_rig import Venue, faults_of, venue_for

BY_CLOCK = TradingOptions(in_turn=False)
TIMES = TimedSettings()
"""Those of production."""
AFTERMATH_S = 5.0
SETTLED = Bounds(doubled_s=10.0)
BUSY = Bounds(60.0, 60.0)
"""Market seconds are wall seconds here: what no machine, however busy, may exceed in a test. How
long positions really go without a stop is measured by ``make chaos``."""


@dataclass
class Timed:
    """A runtime driven by the clock."""

    venue: Venue
    runtime: Runtime
    driver: TimedDriver
    feed: Any
    _task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Let it trade."""
        self._task = asyncio.create_task(self.driver.run())

    async def end(self) -> None:
        """Let it stop after the step it is in."""
        task, self._task = self._task, None
        if task is not None:
            self.driver.stop.set()
            await task

    def quotes(self) -> dict[str, Quote]:
        """Where the contracts stand."""
        state, now_ns = self.venue.session.state, self.venue.session.now_ns
        return {n: Quote(q.last_ticks, q.mark_ticks, now_ns) for n, q in state.quotes.items()}


_LOCKS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


def _starting() -> asyncio.Lock:
    return _LOCKS.setdefault(asyncio.get_running_loop(), asyncio.Lock())


def by_clock(plan: Plan) -> Plan:
    """The plan with the times of production."""
    return replace(plan, venue=REAL, options=BY_CLOCK)


@asynccontextmanager
async def timed(
    plan: Plan, wrap: Wrap = as_it_is, times: TimedSettings = TIMES,
    venue_settings: VenueSettings = REAL, real_feed: bool = False, **changes: Any,
) -> AsyncIterator[Timed]:  # fmt: skip
    """An exchange whose market moves, and a runtime on it that has recovered."""
    plan = replace(by_clock(plan), venue=venue_settings)
    async with AsyncExitStack() as stack:
        venue = await stack.enter_async_context(
            venue_for(plan, **({"speed": 1.0, "tick_s": 0.1} | changes))
        )
        clock = SessionClock(venue.session)
        addresses = venue.exchange.addresses
        # One after the other: many that start at once are a load that nobody asked about.
        async with _starting():
            runtime = await stack.enter_async_context(
                open_runtime(plan, addresses.rest, clock.now_ns, wrap)
            )
        feed: Any = CcxtFeed(runtime.venue.link) if real_feed else DirectFeed(venue.session)
        await feed.open(plan.shape.symbols, "1m")
        stack.push_async_callback(feed.close)
        driver = TimedDriver(
            runtime.kernel, runtime.venue, feed, clock,  # type: ignore[arg-type]
            plan.shape.symbols, times, asyncio.Event(), runtime.stop,
        )  # fmt: skip
        yield Timed(venue, runtime, driver, feed)


async def settle(made: Timed, seconds: float = 25.0, bounds: Bounds = SETTLED) -> list[str]:
    """End the faults, close everything, and wait until both sides agree; what does not agree."""
    made.venue.calm()
    # What the last faults did must be mended by the runtime itself.
    await asyncio.sleep(AFTERMATH_S)
    await made.end()
    kernel, found = made.runtime.kernel, ["nothing was compared"]
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    while loop.time() < ends:
        with contextlib.suppress(VenueUnavailable):
            await made.runtime.venue.reconcile()
            await kernel.reconcile()
            await kernel.monitor(made.venue.session.now_ns, made.quotes())
            if await kernel.stop(flatten=True):
                continue
            await kernel.finish()
            found = await faults_of(made.venue, made.runtime, bounds)
            if not found and not made.venue.session.state.has_business():
                return []
        await asyncio.sleep(0.4)
    return found or ["still open"]


async def weather(made: Timed, storm: Storm, seconds: float) -> None:
    """Let a storm pass over a running runtime."""
    made.venue.exchange.faults.schedule = Schedule(storm.seed, storm.rate, storm.kinds)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for happening in storm.happenings:
        await asyncio.sleep(max(0.0, began + happening.at_s - loop.time()))
        with contextlib.suppress(Exception):
            await made.venue.cause(happening.fault)
    await asyncio.sleep(max(0.0, began + seconds - loop.time()))
