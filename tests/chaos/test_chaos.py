"""The short form: fifty random fault schedules and about twenty kills; ``make chaos`` runs more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.chaos.kills import Killed, clock_kills, lockstep_kills
from tests.chaos.report import faulty
from tests.chaos.storms import Stormed, all_stormed
from tests.faults.runtime_checks import Bounds

SECONDS, SIDE_BY_SIDE = 12.0, 13
NOISY = Bounds(60.0, 60.0)
"""Market seconds are wall seconds here, and no test may fail because a machine is busy: how long
positions go without a stop is measured by ``make chaos``. Everything else is exact."""


def sound(runs: Sequence[Stormed | Killed]) -> None:
    found = faulty(runs)
    assert not found, "\n".join(found)
    assert sum(r.trades for r in runs) > 0


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, 25])
def test_random_fault_schedules(first: int, tmp_path: Path) -> None:
    work = all_stormed(range(first, first + 25), tmp_path, SECONDS, SIDE_BY_SIDE, NOISY)
    runs = asyncio.run(asyncio.wait_for(work, 200.0))
    sound(runs)
    assert sum(r.happened for r in runs) > 100


@pytest.mark.slow
def test_kill_9_in_lockstep_equals_the_uninterrupted_run(tmp_path: Path) -> None:
    runs = asyncio.run(asyncio.wait_for(lockstep_kills(0, 16, tmp_path), 250.0))
    sound(runs)
    assert sum(r.kills for r in runs) >= 16


# A child takes seconds to begin; on a busy machine longer than a run lasts.
@pytest.mark.long
def test_kill_9_by_the_clock_leaves_nothing_unprotected(tmp_path: Path) -> None:
    runs = asyncio.run(asyncio.wait_for(clock_kills(0, 4, tmp_path, bounds=NOISY), 200.0))
    sound(runs)
    assert sum(r.kills for r in runs) >= 4
