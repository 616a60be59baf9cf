"""Drives the kernel through a stepped market, sim and local exchange alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runtime.driving.steps import CLOSE, Step, Stepped, Stepper


@dataclass(frozen=True)
class Ride:
    """What a ride came to; ``ended`` says that the market had no next bar."""

    bars: int
    vertices: int
    now_ns: int
    ended: bool


class LockstepDriver:
    """Steps the market and lets the kernel act at every vertex.

    Args:
        progress: told of every close, after the kernel has acted on it.
        max_bars: bars to run; None all.
        until_ns: the last close to run; None all.
        finish: close what is open at the end of the market (``kernel.finish``); a ride that ends
            before the market does leaves positions as they are.
    """

    def __init__(
        self, kernel: Stepped, stepper: Stepper, progress: Callable[[Step], None] | None = None,
        max_bars: int | None = None, until_ns: int | None = None, finish: bool = True,
    ) -> None:  # fmt: skip
        self.kernel, self.stepper, self.progress = kernel, stepper, progress
        self.max_bars, self.until_ns, self.finish = max_bars, until_ns, finish
        self._stopping = False
        self._first: Step | None = None

    async def begin(self) -> Step:
        """Where the market stands before the ride."""
        if self._first is None:
            self._first = await self.stepper.begin()
        return self._first

    def stop(self) -> None:
        """End after the vertex that is being acted on."""
        self._stopping = True

    async def run(self) -> Ride:
        """Ride until the market ends, a bound is met or ``stop`` is called.

        Raises:
            Whatever the kernel or the venue raises: a stepped run has no second attempt.
        """
        kernel, stepper = self.kernel, self.stepper
        bars = vertices = now_ns = 0
        step = await self.begin()
        if step.now_ns > kernel.bar_ns:
            # The kernel was killed at this vertex: what it had not done there is done now.
            await kernel.on_vertex(step.now_ns, step.index, step.quotes)
            if step.index == CLOSE:
                await kernel.on_close(step.now_ns, step.bars)
        while not (stepper.ended or self._stopping):
            if self.max_bars is not None and bars >= self.max_bars:
                break
            step = await stepper.advance()
            now_ns = step.now_ns
            vertices += 1
            await kernel.on_vertex(now_ns, step.index, step.quotes)
            if step.index != CLOSE:
                continue
            await kernel.on_close(now_ns, step.bars)
            bars += 1
            if self.progress is not None:
                self.progress(step)
            if self.until_ns is not None and now_ns >= self.until_ns:
                break
        if stepper.ended and self.finish:
            await kernel.finish()
        return Ride(bars, vertices, now_ns, stepper.ended)
