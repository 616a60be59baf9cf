"""One seeded storm over a runtime by the clock, and what came of it."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.draws import storm_of
from tests.faults.runtime_auditor import DOUBLED, ORPHAN, UNPROTECTED
from tests.faults.runtime_checks import Bounds
from tests.faults.runtime_market import SYMBOLS, Shape
from tests.faults.runtime_parts import Plan
from tests.faults.runtime_timed import SETTLED, faults_of, settle, timed, weather

BAR_S = 6


@dataclass
class Stormed:
    """What a seed came to; seconds are of the market, which are wall seconds."""

    seed: int
    entries: int = 0
    trades: int = 0
    happened: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    worst_s: float = 0.0
    doubled_s: float = 0.0
    orphan_s: float = 0.0
    looks: int = 0
    faults: list[str] = field(default_factory=list)


async def stormed(seed: int, folder: Path, seconds: float, bounds: Bounds = SETTLED) -> Stormed:
    """Let the storm of a seed pass over a runtime that trades every bar of six seconds."""
    out = Stormed(seed)
    plan = Plan(folder, Shape(seed=seed, interval_s=BAR_S, bars=200))
    async with timed(plan) as made:
        made.begin()
        await weather(made, storm_of(seed, seconds, SYMBOLS), seconds)
        out.faults = await settle(made, bounds=bounds)
        if not out.faults:
            out.faults = await faults_of(made.venue, made.runtime, bounds, ended=True)
        auditor = made.venue.auditor
        out.kinds = dict(made.venue.exchange.faults.fired)
        out.happened = sum(out.kinds.values())
        out.entries, out.trades = len(auditor.entries()), len(auditor.episodes())
        out.worst_s = auditor.worst_s(UNPROTECTED)
        out.doubled_s, out.orphan_s = auditor.worst_s(DOUBLED), auditor.worst_s(ORPHAN)
        out.looks = auditor.watched
    return out


async def all_stormed(
    seeds: Sequence[int], folder: Path, seconds: float, side_by_side: int,
    bounds: Bounds = SETTLED,
) -> list[Stormed]:  # fmt: skip
    """Storms of several seeds, so many at a time."""
    room = asyncio.Semaphore(side_by_side)

    async def one(seed: int) -> Stormed:
        async with room:
            try:
                return await stormed(seed, folder / f"storm{seed}", seconds, bounds)
            except Exception as error:
                return Stormed(seed, faults=[f"{type(error).__name__}: {error}"[:300]])

    return list(await asyncio.gather(*(one(seed) for seed in seeds)))


def in_a_process(seeds: Sequence[int], seconds: float, side_by_side: int) -> list[Stormed]:
    """The storms of some seeds, for a process of their own."""
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(all_stormed(seeds, Path(folder), seconds, side_by_side))
