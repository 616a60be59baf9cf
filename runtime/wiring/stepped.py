"""Riding a market that moves when it is told: sim, and the local exchange in lockstep."""

from __future__ import annotations

from collections.abc import Mapping

from runtime.driving.lockstep import LockstepDriver
from runtime.kernel_ports import Quote
from runtime.wiring.trader import Ended


class SteppedDrive:
    """``Drive`` over a ``LockstepDriver``."""

    def __init__(self, driver: LockstepDriver) -> None:
        self._driver = driver
        self._asked = False

    async def prices(self) -> Mapping[str, Quote]:
        """Where the contracts stand."""
        return (await self._driver.begin()).quotes

    async def run(self) -> Ended:
        """Ride to the end of the market, of the bars asked for, or until ``stop``."""
        ride = await self._driver.run()
        if ride.ended:
            return Ended.DATA
        return Ended.ASKED if self._asked else Ended.BARS

    def stop(self) -> None:
        """End after the vertex that is being acted on."""
        self._asked = True
        self._driver.stop()

    async def settle(self) -> None:
        """One vertex more: what was sent at a close fills at the next open."""
        stepper = self._driver.stepper
        if not stepper.ended:
            step = await stepper.advance()
            await self._driver.kernel.on_vertex(step.now_ns, step.index, step.quotes)
