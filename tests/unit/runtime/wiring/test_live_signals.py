"""The path of the demo, walked on the local exchange: signals made of bars as they come."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from runtime.signals.live import LiveSignals
from runtime.signals.voters import KnownVoter
from runtime.wiring.opening import open_trader
from runtime.wiring.trader import Ended
from tests.unit.runtime.wiring.asked import plan_from
from tests.unit.runtime.wiring.planted_votes import plant_votes

pytestmark = pytest.mark.timeout(240)


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted votes asked bar by bar, in the place of models that take minutes to train."""

    plant_votes(monkeypatch, KnownVoter)


def test_bars_become_signals_and_a_restart_goes_on_as_if_nothing_had_happened(
    bundle: Path, tmp_path: Path, live: None, caplog: pytest.LogCaptureFixture
) -> None:
    plan = plan_from(
        "--bundle", bundle, "--state", tmp_path / "s", "--venue", "local", "--speed", "1800",
        "--monitor", "300", "--loop", "1800", "--max-bars", "10",
    )  # fmt: skip

    async def scene() -> tuple[int, str, int]:
        async with open_trader(plan) as trader:
            assert isinstance(trader.signals, LiveSignals)
            began = trader.journal.last_seq
            assert await trader.run() is Ended.BARS
            records = list(trader.journal.read(["decision", "bar"], began))
            assert sum(r.kind == "bar" for r in records) >= 10
            # A new journal and one that goes on are both what they should be.
            told = [str(r.body) for r in trader.journal.read(["ess"])]
            assert not [text for text in told if "STATE_LOST" in text]
            digest = trader.learning.agent.digest()
            return sum(r.kind == "decision" for r in records), digest, len(trader.kernel.trades)

    first = asyncio.run(scene())
    again = asyncio.run(scene())
    assert first[0] + again[0] > 0
    assert not [r for r in caplog.records if "does not lead" in r.message]
    assert not [r for r in caplog.records if r.levelname == "ERROR"]
