"""A clock that moves only while somebody sleeps on it."""

from __future__ import annotations

import asyncio


class ManualClock:
    def __init__(self, now_s: float = 1_000.0) -> None:
        self.now_s = now_s
        self.wall_step_ms = 0
        self.slept: list[float] = []

    def now_ms(self) -> int:
        return int(self.now_s * 1e3) + self.wall_step_ms

    def monotonic_s(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0)
