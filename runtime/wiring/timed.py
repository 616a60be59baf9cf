"""Riding a market that moves by itself: the local exchange in its own time, the demo, live."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from runtime.driving.timed import TimedDriver, TimedSettings
from runtime.kernel import Kernel
from runtime.kernel_ports import Quote
from runtime.settings import Settings
from runtime.trading.context import TradingOptions
from runtime.wiring.errors import CoreFailed
from runtime.wiring.trader import Ended

_LATE_S = 5.0
_DECIDE_WALL_S = 5.0


class TimedDrive:
    """``Drive`` over a ``TimedDriver``.

    Args:
        stop: what the driver was made with.
        ended: whether the market has ended.
        gone: done when the exchange's process ended; None where it is not ours.
        catch_up: what is to be done between recovery and driving.
    """

    def __init__(
        self, driver: TimedDriver, kernel: Kernel, stop: asyncio.Event,
        ended: Callable[[], bool], gone: asyncio.Task[int] | None = None,
        catch_up: Callable[[], Awaitable[None]] | None = None,
    ) -> None:  # fmt: skip
        self._driver, self._kernel, self._stop = driver, kernel, stop
        self._ended, self._gone, self._catch_up = ended, gone, catch_up

    async def prices(self) -> Mapping[str, Quote]:
        """Nothing: the first look at positions values them."""
        return {}

    async def run(self) -> Ended:
        """Drive until the market ends, enough bars closed, or ``stop``.

        Raises:
            CoreFailed: The local exchange's process ended.
        """
        if self._catch_up is not None:
            await self._catch_up()
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
