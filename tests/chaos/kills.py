"""kill -9 of a runtime in lockstep, again and again: in the end it must equal the run without."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.chaos.child import Life, live
from tests.chaos.children import Child
from tests.chaos.files import READY, RESULT
from tests.chaos.killed import Killed, Told, error_of, judge, read, silent
from tests.faults.runtime_checks import Bounds
from tests.faults.runtime_market import Shape
from tests.faults.runtime_parts import QUICK, Plan
from tests.faults.runtime_rig import Venue, venue_for

LIFE_S = 180.0
"""Wall seconds a life may take; long, as the machine may be anybody's."""
LOCKSTEP = Shape(bars=20, first_row=3)
PATIENT = replace(
    QUICK, ask=replace(QUICK.ask, search_s=60.0, deadline_s=60.0), told_s=60.0,
    stream=replace(QUICK.stream, silence_s=60.0),
)  # fmt: skip
"""The market waits, so nothing is late, however busy the machine is; what is lost is found soon."""
RUNS, EACH = 3, 4
"""Runs of a seed, and kills of a run."""
POINT, WALL, VENUE = "point", "wall", "venue"
EQUAL = ("cash_units", "trades", "net_units", "agent", "manager", "refused")


@dataclass(frozen=True)
class Kill:
    """How a life ends: at a numbered point, after a wall time, or at a look of the auditor."""

    how: str
    at: float


async def reference_of(seed: int, folder: Path) -> dict[str, Any]:
    """The run that nothing interrupts; its result and how many points it passed."""
    plan = _plan(seed, folder)
    async with venue_for(plan) as venue:
        child = _begin(venue, plan)
        if not await child.ended(LIFE_S) or child.exit_code != 0:
            child.kill()
            raise RuntimeError(f"seed {seed}: the uninterrupted run ended with {child.exit_code}")
        return read(folder / RESULT)


async def killed_in_lockstep(
    seed: int, folder: Path, kills: Sequence[Kill], reference: dict[str, Any]
) -> Killed:
    """A run with these kills, compared with the one that nothing interrupts."""
    plan, out = _plan(seed, folder), Killed(seed)
    async with venue_for(plan) as venue:
        for kill in (*kills, None):
            out.lives += 1
            deadly = int(kill.at) if kill is not None and kill.how == POINT else 0
            child = _begin(venue, plan, deadly)
            await _end(child, folder, kill, venue, out)
            if not child.was_killed:
                break
            out.kills += 1
        if child.exit_code != 0:
            out.faults.append(f"the last life ended with {child.exit_code}: {error_of(folder)}")
            return out
        result = read(folder / RESULT)
        for name in EQUAL:
            if result[name] != reference[name]:
                out.faults.append(f"{name}: {str(result[name])[:200]}, "
                                  f"uninterrupted {str(reference[name])[:200]}")  # fmt: skip
        await judge(venue, plan, result, Bounds(0.0, 0.0), out)
    return out


def _plan(seed: int, folder: Path) -> Plan:
    return Plan(folder, replace(LOCKSTEP, seed=seed), venue=PATIENT)


def _begin(venue: Venue, plan: Plan, deadly: int = 0) -> Child:
    addresses = venue.exchange.addresses
    (plan.folder / READY).unlink(missing_ok=True)
    child = Child(live, Life(plan, addresses.rest, addresses.control, deadly))
    child.start()
    return child


async def _end(child: Child, folder: Path, kill: Kill | None, venue: Venue, out: Killed) -> None:
    """Wait for the end of a life, or bring it about."""
    if kill is not None and kill.how == VENUE:
        left = [int(kill.at)]

        def look() -> None:
            left[0] -= 1
            if left[0] == 0:
                child.kill()

        venue.auditor.on_look.append(look)
    if kill is not None and kill.how == WALL:
        began = time.monotonic()
        while child.is_alive and not (folder / READY).exists():
            await asyncio.sleep(0.005)
            if time.monotonic() - began > LIFE_S:
                break
        await asyncio.sleep(kill.at)
        child.kill()
    if not await child.ended(LIFE_S):
        out.faults.append("a life did not end")
        child.kill()
        await child.ended(5.0)
    venue.auditor.on_look.clear()


def drawn_kills(rng: np.random.Generator, points: int, count: int) -> list[Kill]:
    """Kills of one run: at numbered points, at the venue's looks, at random wall times."""
    made = []
    for _ in range(count):
        how = str(rng.choice((POINT, POINT, WALL, VENUE)))
        at = {
            POINT: float(rng.integers(1, max(2, points // count))),
            WALL: float(rng.uniform(0.0, 1.2)),
            VENUE: float(rng.integers(1, 50)),
        }[how]
        made.append(Kill(how, at))
    return made


async def seed_in_lockstep(seed: int, kills: int, folder: Path, told: Told = silent
                           ) -> list[Killed]:  # fmt: skip
    """Runs of one seed until so many kills have happened, ``RUNS`` at most."""
    here, runs = folder / f"lockstep{seed}", list[Killed]()
    reference = await reference_of(seed, here / "reference")
    rng = np.random.default_rng([seed, 0x9])
    for k in range(RUNS):
        missing = kills - sum(r.kills for r in runs)
        if missing > 0:
            drawn = drawn_kills(rng, int(reference["points"]), min(EACH, missing))
            runs.append(await killed_in_lockstep(seed, here / f"{k}", drawn, reference))
            told(runs[-1])
    return runs


async def lockstep_kills(
    first_seed: int, kills: int, folder: Path, side_by_side: int = 1, told: Told = silent
) -> list[Killed]:
    """Runs in lockstep, so many seeds at a time, until so many kills have happened."""
    runs, seed, most = list[Killed](), first_seed, RUNS * EACH
    while (missing := kills - sum(r.kills for r in runs)) > 0:
        count = min(side_by_side, -(-missing // most))
        share = min(most, -(-missing // count))
        seeds = range(seed, seed + count)
        for found in await asyncio.gather(
            *(seed_in_lockstep(s, share, folder, told) for s in seeds)
        ):
            runs += found
        seed += count
    return runs
