"""What every store of the runtime does, in memory and in both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runtime.port_values import Intent, IntentState, NewOrder, NewTrigger, OrderStatus
from runtime.ports import Store
from runtime.store.memory_store import MemoryStore
from runtime.store.sql_store import SqlStore
from tests.unit.runtime.store.values import ENTRY, FILL, REST, STOP, VIEW

Place = Callable[[], Store]


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "memory":
        store = MemoryStore()
        return lambda: store
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_server").fresh_url()
    return lambda: SqlStore(url)


def use(place: Place, work: Any) -> Any:
    async def scene() -> Any:
        store = place()
        await store.open()
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(scene())


@pytest.mark.parametrize("ask", [ENTRY, STOP])
def test_an_intent_survives_and_is_written_once(ask: NewOrder | NewTrigger, place: Place) -> None:
    async def write(store: Store) -> None:
        assert await store.save_intent(Intent(ask, 5))
        assert not await store.save_intent(Intent(replace(ask, qty_steps=99), 6))

    async def read(store: Store) -> None:
        assert await store.intent(ask.client_id) == Intent(ask, 5)
        assert await store.open_intents() == (Intent(ask, 5),)
        assert await store.intent("other") is None

    use(place, write)
    use(place, read)


def test_what_is_settled_is_no_longer_open(place: Place) -> None:
    async def work(store: Store) -> None:
        for i, state in enumerate(IntentState):
            await store.save_intent(Intent(replace(ENTRY, client_id=f"c{i}"), i))
            if state is not IntentState.PENDING:
                await store.settle_intent(f"c{i}", state, venue_id=i, code=-i, text="why", at_ms=9)
        open_ = await store.open_intents()
        assert [i.state for i in open_] == [IntentState.PENDING, IntentState.UNKNOWN]
        rejected = await store.intent("c2")
        assert rejected is not None
        assert (rejected.state, rejected.code) == (IntentState.REJECTED, -2)
        assert (rejected.text, rejected.settled_ms) == ("why", 9)

    use(place, work)


def test_orders_and_triggers_have_numbers_of_their_own(place: Place) -> None:
    async def work(store: Store) -> None:
        await store.save_order(VIEW)
        await store.save_order(REST)
        assert await store.open_orders() == (VIEW, REST)
        assert await store.order_ids("BTCUSDT") == {7: "qt-e"}
        filled = replace(VIEW, status=OrderStatus.FILLED, filled_steps=10)
        await store.save_order(filled)
        assert await store.open_orders() == (REST,)
        assert await store.order_ids("BTCUSDT") == {7: "qt-e"}

    use(place, work)


def test_a_fill_counts_once_per_contract_and_keeps_every_digit(place: Place) -> None:
    async def work(store: Store) -> None:
        assert await store.add_fill(FILL)
        assert not await store.add_fill(replace(FILL, qty_steps=1))
        assert await store.add_fill(replace(FILL, symbol="ETHUSDT"))
        assert await store.add_fill(replace(FILL, trade_id=1))
        assert await store.fills("BTCUSDT") == (replace(FILL, trade_id=1), FILL)
        assert await store.fills("BTCUSDT", 1) == (FILL,)

    use(place, work)


def test_the_confirmed_number_is_kept_per_contract(place: Place) -> None:
    async def work(store: Store) -> None:
        assert await store.confirmed_trade_id("BTCUSDT") is None
        await store.confirm_trades("BTCUSDT", 0)
        assert await store.confirmed_trade_id("BTCUSDT") == 0
        await store.confirm_trades("BTCUSDT", 7)
        assert await store.confirmed_trade_id("BTCUSDT") == 7
        assert await store.confirmed_trade_id("ETHUSDT") is None

    use(place, work)
