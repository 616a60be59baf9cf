"""A runtime that trades by the clock on an exchange of this process whose market moves by itself.

One market second is one wall second and every time of the adapter is that of production, so that
seconds without protection are what they would be.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from runtime.exchange.fault_schedule import Schedule
from runtime.kernel_ports import Quote
from runtime.port_errors import VenueUnavailable
from runtime.trading.context import TradingOptions
from tests.chaos.draws import Storm
from tests.faults.runtime_checks import Bounds
from tests.faults.runtime_feed import DirectFeed
from tests.faults.runtime_parts import REAL, Plan, Runtime, Wrap, as_it_is, open_runtime
from tests.faults.runtime_rig import Venue, faults_of, venue_for

BY_CLOCK = TradingOptions(in_turn=False)


@dataclass
class Timed:
    """A runtime driven by the clock.

    Attributes:
        errors: steps of the loop that raised.
    """

    venue: Venue
    runtime: Runtime
    feed: DirectFeed
    monitor_s: float = 1.0
    cycle_s: float = 5.0
    errors: list[str] = field(default_factory=list)
    _task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Let it trade."""
        self._task = asyncio.create_task(self._loop())

    async def end(self) -> None:
        """Let it stop after the step it is in."""
        task, self._task = self._task, None
        if task is not None:
            self._stopping = True
            await task

    _stopping: bool = False

    def quotes(self) -> dict[str, Quote]:
        """Where the contracts stand."""
        state, now_ns = self.venue.session.state, self.venue.session.now_ns
        return {n: Quote(q.last_ticks, q.mark_ticks, now_ns) for n, q in state.quotes.items()}

    async def _loop(self) -> None:
        loop = asyncio.get_running_loop()
        compared = looked = loop.time()
        while not self._stopping:
            await self.runtime.venue.wait(0.05)
            now = loop.time()
            for close_ms, bars in self._closes():
                await self._guard(
                    self.runtime.kernel.on_close(
                        close_ms * 1_000_000, bars, quotes=self.quotes()
                    )
                )
            if self.runtime.venue._intake._events or now - looked >= self.monitor_s:
                looked = now
                kernel = self.runtime.kernel
                await self._guard(kernel.monitor(self.venue.session.now_ns, self.quotes()))
            if now - compared >= self.cycle_s:
                compared = loop.time()
                await self._guard(self.runtime.kernel.reconcile())

    def _closes(self) -> list[tuple[int, tuple[Any, ...]]]:
        found: dict[int, list[Any]] = {}
        for bar in self.feed.take_bars():
            found.setdefault(bar.close_ms, []).append(bar)
        return [(ms, tuple(bars)) for ms, bars in sorted(found.items())]

    async def _guard(self, step: Any) -> None:
        try:
            await step
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")


def by_clock(plan: Plan) -> Plan:
    """The plan with the times of production."""
    return replace(plan, venue=REAL, options=BY_CLOCK)


@asynccontextmanager
async def timed(plan: Plan, wrap: Wrap = as_it_is, **changes: Any) -> AsyncIterator[Timed]:
    """An exchange whose market moves, and a runtime on it that has recovered."""
    plan = by_clock(plan)
    async with AsyncExitStack() as stack:
        venue = await stack.enter_async_context(
            venue_for(plan, **({"speed": 1.0, "tick_s": 0.1} | changes))
        )
        feed = DirectFeed(venue.session)
        addresses = venue.exchange.addresses
        runtime = await stack.enter_async_context(
            open_runtime(plan, addresses.rest, lambda: venue.session.now_ns, wrap)
        )
        yield Timed(venue, runtime, feed)


async def settle(made: Timed, seconds: float = 25.0) -> list[str]:
    """End the faults, flatten, and wait until both sides agree; returns what does not."""
    made.venue.calm()
    await made.end()
    kernel = made.runtime.kernel
    found: list[str] = ["nothing was compared"]
    async with asyncio.timeout(seconds):
        for attempt in range(20):
            with contextlib.suppress(VenueUnavailable):
                await made.runtime.venue.reconcile()
            with contextlib.suppress(Exception):
                await kernel.reconcile()
                await kernel.monitor(made.venue.session.now_ns, made.quotes())
                await kernel.stop(flatten=True)
            found = await faults_of(made.venue, made.runtime, Bounds(doubled_s=1e9))
            if not found and not made.venue.session.state.has_business():
                break
            await asyncio.sleep(0.3)
    return found


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
