"""First aid of a whole plan: which states get it, by which client, and what it leaves behind."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path

import pytest

from runtime.adapters.ccxt_factory import make_exchange
from runtime.adapters.ccxt_venue import CcxtVenue
from runtime.bundle import read_manifest
from runtime.port_values import TriggerView
from runtime.store.memory_store import MemoryStore
from runtime.wiring.exchange_child import exchange_child
from runtime.wiring.first_aid import first_aid
from runtime.wiring.opening import open_trader
from runtime.wiring.plan import TradePlan
from runtime.wiring.state_folder import COMMANDS
from tests.unit.runtime.wiring.asked import plan_from

pytestmark = pytest.mark.timeout(240)


async def some_position(plan: TradePlan) -> str:
    """Trade until something is held, and leave it; its contract."""
    async with open_trader(plan) as trader:
        books, names = trader.kernel.context.books, trader.kernel.context.symbols
        trader.kernel.observers.append(
            lambda r: trader.stop() if books.account.positions and r.kind == "bar" else None
        )
        await trader.run()
        return names[next(iter(books.account.positions))]


async def stops(venue: CcxtVenue, symbol: str) -> list[TriggerView]:
    view = await venue.account()
    assert view.triggers is not None
    found = [t for t in view.triggers if t.is_open and t.kind == "STOP_MARKET"]
    return [t for t in found if t.symbol == symbol]


def test_a_state_whose_stop_went_gets_it_back(bundle: Path, tmp_path: Path) -> None:
    start = datetime.fromisoformat(str(read_manifest(bundle)["spans"]["test_start"]))
    began = ["--config", str(bundle / "config.toml"), "--port", "0", "--limits", "none",
             "--start", start.strftime("%Y-%m-%dT%H:%M:%SZ"), "--speed", "lockstep"]  # fmt: skip

    async def scene() -> None:
        async with asyncio.timeout(200.0), exchange_child(began) as at:
            plan = plan_from(
                "--bundle", bundle, "--venue", "local", "--state", tmp_path / "s", "--speed",
                "lockstep", "--exchange-url", at.rest, "--control-url", at.control,
            )  # fmt: skip
            assert await first_aid(plan) == ()
            symbol = await some_position(plan)
            assert await first_aid(plan) == ()
            venue = CcxtVenue(make_exchange("local", url=at.rest), MemoryStore(), (symbol,))
            try:
                await venue.open()
                [old] = await stops(venue, symbol)
                await venue.cancel_trigger(symbol, old.client_id)
                assert await first_aid(plan) == (symbol,)
                [new] = await stops(venue, symbol)
            finally:
                await venue.close()
            assert (new.trigger_ticks, new.qty_steps) == (old.trigger_ticks, old.qty_steps)
            assert new.client_id != old.client_id

    asyncio.run(scene())
    state = tmp_path / "s"
    assert len((state / COMMANDS).read_text(encoding="utf-8").splitlines()) == 1
    logged = "".join(p.read_text(encoding="utf-8") for p in (state / "logs").iterdir())
    assert "first aid for" in logged


def test_an_exchange_of_its_own_needs_none(bundle: Path, tmp_path: Path) -> None:
    plan = plan_from("--bundle", bundle, "--venue", "local", "--state", tmp_path / "s")
    assert asyncio.run(first_aid(plan)) == ()
    assert not (tmp_path / "s").exists()
