"""A model that hangs in a running trader: positions are looked after, closes go on, it ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ensemble.batch import ModelAnswer
from ensemble.protocol import Dataset
from runtime.signals import live_votes
from runtime.signals.live import LiveSignals
from runtime.signals.voters import KnownVoter
from runtime.wiring.opening import open_trader
from runtime.wiring.trader import Ended
from tests.unit.runtime.wiring.asked import plan_from
from tests.unit.runtime.wiring.planted_votes import plant_votes

pytestmark = pytest.mark.timeout(300)
BUDGET_S = 4.0


class Hanging(KnownVoter):
    """Hangs on its second question until it is released."""

    asked = 0
    release = threading.Event()

    def answers(self, data: Dataset, row: int) -> Iterator[ModelAnswer]:
        Hanging.asked += 1
        if Hanging.asked == 2:
            Hanging.release.wait()
        yield from super().answers(data, row)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Planted votes asked bar by bar, by a voter that hangs once."""

    plant_votes(monkeypatch, Hanging, budget_s=BUDGET_S)
    monkeypatch.setattr(live_votes, "_HANGS_S", 4.5)
    Hanging.asked, Hanging.release = 0, threading.Event()
    yield
    Hanging.release.set()


def test_the_loop_goes_on_while_a_model_hangs(bundle: Path, tmp_path: Path, hanging: None) -> None:
    plan = plan_from(
        "--bundle", bundle, "--state", tmp_path / "s", "--venue", "local", "--speed", "1800",
        "--monitor", "300", "--loop", "1800", "--max-bars", "10",
    )  # fmt: skip
    looks: list[bool] = []
    rows: list[tuple[bool, list[bool]]] = []

    async def scene() -> list[str]:
        async with open_trader(plan) as trader:
            signals, kernel = trader.signals, trader.kernel
            assert isinstance(signals, LiveSignals)
            monitor, weigh = kernel.monitor, signals.weigh

            async def look(*given: Any) -> None:
                looks.append(signals.turn.is_lent)
                assert not (Hanging.asked < 2 and Hanging.release.is_set())
                await monitor(*given)

            def weighed() -> None:
                rows.append(
                    (signals._work._is_asked, signals.votes.valid[signals.row].any(0).tolist())
                )
                weigh()
                if len(rows) == 6:
                    Hanging.release.set()

            kernel.monitor = look  # type: ignore[method-assign]
            signals.weigh = weighed  # type: ignore[method-assign]
            assert await trader.run() is Ended.BARS
            return [str(r.body) for r in trader.journal.read(["alarm"])]

    alarms = asyncio.run(scene())
    # What was lent was used: one look every sixth of a second, for four seconds.
    assert sum(looks) > 5, "nobody looked while the models were asked"
    mute = [valid for busy, valid in rows if busy]
    assert mute, "it never hung"
    assert not any(any(valid) for valid in mute), "a close without models had votes"
    assert any(all(valid) for busy, valid in rows[-4:]), "it never came back"
    assert sum("MODELS_HANG" in text for text in alarms) == 1
