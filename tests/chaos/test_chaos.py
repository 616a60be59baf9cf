"""The short form: fifty random fault schedules and about twenty kills; ``make chaos`` runs more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.chaos.clock_kills import clock_kills
from tests.chaos.killed import Killed
from tests.chaos.kills import lockstep_kills
from tests.chaos.report import faulty
from tests.chaos.storms import Stormed, all_stormed
from tests.faults.runtime_timed import BUSY

SECONDS, SIDE_BY_SIDE, LIMIT_S = 12.0, 13, 550.0
pytestmark = pytest.mark.timeout(600)


def sound(runs: Sequence[Stormed | Killed]) -> None:
    found = faulty(runs)
    assert not found, "\n".join(found)
    assert sum(r.trades for r in runs) > 0


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, 25])
def test_random_fault_schedules(first: int, tmp_path: Path) -> None:
    work = all_stormed(range(first, first + 25), tmp_path, SECONDS, SIDE_BY_SIDE, BUSY)
    runs = asyncio.run(asyncio.wait_for(work, LIMIT_S))
    sound(runs)
    assert sum(r.happened for r in runs) > 100


@pytest.mark.slow
def test_kill_9_in_lockstep_equals_the_uninterrupted_run(tmp_path: Path) -> None:
    runs = asyncio.run(asyncio.wait_for(lockstep_kills(0, 16, tmp_path), LIMIT_S))
    sound(runs)
    assert sum(r.kills for r in runs) >= 16


# A child takes seconds to begin; on a busy machine longer than a run lasts.
@pytest.mark.long
def test_kill_9_by_the_clock_leaves_nothing_unprotected(tmp_path: Path) -> None:
    runs = asyncio.run(asyncio.wait_for(clock_kills(0, 3, tmp_path, bounds=BUSY), LIMIT_S))
    sound(runs)
    assert sum(r.kills for r in runs) == 3
    assert sum(r.aimed for r in runs) >= 1
