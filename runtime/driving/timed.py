"""Drives the kernel by the clock: a local accelerated exchange, the demo, live."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from runtime.driving.market_clock import MarketClock
from runtime.port_market import Bar
from runtime.ports import MarketFeed, Venue


class Timed(Protocol):
    """What ``TimedDriver`` asks of the kernel."""

    async def monitor(self) -> None:
        """Take venue events, move stops, keep protection right (index 2 semantics)."""
        ...

    async def on_close(self, close_ns: int, bars: Sequence[Bar]) -> None:
        """Decide on the bars that close here."""
        ...

    async def reconcile(self) -> None:
        """Compare the account with the venue."""
        ...

    def block_entries(self, reasons: Mapping[str, str]) -> None:
        """No entries in these contracts for these reasons; key ``*`` blocks all of them.

        Replaces what was blocked before: an empty mapping opens everything again.
        """
        ...


@dataclass(frozen=True)
class TimedSettings:
    """Times of the loop; ``monitor_s`` and ``cycle_s`` in seconds of market.

    ``speed`` is market seconds per wall second (1 on demo and live). ``grace_s`` is how long, in
    wall seconds, late bars of a close are waited for. ``feed_timeout_s`` of wall time without news
    and ``skew_ms`` of clock offset block entries.
    """

    monitor_s: float = 5.0
    cycle_s: float = 30.0
    speed: float = 1.0
    grace_s: float = 2.0
    feed_timeout_s: float = 60.0
    skew_ms: int = 1_000


class TimedDriver:
    """Runs until ``stop`` is set; an exception of one step is counted and ends nothing.

    Args:
        engine_error: told of every exception of a step (``EmergencyStop.engine_error``).
    """

    def __init__(
        self, kernel: Timed, venue: Venue, feed: MarketFeed, clock: MarketClock,
        symbols: Sequence[str], settings: TimedSettings, stop: asyncio.Event,
        engine_error: Callable[[Exception], None], max_bars: int | None = None,
    ) -> None:  # fmt: skip
        self.kernel, self.venue, self.feed, self.clock = kernel, venue, feed, clock
        self.symbols, self.settings, self.stop = tuple(symbols), settings, stop
        self._engine_error, self._max_bars = engine_error, max_bars
        self.bars = self.errors = 0

    async def run(self) -> None:
        """The loop."""
        raise NotImplementedError
