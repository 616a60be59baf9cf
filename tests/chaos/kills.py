"""kill -9 of a runtime, again and again, and what has come of it in the end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from runtime.journal.sql_journal import SqlJournal
from runtime.store.database import open_database
from runtime.store.sql_store import SqlStore
from tests.chaos.child import ERROR, READY, RESULT, Life, live, live_by_clock
from tests.chaos.children import Child
from tests.faults.runtime_auditor import UNPROTECTED
from tests.faults.runtime_checks import Bounds, intent_faults, ledger_faults, venue_faults
from tests.faults.runtime_journal import journal_faults, outcome_faults, trades_of
from tests.faults.runtime_market import Shape
from tests.faults.runtime_parts import Plan
from tests.faults.runtime_rig import Venue, venue_for
from tests.faults.runtime_timed import by_clock

LIFE_S = 60.0
LOCKSTEP = Shape(bars=20, first_row=3)
POINT, WALL, VENUE = "point", "wall", "venue"
CLOCKED = Bounds(doubled_s=10.0)
"""What a run by the clock may show; two stops may stand side by side while one is replaced."""


@dataclass(frozen=True)
class Kill:
    """How a life ends: at a numbered point, after a wall time, or at a look of the auditor."""

    how: str
    at: float


@dataclass
class Killed:
    """What a run with kills came to."""

    seed: int
    kills: int = 0
    lives: int = 0
    trades: int = 0
    worst_s: float = 0.0
    restarts_s: list[float] = field(default_factory=list)
    points: int = 0
    faults: list[str] = field(default_factory=list)


async def reference_of(seed: int, folder: Path) -> dict[str, Any]:
    """The run that nothing interrupts; its result and how many points it passed."""
    plan = Plan(folder, replace(LOCKSTEP, seed=seed))
    async with venue_for(plan) as venue:
        child = _begin(venue, plan)
        if not await child.ended(LIFE_S) or child.exit_code != 0:
            child.kill()
            raise RuntimeError(f"seed {seed}: the uninterrupted run ended with {child.exit_code}")
        return _read(folder / RESULT)


async def killed_in_lockstep(
    seed: int, folder: Path, kills: Sequence[Kill], reference: dict[str, Any]
) -> Killed:
    """A run with these kills, compared with the one that nothing interrupts."""
    plan, out = Plan(folder, replace(LOCKSTEP, seed=seed)), Killed(seed)
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
        result = _read(folder / RESULT)
        for name in ("cash_units", "trades", "net_units", "agent", "manager", "refused"):
            if result[name] != reference[name]:
                out.faults.append(f"{name}: {str(result[name])[:200]}, "
                                  f"uninterrupted {str(reference[name])[:200]}")  # fmt: skip
        await _judge(venue, plan, result, Bounds(0.0, 0.0), out)
    return out


async def killed_by_clock(
    seed: int, folder: Path, kills: int, seconds: float, bounds: Bounds = CLOCKED
) -> Killed:
    """A run by the clock in which each life after the first restarts at once after kill -9."""
    rng = np.random.default_rng([seed, 0xC10C])
    shape = Shape(seed=seed, bars=30, first_row=3, reach_atr=6.0)
    plan, out = by_clock(Plan(folder, shape)), Killed(seed)
    from runtime.exchange.market import Point

    # Four seconds before a close, so that the first life decides at once.
    async with venue_for(plan, speed=1.0, tick_s=0.25, first=Point(3, 2, 64)) as venue:
        times = sorted(rng.uniform(3.5, seconds - 4.0, kills))
        began = time.monotonic()
        child = _begin(venue, plan, target=live_by_clock)
        for at in (*times, seconds):
            await asyncio.sleep(max(0.0, began + at - time.monotonic()))
            out.lives += 1
            if at == seconds:
                break
            if not child.is_alive:
                out.faults.append(f"a life ended with {child.exit_code}")
                return out
            child.kill()
            killed = time.time()
            await child.ended(5.0)
            out.kills += 1
            child = _begin(venue, plan, target=live_by_clock)
            asyncio.get_running_loop().create_task(_ready(folder, killed, out))
        child.ask_to_stop()
        if not await child.ended(LIFE_S) or child.exit_code != 0:
            child.kill()
            out.faults.append(f"the last life ended with {child.exit_code}")
            return out
        await _judge(venue, plan, _read(folder / RESULT), bounds, out)
    return out


def _begin(
    venue: Venue, plan: Plan, deadly: int = 0, target: Callable[[Life], None] = live
) -> Child:
    addresses = venue.exchange.addresses
    (plan.folder / READY).unlink(missing_ok=True)
    child = Child(target, Life(plan, addresses.rest, addresses.control, deadly))
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


async def _ready(folder: Path, since: float, out: Killed) -> None:
    """Note how long a restart took, from the kill to a recovered and protected account."""
    for _ in range(1_500):
        path = folder / READY
        if path.exists():
            out.restarts_s.append(_read(path)["at"] - since)
            return
        await asyncio.sleep(0.02)


async def _judge(
    venue: Venue, plan: Plan, result: dict[str, Any], bounds: Bounds, out: Killed
) -> None:
    """The common invariants, from the venue's books and the journal on disk."""
    auditor = venue.auditor
    out.worst_s = auditor.worst_s(UNPROTECTED)
    database = open_database(f"sqlite:///{plan.folder / 'journal.db'}", create=False)
    try:
        journal, store = SqlJournal(database), SqlStore(database)
        trades = trades_of(journal)
        out.trades = len(trades)
        out.faults += venue_faults(auditor, bounds)
        out.faults += ledger_faults(auditor, int(result["cash_units"]), trades)
        out.faults += await intent_faults(auditor, store)
        out.faults += journal_faults(journal) + outcome_faults(journal)
    finally:
        database.close()
    if venue.session.state.has_business():
        out.faults.append("something is left open at the venue")


def error_of(folder: Path) -> str:
    """What a life said when it ended by itself."""
    path = folder / ERROR
    return path.read_text(encoding="utf-8")[-400:] if path.exists() else ""


def _read(path: Path) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return body


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


async def lockstep_kills(first_seed: int, kills: int, folder: Path, each: int = 4) -> list[Killed]:
    """Runs in lockstep until so many kills have happened."""
    runs: list[Killed] = []
    seed = first_seed
    while sum(r.kills for r in runs) < kills:
        here = folder / f"lockstep{seed}"
        reference = await reference_of(seed, here / "reference")
        rng = np.random.default_rng([seed, 0x9])
        for k in range(3):
            missing = kills - sum(r.kills for r in runs)
            if missing > 0:
                drawn = drawn_kills(rng, int(reference["points"]), min(each, missing))
                runs.append(await killed_in_lockstep(seed, here / f"{k}", drawn, reference))
        seed += 1
    return runs


async def clock_kills(
    first_seed: int, kills: int, folder: Path, side_by_side: int = 3, bounds: Bounds = CLOCKED
) -> list[Killed]:
    """Runs by the clock, some side by side, until so many kills have happened."""
    runs: list[Killed] = []
    seed = first_seed
    while (missing := kills - sum(r.kills for r in runs)) > 0:
        count = min(side_by_side, -(-missing // 2))
        runs += await asyncio.gather(
            *(
                killed_by_clock(s, folder / f"clock{s}", 2, 34.0, bounds)
                for s in range(seed, seed + count)
            )
        )
        seed += count
    return runs
