"""Models that hang or fail: the closes go on without them, and are right again when they are."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agents.reinforcement.manager import ReinforcementManager
from ensemble.batch import ModelAnswer
from ensemble.protocol import Dataset
from envs.core.types import MODEL_NAMES
from runtime.settings import Settings
from runtime.signals.live import LiveSignals
from runtime.signals.live_window import KEPT_ROWS
from runtime.signals.turn import Turn
from runtime.signals.voters import KnownVoter
from tests.parity.signals_scene import same_manager, same_rows
from tests.unit.runtime.signals.test_live_feed import BEGUN, bars_of, close_of, made, started, step

BUDGET_S = 1.0


class Moody(KnownVoter):
    """Its third model hangs until it is released, or raises what no model's guard catches."""

    def __init__(self) -> None:
        market = made()[0]
        super().__init__(market.votes, market.market.close_ns)
        self.mood = ""
        self.release, self.asked, self.model = threading.Event(), 0, -1

    def answers(self, data: Dataset, row: int) -> Iterator[ModelAnswer]:
        self.asked += 1
        for m, answer in enumerate(super().answers(data, row)):
            self.model = m
            if m == 2 and self.mood == "hangs":
                self.release.wait()
            if m == 2 and self.mood == "raises":
                raise RuntimeError("on purpose")
            yield answer


@pytest.fixture
def voter() -> Iterator[Moody]:
    out = Moody()
    yield out
    out.release.set()


def wait_until_back(live: LiveSignals) -> None:
    ends = time.monotonic() + 10.0
    while live._work._is_asked:
        assert time.monotonic() < ends
        time.sleep(0.01)


def learned(live: LiveSignals, row: int) -> None:
    """A close as a kernel takes it."""
    live.manager.learn_labels(live.receive(close_of(row), bars_of(row)))
    asyncio.run(live.vote())
    live.weigh()


def test_closes_go_on_while_a_model_hangs_and_have_votes_once_it_is_back(voter: Moody) -> None:
    live, whole = started(voter, budget_s=BUDGET_S), started(budget_s=30.0)
    first = live.row
    for row in range(BEGUN + 1, BEGUN + 4):
        learned(live, row)
    voter.mood = "hangs"
    begun = time.perf_counter()
    for row in range(BEGUN + 4, BEGUN + 12):
        learned(live, row)
    assert time.perf_counter() - begun < 8 * BUDGET_S, "closes wait for a model that hangs"
    assert voter.asked == 4, "a model that has not come back was asked again"
    valid = live.votes.valid[first + 4 : first + 12].all(axis=1)
    assert valid.tolist() == [[True, True, False, False]] + [[False] * 4] * 7
    assert not live.tape.candidate[first + 5 : first + 12].any()
    assert not live.tape.side[first + 5 : first + 12].any()
    voter.mood = ""
    voter.release.set()
    wait_until_back(live)
    for row in range(BEGUN + 12, BEGUN + 30):
        learned(live, row)
    for row in range(BEGUN + 1, BEGUN + 30):
        learned(whole, row)
    assert live.votes.valid[first + 12 : live.row + 1].all()
    for name in ("p_up", "p_down", "ev", "y_long", "label_end"):
        got, want = (getattr(x.votes, name)[first + 12 : live.row + 1] for x in (live, whole))
        assert got.tobytes() == want.tobytes(), name
    for name in ("features", "atr", "complete", "close_ticks"):
        a, b = (getattr(x.data.market, name)[: live.row + 1] for x in (live, whole))
        assert a.tobytes() == b.tobytes(), name
    for each in (live, whole):
        asyncio.run(each.stop())


def test_a_restart_knows_of_closes_without_models(voter: Moody, tmp_path: Path) -> None:
    live = started(voter, budget_s=BUDGET_S)
    voter.mood = "hangs"
    for row in range(BEGUN + 1, BEGUN + 13):
        learned(live, row)
    state = json.loads(json.dumps(live.state()))
    late = [[close_of(BEGUN + 1), name] for name in MODEL_NAMES[2:]]
    mute = [[close_of(r), name] for r in range(BEGUN + 2, BEGUN + 13) for name in MODEL_NAMES]
    assert state["abstained"] == [*late, *mute]
    live.manager.checkpoint(tmp_path / "manager.json")
    market, drawn = made()
    again = LiveSignals(
        [r.between(None, close_of(BEGUN + 12)) for r in drawn.series], drawn.instruments,
        KnownVoter(market.votes, market.market.close_ns), Settings(),
        ReinforcementManager.load(tmp_path / "manager.json"), market.pool_line,
        market.exit_slopes, budget_s=30.0,
    )  # fmt: skip
    again.restore(state)
    asyncio.run(again.start())
    voter.mood = ""
    voter.release.set()
    wait_until_back(live)
    for row in range(BEGUN + 13, BEGUN + 26):
        for each in (live, again):
            learned(each, row)
    for back in range(26):
        same_rows(again.tape, live.tape, again.row - back, live.row - back)
    same_manager(again.manager, live.manager)
    for each in (live, again):
        asyncio.run(each.stop())


