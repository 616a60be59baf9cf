"""An exchange that runs already is traded only where it is the market the run was made for."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from envs.core.errors import FixData, FixSettings
from runtime.bundle import read_manifest
from runtime.wiring.exchange_child import ExchangeAt, exchange_child
from runtime.wiring.opening import open_trader
from runtime.wiring.trader import Ended
from tests.unit.runtime.wiring.asked import plan_from

pytestmark = pytest.mark.timeout(240)


def traded(bundle: Path, state: Path, speed: str, start: str, *more: str) -> Ended:
    """A run of three bars at an exchange of its own; ``more`` are the exchange's options."""
    began = ["--config", str(bundle / "config.toml"), "--port", "0", "--start", start,
             "--limits", "none", *more]  # fmt: skip

    async def trade(at: ExchangeAt) -> Ended:
        options = ["--exchange-url", at.rest, "--speed", speed, "--max-bars", "3"]
        if speed == "lockstep":
            options += ["--control-url", at.control]
        plan = plan_from("--bundle", bundle, "--venue", "local", "--state", state, *options)
        async with open_trader(plan) as trader:
            try:
                return await trader.run()
            finally:
                assert trader.kernel.bar_ns > 0

    async def scene() -> Ended:
        async with asyncio.timeout(120.0), exchange_child(began) as at:
            return await trade(at)

    return asyncio.run(scene())


@pytest.mark.parametrize("speed", ["lockstep", "7200"])
def test_it_is_traded_where_it_is_the_same(bundle: Path, tmp_path: Path, speed: str) -> None:
    start = held_out(bundle)
    assert traded(bundle, tmp_path / "s", speed, start, "--speed", speed) is Ended.BARS


@pytest.mark.parametrize("speed", ["lockstep", "7200"])
def test_a_market_before_the_run_is_refused(bundle: Path, tmp_path: Path, speed: str) -> None:
    with pytest.raises(FixData, match="before the first decision"):
        traded(bundle, tmp_path / "s", speed, before(bundle), "--speed", speed)


@pytest.mark.parametrize("speed", ["lockstep", "7200"])
def test_another_market_is_refused(bundle: Path, tmp_path: Path, speed: str) -> None:
    start = held_out(bundle)
    with pytest.raises(FixData, match="not those this run was asked to trade"):
        traded(bundle, tmp_path / "s", speed, start, "--speed", speed, "--seed", "77")


def test_a_market_that_moves_by_itself_is_not_stepped(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(FixSettings, match="moves by itself"):
        traded(bundle, tmp_path / "s", "lockstep", held_out(bundle), "--speed", "60")


def held_out(bundle: Path) -> str:
    """Begin of the bundle's held-out period."""
    return str(read_manifest(bundle)["spans"]["test_start"])


def before(bundle: Path) -> str:
    """Some days earlier."""
    return (datetime.fromisoformat(held_out(bundle)) - timedelta(days=5)).isoformat()
