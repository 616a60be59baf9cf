"""The machine's clock, and how far the venue's is from it."""

from __future__ import annotations

import asyncio
import time


class SystemClock:
    """``ports.Clock`` of the machine."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds of the machine's monotonic clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running loop."""
        await asyncio.sleep(seconds)


class OffsetTimer:
    """When the offset to the venue's clock is due to be measured again.

    The wall clock may step during a run: the monotonic clock does not, so a difference between the
    two that has changed asks for a measurement at once.
    """

    def __init__(self, every_s: float = 600.0, most_step_ms: int = 500) -> None:
        self._every_s, self._most_step_ms = every_s, most_step_ms
        self._measured_s: float | None = None
        self._origin_ms = 0.0

    def measured(self, now_ms: int, monotonic_s: float) -> None:
        """Note that the offset was measured now."""
        self._measured_s = monotonic_s
        self._origin_ms = now_ms - monotonic_s * 1e3

    def is_due(self, now_ms: int, monotonic_s: float) -> bool:
        """Whether to measure: never done, too long ago, or the wall clock has stepped."""
        if self._measured_s is None or monotonic_s - self._measured_s >= self._every_s:
            return True
        return abs(now_ms - monotonic_s * 1e3 - self._origin_ms) > self._most_step_ms

    def expire(self) -> None:
        """Ask for a measurement, as after a -1021."""
        self._measured_s = None