def test_a_voter_that_raises_gives_no_half_of_its_votes(
    voter: Moody, caplog: pytest.LogCaptureFixture
) -> None:
    live = started(voter, budget_s=BUDGET_S)
    voter.mood = "raises"
    step(live, BEGUN + 1)
    assert not live.votes.valid[live.row].any()
    assert np.isnan(live.votes.p_up[live.row]).all()
    assert not live.votes.ev[live.row].any()
    assert not live.tape.candidate[live.row].any()
    assert "on purpose" in caplog.text
    assert live.state()["abstained"] == [[close_of(BEGUN + 1), name] for name in MODEL_NAMES]
    voter.mood = ""
    step(live, BEGUN + 2)
    assert live.votes.valid[live.row].all()
    asyncio.run(live.stop())


def test_a_bar_of_the_history_is_not_waited_for_without_end(
    voter: Moody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.signals.live._HISTORY_S", 0.5)
    live = started(voter, budget_s=0.2)
    live._history_ns = close_of(BEGUN + 1)
    voter.mood = "hangs"
    begun = time.perf_counter()
    step(live, BEGUN + 1)
    assert 0.4 < time.perf_counter() - begun < 5.0
    assert live.votes.valid[live.row].all(axis=0).tolist() == [True, True, False, False]


def test_it_hangs_after_ten_seconds_and_no_more_once_it_is_back(voter: Moody) -> None:
    live = started(voter, budget_s=BUDGET_S)
    now = [1_000.0]
    live._work._clock = lambda: now[0]
    voter.mood = "hangs"
    step(live, BEGUN + 1)
    assert not live.is_hanging, "late is not hanging"
    now[0] += 10.1
    assert live.is_hanging
    voter.release.set()
    wait_until_back(live)
    assert not live.is_hanging


def test_the_window_moves_on_under_a_model_that_hangs(voter: Moody) -> None:
    live = started(voter, budget_s=BUDGET_S)
    voter.mood = "hangs"
    step(live, BEGUN + 1)
    close_ns = live.data.market.close_ns[live.row]
    live._window.shift(100)
    live._work.shifted(100)
    live.row -= 100
    assert live.data.market.close_ns[live.row] == close_ns
    assert live.row < KEPT_ROWS
    before = live.votes.p_up.copy()
    voter.release.set()
    wait_until_back(live)
    assert live.votes.p_up.tobytes() == before.tobytes(), "a given-up answer was written"
    assert voter.model == 2, "the next model was asked about a row that nobody waits for"
    step(live, BEGUN + 2)
    whole = made()[0].market
    assert live.data.market.features[live.row].tobytes() == whole.features[BEGUN + 2].tobytes()


def test_stopping_does_not_wait_for_a_model_that_hangs(voter: Moody) -> None:
    live = started(voter, budget_s=BUDGET_S)
    voter.mood = "hangs"
    step(live, BEGUN + 1)
    begun = time.perf_counter()
    asyncio.run(live.stop())
    assert time.perf_counter() - begun < 3.0


def test_a_process_ends_though_its_worker_hangs() -> None:
    program = (
        "import threading\n"
        "from runtime.signals.worker import Worker\n"
        "worker = Worker('w')\n"
        "worker.submit(lambda: print('begun', flush=True)).result()\n"
        "worker.submit(threading.Event().wait)\n"
        "print(worker.close(0.05))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "begun\nFalse\n"), done.stderr


def test_a_turn_is_lent_and_what_others_began_is_finished_first() -> None:
    said: list[str] = []

    async def holder(turn: Turn, waits: asyncio.Event) -> None:
        async with turn:
            said.append("holds")
            async with turn.lent():
                await waits.wait()
            said.append("goes on")

    async def other(turn: Turn, waits: asyncio.Event) -> None:
        async with turn:
            said.append(f"looks, lent: {turn.is_lent}")
            waits.set()
            await asyncio.sleep(0.05)
            said.append("has looked")

    async def scene() -> None:
        turn, waits = Turn(), asyncio.Event()
        await asyncio.gather(holder(turn, waits), other(turn, waits))
        async with turn.lent():
            assert not turn.is_lent, "nobody held it"
        async with asyncio.timeout(1.0), turn:
            assert not turn.is_lent

    asyncio.run(scene())
    assert said == ["holds", "looks, lent: True", "has looked", "goes on"]


def test_until_a_bar_is_understood_fills_slip_as_after_the_one_before() -> None:
    live = started()
    for row in range(BEGUN + 1, BEGUN + 4):
        before = [column[live.row] for column in live.data.slip_next]
        live.receive(close_of(row), bars_of(row))
        assert [column[live.row] for column in live.data.slip_next] == before
        asyncio.run(live.vote())
        live.weigh()
        assert [column[live.row] for column in live.data.slip_next] != before
    asyncio.run(live.stop())
