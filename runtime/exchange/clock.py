"""The wall clock of the venue, behind a protocol so that tests own their time."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class WallClock(Protocol):
    """Time outside the market."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never run backwards, of an unknown origin."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let others run for a while; 0 lets them run once."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds of the machine's monotonic clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running loop."""
        await asyncio.sleep(seconds)
