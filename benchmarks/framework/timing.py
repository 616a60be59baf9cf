"""Wall and CPU time of repeated work, and signs that something else used the machine."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

REPEATS = 5
TWO_THREADS_AT_LEAST = 1.7
"""CPU over wall time below which two threads did not have two cores."""
NEIGHBOURS_AT_MOST = 0.15
"""Cores that other processes may use before a run counts as disturbed."""


@dataclass(frozen=True)
class Timing:
    """One timed run.

    Attributes:
        wall: seconds.
        cpu: seconds of all threads of this process.
        neighbours: cores used by everything else meanwhile; NaN where unknown.
    """

    wall: float
    cpu: float
    neighbours: float

    @property
    def ratio(self) -> float:
        """CPU over wall time: how many cores worked."""
        return self.cpu / self.wall


def timed(work: Callable[[], object]) -> Timing:
    """Time one call."""
    busy = _busy_seconds()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    others = (_busy_seconds() - busy - cpu) / wall
    return Timing(wall, cpu, max(0.0, others) if others == others else others)


def repeated(
    work: Callable[[], object], repeats: int = REPEATS, before: Callable[[], object] | None = None
) -> list[Timing]:
    """Time ``work`` several times after one call that is thrown away; ``before`` is not timed."""
    out = []
    for run in range(repeats + 1):
        if before is not None:
            before()
        if run == 0:
            work()
        else:
            out.append(timed(work))
    return out


def in_turn(
    works: Sequence[Callable[[], object]], repeats: int = REPEATS,
    before: Sequence[Callable[[], object]] | None = None,
) -> list[list[Timing]]:  # fmt: skip
    """Time several works alternately, so that what disturbs one disturbs the others too."""
    out: list[list[Timing]] = [[] for _ in works]
    for run in range(repeats + 1):
        for i, work in enumerate(works):
            if before is not None:
                before[i]()
            if run == 0:
                work()
            else:
                out[i].append(timed(work))
    return out


def disturbance(runs: Sequence[Timing], threads: int = 1) -> str:
    """Why a series of runs is not to be trusted; empty when it is."""
    ratio = statistics.median(r.ratio for r in runs)
    others = statistics.median(r.neighbours for r in runs)
    reasons = []
    if threads == 2 and ratio < TWO_THREADS_AT_LEAST:
        reasons.append(f"two threads got {ratio:.2f} cores")
    if threads == 1 and ratio < 0.9:
        reasons.append(f"one thread got {ratio:.2f} cores")
    if others > NEIGHBOURS_AT_MOST:
        reasons.append(f"other processes used {others:.2f} cores")
    return ", ".join(reasons)


def _busy_seconds() -> float:
    """CPU time that all processes have used since the start of the machine; NaN where unknown."""
    try:
        first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()
    except OSError:
        return float("nan")
    user, nice, system, _, _, irq, softirq, steal = (int(x) for x in first[1:9])
    return (user + nice + system + irq + softirq + steal) / float(os.sysconf("SC_CLK_TCK"))
