"""kill -9 at random moments, restart, and the venue ends as if nothing had happened."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np

from runtime.exchange.session import ExchangeSession
from tests.unit.runtime.exchange.journal_child import STEPS, market, play, timed

CHILD = "tests.unit.runtime.exchange.journal_child"


def test_a_killed_venue_goes_on_as_if_nothing_had_happened(tmp_path: Path, root: Path) -> None:
    whole = asyncio.run(play(None))
    path = tmp_path / "state.jsonl"
    rng = np.random.default_rng(7)
    kills, done, last = 0, "", -1
    for _ in range(30):
        child = subprocess.Popen(
            [sys.executable, "-m", CHILD, str(path)], cwd=root, stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        steps = int(rng.integers(1, 30))
        for line in child.stdout:
            if line.startswith("digest"):
                done = line.split()[1]
                break
            assert int(line) == last + 1, "a step was lost or done twice"
            last = int(line)
            steps -= 1
            if steps == 0:
                child.send_signal(signal.SIGKILL)
                kills += 1
                break
        # What it said before it died may still be in the pipe.
        for line in child.stdout:
            if line.startswith("digest"):
                done = line.split()[1]
            else:
                last = int(line)
        child.wait(20)
        child.stdout.close()
        if done:
            break
    assert kills >= 3
    assert last == STEPS - 1
    assert done == whole


def test_what_was_acknowledged_is_there_and_time_goes_on(tmp_path: Path, root: Path) -> None:
    path = tmp_path / "state.jsonl"
    rng = np.random.default_rng(3)
    told_ns = 0
    for _ in range(3):
        child = subprocess.Popen(
            [sys.executable, "-m", CHILD, str(path), "crowd"], cwd=root, stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        assert child.stdout is not None
        names: list[str] = []
        steps = int(rng.integers(300, 900))
        for line in child.stdout:
            if not line.endswith("\n"):
                break
            name, now_ns = line.split()
            names.append(name)
            assert int(now_ns) >= told_ns, "the market ran backwards"
            told_ns = int(now_ns)
            if len(names) == steps:
                child.send_signal(signal.SIGKILL)
        child.wait(20)
        child.stdout.close()
        assert len(names) >= steps

        async def reopened() -> tuple[set[str], int]:
            session = ExchangeSession.open(timed(), path, market=market())
            await session.close()
            return {o.client_id for o in session.state.orders.values()}, session.now_ns

        known, now = asyncio.run(reopened())
        assert set(names) <= known
        assert now >= told_ns
