"""Drives the kernel by the clock: a local accelerated exchange, the demo, live."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from envs.core.errors import FixSettings
from runtime.adapters.ccxt_venue import VenueSettings
from runtime.adapters.clocks import SystemClock
from runtime.adapters.user_stream import StreamSettings
from runtime.driving.closes import Closes
from runtime.driving.failing import Failing
from runtime.driving.market_clock import MarketClock
from runtime.driving.prices import PricedFeed, quotes_of, why_unusable
from runtime.kernel_ports import Quote
from runtime.port_market import Bar
from runtime.ports import Clock, Venue

_LOG = logging.getLogger(__name__)
_NS_PER_MS = 1_000_000
_LEAST_PUT_S, _PUT_S = 20.0, 1_200.0
_CLOSE_FIRST_S = 0.5
"""How long what is only due by the clock waits for a close that is being decided."""
_LOOK, _CLOSE, _STOPS, _COMPARISON, _LAST = "monitor", "close", "watch", "reconcile", "last bars"
"""Kinds of step, whose errors are counted apart."""


class Timed(Protocol):
    """What ``TimedDriver`` asks of the kernel."""

    async def monitor(self, now_ns: int, quotes: Mapping[str, Quote]) -> None:
        """Take venue events, move stops, keep protection right."""
        ...

    async def on_close(
        self, close_ns: int, bars: Sequence[Bar], *, quotes: Mapping[str, Quote] | None = None
    ) -> None:
        """Decide on the bars that close here."""
        ...

    async def watch(self) -> None:
        """See that the stops of positions still rest."""
        ...

    async def reconcile(self) -> None:
        """Compare the account with the venue."""
        ...

    def block_entries(self, symbol: str, reason: str) -> None:
        """No entries in a contract, or in any where it is empty; an empty reason lifts it."""
        ...


class Watch(Protocol):
    """What the driver tells the emergency stop."""

    def engine_error(self, now_ns: int, detail: str = "") -> None:
        """Count an error of the cycle."""
        ...

    def engine_ok(self) -> None:
        """Note a cycle without error."""
        ...

    def feed_age(self, symbol: str, age_s: float, now_ns: int) -> None:
        """Say how old a contract's market data is."""
        ...


@dataclass(frozen=True)
class TimedSettings:
    """Times of the loop.

    ``monitor_s``, ``cycle_s`` and ``watch_s`` (between two questions for the stops of positions)
    count seconds of market, at ``speed`` of them a wall second (1 on demo and live), but never less
    than ``least_s`` of wall time, the last never less than one. In wall time: ``grace_s`` is how
    long late bars of a close are waited for, ``max_age_s`` the age of market data that blocks
    entries, ``skew_ms`` the offset of this machine's clock that does.
    """

    monitor_s: float = 5.0
    cycle_s: float = 30.0
    watch_s: float = 1.5
    speed: float = 1.0
    grace_s: float = 2.0
    max_age_s: float = 10.0
    skew_ms: int = 1_000
    least_s: float = 0.05

    def __post_init__(self) -> None:
        times = (self.monitor_s, self.cycle_s, self.watch_s, self.max_age_s, self.least_s)
        if min(self.speed, *times) <= 0.0 or self.grace_s < 0.0 or self.skew_ms <= 0:
            raise FixSettings(f"timed driver: every time must be > 0, got {self}")

    @property
    def monitor_wall_s(self) -> float:
        """Wall seconds between two looks at open positions."""
        return max(self.least_s, self.monitor_s / self.speed)

    @property
    def watch_wall_s(self) -> float:
        """Wall seconds between two questions for the stops of positions."""
        return max(1.0, self.watch_s / self.speed)

    @property
    def cycle_wall_s(self) -> float:
        """Wall seconds between two comparisons with the venue."""
        return max(4.0 * self.least_s, self.cycle_s / self.speed)


def venue_settings(speed: float) -> VenueSettings:
    """Adapter settings for a market of ``speed``.

    Listen keys live an hour of market time, on the local exchange at least a minute of wall time.
    """
    put_s = max(_LEAST_PUT_S, min(_PUT_S, _PUT_S / speed))
    return VenueSettings(stream=StreamSettings(put_s=put_s))


