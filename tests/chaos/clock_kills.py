"""kill -9 of a runtime by the clock: the market moves on while the next life starts from nothing.

One market second is one wall second, so a position that had no stop when its runtime was killed has
none for as long as the next process takes to begin; that is what is measured.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import numpy as np

from tests.chaos.children import ColdChild
from tests.chaos.clock_plan import plan_of
from tests.chaos.files import FIRST, READY, RESULT
from tests.chaos.killed import Killed, Told, error_of, judge, read, silent
from tests.faults.runtime_auditor import UNPROTECTED, Span
from tests.faults.runtime_checks import Bounds
from tests.faults.runtime_parts import Plan
from tests.faults.runtime_rig import Venue, venue_for

LIFE_S = 240.0
CLOCKED = Bounds(doubled_s=10.0)
"""What a run by the clock may show; two stops may stand side by side while one is replaced."""
AIMED = (True, False, True)
"""Kills of a run in turn: aimed at a position without a stop, or at a random time of a life."""
_SOON, _A_CLOSE_S, _RANDOM_S = 0.15, 75.0, 25.0
_STAGGER_S = 40.0


class _Run:
    """The lives of one run, one after the other."""

    def __init__(self, venue: Venue, plan: Plan, out: Killed) -> None:
        self.venue, self.plan, self.out = venue, plan, out
        self._child: ColdChild | None = None
        self._killed_at = 0.0
        self._bare: list[Span] = []
        self._noting: list[asyncio.Task[None]] = []

    @property
    def child(self) -> ColdChild:
        """The life under way."""
        if self._child is None:
            raise RuntimeError("no life has begun")
        return self._child

    def begin(self) -> None:
        """Start a process."""
        folder, at = self.plan.folder, self.venue.exchange.addresses
        folder.mkdir(parents=True, exist_ok=True)
        for name in (FIRST, READY):
            (folder / name).unlink(missing_ok=True)
        words = (str(folder), str(self.plan.shape.seed), at.rest, at.control)
        self._child = ColdChild([sys.executable, "-m", "tests.chaos.cold", *words])
        self.out.lives += 1
        if self._killed_at:
            for name, into in ((FIRST, self.out.first_s), (READY, self.out.ready_s)):
                work = self._note(self.child, folder / name, self._killed_at, into)
                self._noting.append(asyncio.create_task(work))

    async def kill_bare(self, delay_s: float) -> None:
        """Kill at the next moment at which a position has no stop, or a little after it."""
        found, auditor = asyncio.Event(), self.venue.auditor

        def look() -> None:
            if auditor.lasting(UNPROTECTED):
                found.set()
                if delay_s == 0.0:
                    self.child.kill()

        auditor.on_look.append(look)
        try:
            async with asyncio.timeout(_A_CLOSE_S):
                await found.wait()
            await asyncio.sleep(delay_s)
        except TimeoutError:
            pass
        finally:
            auditor.on_look.remove(look)
        await self.kill()

    async def kill(self) -> None:
        """Kill now, and note what is bare."""
        self.child.kill()
        self._killed_at = time.time()
        if not await self.child.ended(5.0) or not self.child.was_killed:
            self.out.faults.append(f"a life ended with {self.child.exit_code}: {self.said}")
        bare = self.venue.auditor.lasting(UNPROTECTED)
        self.out.kills, self.out.aimed = self.out.kills + 1, self.out.aimed + bool(bare)
        self._bare += [span for span in bare if span not in self._bare]

    async def ready(self) -> bool:
        """Wait until the life has recovered."""
        ends = time.monotonic() + LIFE_S
        while not (self.plan.folder / READY).exists():
            if not self.child.is_alive or time.monotonic() > ends:
                self.out.faults.append(
                    f"a life did not begin ({self.child.exit_code}): {self.said}"
                )
                return False
            await asyncio.sleep(0.02)
        return True

    async def close(self) -> None:
        """End whatever still runs."""
        if self._child is not None:
            self._child.kill()
        for task in self._noting:
            task.cancel()
        await asyncio.gather(*self._noting, return_exceptions=True)
        now_ns = self.venue.session.now_ns
        self.out.bare_s += [span.seconds(now_ns) for span in self._bare]

    @property
    def said(self) -> str:
        """The end of what the life complained of."""
        return error_of(self.plan.folder)

    async def _note(self, child: ColdChild, path: Path, since: float, into: list[float]) -> None:
        """Note when a life got so far, if it does."""
        while child.is_alive:
            told = read(path)
            if told:
                into.append(told["at"] - since)
                self.out.cpu_s += [told["cpu_s"]] if "cpu_s" in told else []
                return
            await asyncio.sleep(0.02)


async def killed_by_clock(
    seed: int, folder: Path, kills: int, bounds: Bounds = CLOCKED, told: Told = silent
) -> Killed:
    """A run in which each life after the first starts from nothing, at once after kill -9."""
    rng, out = np.random.default_rng([seed, 0xC10C]), Killed(seed)
    plan = plan_of(seed, folder)
    async with venue_for(plan, speed=1.0, tick_s=0.25) as venue:
        run = _Run(venue, plan, out)
        try:
            await _lives(run, rng, kills)
            if not out.faults:
                await judge(venue, plan, read(folder / RESULT), bounds, out)
        finally:
            await run.close()
    told(out)
    return out


async def _lives(run: _Run, rng: np.random.Generator, kills: int) -> None:
    # The market begins at a close, on which the first life decides as soon as it can.
    run.begin()
    for k in range(kills):
        if AIMED[k % len(AIMED)]:
            # At once, while others may still be filling, or while stops are on their way.
            await run.kill_bare(0.0 if rng.random() < 0.5 else rng.uniform(0.0, _SOON))
        else:
            # A life that is still beginning may be killed too.
            await asyncio.sleep(rng.uniform(0.5, _RANDOM_S))
            await run.kill()
        if run.out.faults:
            return
        run.begin()
        if AIMED[(k + 1) % len(AIMED)] and not await run.ready():
            return
    if not await run.ready():
        return
    await asyncio.sleep(rng.uniform(2.0, 10.0))
    run.child.ask_to_stop()
    if not await run.child.ended(LIFE_S) or run.child.exit_code != 0:
        run.out.faults.append(f"the last life ended with {run.child.exit_code}: {run.said}")


async def clock_kills(
    first_seed: int, kills: int, folder: Path, side_by_side: int = 1, told: Told = silent,
    bounds: Bounds = CLOCKED,
) -> list[Killed]:  # fmt: skip
    """Runs by the clock, some side by side, until so many kills have happened."""
    each, runs = len(AIMED), list[Killed]()
    counts = [each] * (kills // each) + ([kills % each] if kills % each else [])
    room = asyncio.Semaphore(side_by_side)

    async def one(number: int, count: int) -> Killed:
        async with room:
            if number < side_by_side:
                # Side by side, but not in step: a start must not be measured against another.
                await asyncio.sleep(_STAGGER_S * number)
            seed = first_seed + number
            return await killed_by_clock(seed, folder / f"clock{seed}", count, bounds, told)

    runs += await asyncio.gather(*(one(n, count) for n, count in enumerate(counts)))
    return runs
