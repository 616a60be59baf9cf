"""Killed at any moment, the journal holds whole commits and all that were confirmed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from runtime.journal.sql_journal import SqlJournal
from runtime.store.database import Database
from runtime.store.sql_store import SqlStore
from tests.unit.runtime.journal.scenes import use

CHILD = Path(__file__).with_name("journal_child.py")
KILLS = 4


def killed_after(url: str, root: Path, seconds: float) -> int:
    """Let a writer run for a while after its first commit; the last commit it told of."""
    child = subprocess.Popen(
        [sys.executable, str(CHILD), url], stdout=subprocess.PIPE, text=True,
        env={"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        assert child.stdout is not None
        first = child.stdout.readline()
        assert first, "it wrote nothing"
        time.sleep(seconds)
        child.kill()
        told = [first, *child.stdout.readlines()]
        # The last line may be cut in the middle.
        return int([x for x in told if x.endswith("\n")][-1])
    finally:
        child.kill()
        child.wait(30)


def test_killed_writers_leave_whole_commits(database_url: str, root: Path) -> None:
    moments = np.random.default_rng(6)
    before = 0
    for kills in range(1, KILLS + 1):
        told = killed_after(database_url, root, moments.uniform(0.0, 0.15))
        assert told > before

        async def look(
            journal: SqlJournal, database: Database, told: int = told, kills: int = kills
        ) -> int:
            assert journal.verify() is None
            state = await journal.last_state()
            assert state is not None
            n = state["n"]
            assert journal.last_seq == 2 * n
            assert [e.time_ns for e in journal.read()] == [i for i in range(1, n + 1) for _ in "ab"]
            known = {intent.client_id for intent in await SqlStore(database).open_intents()}
            missing = {f"c{i}" for i in range(1, n + 1)} - known
            # Each kill may come between a commit and the intent after it, which was not told.
            assert len(missing) <= kills
            assert f"c{told}" in known
            return int(n)

        before = use(database_url, look)
        assert before in (told, told + 1)