class TimedDriver:
    """Runs until ``stop`` is set; an exception of one step is counted and ends nothing.

    The step that failed is tried again after a while, looks at positions never later than they
    would be anyhow; the other steps keep their times.

    Args:
        watch: the emergency stop; told of errors, of cycles without and of the age of data.
        max_bars: closes to run; None all.
        ended: whether the market has ended (a local exchange whose data is used up).
        is_asking: whether a close waits for its models: positions are looked after meanwhile, and
            the kernel sees to it that it finishes the look before it goes on.

    Attributes:
        bars, errors: closes handed to the kernel, steps that failed.
    """

    def __init__(
        self, kernel: Timed, venue: Venue, feed: PricedFeed, clock: MarketClock,
        symbols: Sequence[str], settings: TimedSettings, stop: asyncio.Event, watch: Watch,
        max_bars: int | None = None, ended: Callable[[], bool] | None = None,
        wall: Clock | None = None, is_asking: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self.kernel, self.venue, self.feed, self.clock = kernel, venue, feed, clock
        self.symbols, self.settings, self.stop = tuple(symbols), settings, stop
        self.bars = self.errors = 0
        self._watch, self._max_bars, self._ended = watch, max_bars, ended
        self._wall, self._is_asking = wall or SystemClock(), is_asking
        self._closes = Closes(symbols, settings.grace_s)
        self._failing = Failing()
        self._comparing: asyncio.Task[None] | None = None
        self._blocked: dict[str, str] = {}
        self._look_s = self._watch_s = 0.0

    async def run(self) -> None:
        """The loop; a look at positions that was begun is finished before it ends."""
        settings, now_s = self.settings, self._wall.monotonic_s()
        self._look_s, self._watch_s = now_s, now_s + settings.watch_wall_s
        compare_s = now_s + settings.cycle_wall_s
        waits = _Waits(self.venue, self.feed, self.stop)
        try:
            while not self._over():
                now_s = self._wall.monotonic_s()
                wake_s = min(compare_s, self._close_due_s(now_s))
                await self._until(waits, wake_s)
                if self.stop.is_set():
                    break
                now_s = self._wall.monotonic_s()
                self._judge_health()
                await self._look_if_due(waits.venue_told)
                await self._take_closes(now_s, waits)
                await self._watch_if_due(now_s)
                if now_s >= compare_s:
                    compare_s = now_s + settings.cycle_wall_s
                    self._compare()
            if not self.stop.is_set():
                if self._ended is not None and self._ended():
                    # No bar begins after the last one, by which it would be known to be closed.
                    await self._step(_LAST, self.feed.collect(self.clock.now_ns() // _NS_PER_MS))
                await self._take_closes(self._wall.monotonic_s(), waits, all_of_it=True)
        finally:
            await waits.close()
            if self._comparing is not None:
                await self._comparing

    async def _until(self, waits: _Waits, wake_s: float) -> None:
        """Wait until something is told or due."""
        await self._told(waits, min(wake_s, self._look_s, self._watch_s))

    async def _told(
        self, waits: _Waits, wake_s: float, also: asyncio.Task[None] | None = None
    ) -> None:
        """Wait until something is told, or for so long."""
        now_s = self._wall.monotonic_s()
        # What could not be taken is still there: told at once, it would be tried for ever.
        again_s = self._failing.again_s(_LOOK)
        if deaf := now_s < again_s:
            wake_s = min(wake_s, again_s)
        await waits.any(wake_s - now_s, deaf=deaf, also=also)

    async def _look_if_due(self, told: bool) -> None:
        now_s = self._wall.monotonic_s()
        if now_s >= self._look_s or (told and now_s >= self._failing.again_s(_LOOK)):
            self._look_s = now_s + self.settings.monitor_wall_s
            await self._step(_LOOK, self._look())

    async def _watch_if_due(self, now_s: float) -> None:
        if now_s >= self._watch_s:
            self._watch_s = now_s + self.settings.watch_wall_s
            await self._step(_STOPS, self.kernel.watch())
            self._watch_s = max(self._watch_s, self._failing.again_s(_STOPS))

    def _compare(self) -> None:
        """Compare beside the rest: positions are to be looked after meanwhile."""
        if self._wall.monotonic_s() < self._failing.again_s(_COMPARISON):
            return
        if self._comparing is None or self._comparing.done():
            self._comparing = asyncio.create_task(self._step(_COMPARISON, self.kernel.reconcile()))

    def _over(self) -> bool:
        if self._max_bars is not None and self.bars >= self._max_bars:
            return True
        return self._ended is not None and self._ended()

    async def _look(self) -> None:
        await self.kernel.monitor(self.clock.now_ns(), self._quotes())

    def _close_due_s(self, now_s: float) -> float:
        """When closes are to be taken though no bar has come."""
        due_s, again_s = self._closes.next_due_s(), self._failing.again_s(_CLOSE)
        if due_s is None:
            return math.inf
        return again_s if now_s < again_s else due_s

    async def _take_closes(self, now_s: float, waits: _Waits, *, all_of_it: bool = False) -> None:
        """Hand the closes that are due to the kernel, in order."""
        self._closes.add(self.feed.take_bars(), now_s)
        while not self.stop.is_set():
            if self._max_bars is not None and self.bars >= self._max_bars:
                return
            if not all_of_it and self._wall.monotonic_s() < self._failing.again_s(_CLOSE):
                return
            found = self._closes.take(self._wall.monotonic_s(), all_of_it=all_of_it)
            if found is None:
                return
            close_ms, bars = found
            self.clock.saw(close_ms * _NS_PER_MS)
            self.bars += 1
            close_ns, quotes = close_ms * _NS_PER_MS, self._quotes()
            step = self._step(_CLOSE, self.kernel.on_close(close_ns, bars, quotes=quotes))
            await self._attended(asyncio.create_task(step), waits)

    async def _attended(self, close: asyncio.Task[None], waits: _Waits) -> None:
        """Let a close be dealt with; as long as it waits for its models, positions come first.

        What the venue tells is looked at at once; looks and questions that are due by the clock
        alone wait a moment: they take processor time from the close and bring no news.
        """
        patient_s = self._wall.monotonic_s() + _CLOSE_FIRST_S
        try:
            while not close.done():
                if not self._is_asking() or self.stop.is_set():
                    await asyncio.wait({close}, timeout=self.settings.least_s)
                    continue
                self._judge_health()
                is_patient = self._wall.monotonic_s() < patient_s
                if waits.venue_told or not is_patient:
                    await self._look_if_due(waits.venue_told)
                if not is_patient:
                    await self._watch_if_due(self._wall.monotonic_s())
                due_s = min(self._look_s, self._watch_s)
                await self._told(waits, max(due_s, patient_s), also=close)
        finally:
            close.cancel()
            await asyncio.gather(close, return_exceptions=True)

    async def _step(self, kind: str, work: Coroutine[Any, Any, None]) -> None:
        """One step of the kernel; an error is told where its kind fails as never before."""
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self.errors += 1
            _LOG.exception("step of the engine failed: %s", kind)
            if self._failing.failed(kind, self._wall.monotonic_s()):
                detail = f"{kind}: {type(error).__name__}: {error}"[:300]
                self._watch.engine_error(self.clock.now_ns(), detail)
        else:
            if self._failing.worked(kind):
                self._watch.engine_ok()

    def _quotes(self) -> dict[str, Quote]:
        return quotes_of(
            self.feed, self.venue.instruments, self.symbols, self.settings.max_age_s
        )  # fmt: skip

    def _judge_health(self) -> None:
        """Say which entries may not be decided, and how old the data are."""
        now_ns, settings = self.clock.now_ns(), self.settings
        for symbol in self.symbols:
            health = self.feed.health(symbol)
            self._block(symbol, why_unusable(health, settings.max_age_s))
            self._watch.feed_age(symbol, health.age_s, now_ns)
        link = self.venue.health()
        reason = ""
        if not link.stream_up:
            reason = "STREAM_DOWN"
        elif abs(link.clock_offset_ms) > settings.skew_ms:
            reason = "CLOCK_SKEW"
        elif link.paused_s > 0.0:
            reason = "VENUE_PAUSED"
        self._block("", reason)

    def _block(self, symbol: str, reason: str) -> None:
        before = self._blocked.get(symbol)
        if reason == before:
            return
        # The first judgement replaces what was found before the start, which nobody else lifts.
        self._blocked[symbol] = reason
        self.kernel.block_entries(symbol, reason)
        if reason or before:
            _LOG.warning("entries of %s: %s", symbol or "all", reason or "allowed again")


class _Waits:
    """Waits for the venue, the feed and the stop at once, without starting anew each time."""

    def __init__(self, venue: Venue, feed: PricedFeed, stop: asyncio.Event) -> None:
        self._makers: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
            "venue": lambda: venue.wait(60.0), "feed": lambda: feed.wait(60.0), "stop": stop.wait,
        }  # fmt: skip
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self.venue_told = False

    async def any(
        self, seconds: float, *, deaf: bool = False, also: asyncio.Task[None] | None = None
    ) -> None:
        """Until something is told, or for so long; ``deaf`` to what the venue tells.

        ``also`` ends the wait too; the feed's news are then not waited for: they are closes.
        """
        shut = {"venue"} if deaf else set()
        names = [n for n in self._makers if n not in (shut | {"feed"} if also else shut)]
        for name in names:
            if name not in self._tasks or self._tasks[name].done():
                self._tasks[name] = asyncio.ensure_future(self._makers[name]())
        wanted = [self._tasks[name] for name in names] + ([also] if also else [])
        await asyncio.wait(wanted, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
        told = self._tasks["venue"]
        self.venue_told = told.done() and told.exception() is None and bool(told.result())

    async def close(self) -> None:
        """End what waits."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
