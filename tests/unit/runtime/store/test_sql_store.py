from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from envs.core.errors import DamagedArtifact, FixSettings, RefusedArtifact
from runtime.port_errors import StoreUnavailable
from runtime.port_values import (
    Fill,
    Force,
    Intent,
    IntentState,
    NewOrder,
    NewTrigger,
    OrderStatus,
    OrderView,
    Purpose,
    TriggerStatus,
    TriggerView,
)
from runtime.store.sql_store import SqlStore

ENTRY = NewOrder("qt-e", "BTCUSDT", 1, 10, 999, Force.GTX, False, Purpose.ENTRY)
STOP = NewTrigger("qt-s", "BTCUSDT", -1, 10, 900, on_mark=True)
VIEW = OrderView("qt-e", 7, "BTCUSDT", 1, "LIMIT", OrderStatus.NEW, 10, 0, 0, 999, False, 1)
REST = TriggerView(
    "qt-s", 7, "BTCUSDT", -1, "STOP_MARKET", TriggerStatus.NEW, 10, 900, True, True, 0, 1
)
FILL = Fill(3, 7, "BTCUSDT", 1, 10, 999, 2**53 + 1, 5, "USDT", -7, True, 8)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'journal.db'}"


def use(url: str, work: Any, **options: Any) -> Any:
    async def scene() -> Any:
        store = SqlStore(url, **options)
        await store.open()
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(scene())


@pytest.mark.parametrize("ask", [ENTRY, STOP])
def test_an_intent_survives_and_is_written_once(ask: NewOrder | NewTrigger, url: str) -> None:
    async def write(store: SqlStore) -> None:
        assert await store.save_intent(Intent(ask, 5))
        assert not await store.save_intent(Intent(replace(ask, qty_steps=99), 6))

    async def read(store: SqlStore) -> None:
        assert await store.intent(ask.client_id) == Intent(ask, 5)
        assert await store.open_intents() == (Intent(ask, 5),)
        assert await store.intent("other") is None

    use(url, write)
    use(url, read)


def test_what_is_settled_is_no_longer_open(url: str) -> None:
    async def work(store: SqlStore) -> None:
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

    use(url, work)


def test_orders_and_triggers_have_numbers_of_their_own(url: str) -> None:
    async def work(store: SqlStore) -> None:
        await store.save_order(VIEW)
        await store.save_order(REST)
        assert await store.open_orders() == (VIEW, REST)
        assert await store.order_ids("BTCUSDT") == {7: "qt-e"}
        filled = replace(VIEW, status=OrderStatus.FILLED, filled_steps=10)
        await store.save_order(filled)
        assert await store.open_orders() == (REST,)
        assert await store.order_ids("BTCUSDT") == {7: "qt-e"}

    use(url, work)


def test_a_fill_counts_once_per_contract_and_keeps_every_digit(url: str) -> None:
    async def work(store: SqlStore) -> None:
        assert await store.add_fill(FILL)
        assert not await store.add_fill(replace(FILL, qty_steps=1))
        assert await store.add_fill(replace(FILL, symbol="ETHUSDT"))
        assert await store.add_fill(replace(FILL, trade_id=1))
        assert await store.fills("BTCUSDT") == (replace(FILL, trade_id=1), FILL)
        assert await store.fills("BTCUSDT", 1) == (FILL,)

    use(url, work)


def test_the_confirmed_number_is_kept_per_contract(url: str) -> None:
    async def work(store: SqlStore) -> None:
        assert await store.confirmed_trade_id("BTCUSDT") is None
        await store.confirm_trades("BTCUSDT", 0)
        assert await store.confirmed_trade_id("BTCUSDT") == 0
        await store.confirm_trades("BTCUSDT", 7)
        assert await store.confirmed_trade_id("BTCUSDT") == 7
        assert await store.confirmed_trade_id("ETHUSDT") is None

    use(url, work)


def test_sqlite_writes_ahead_and_waits_for_the_disk(url: str) -> None:
    async def mode(store: SqlStore) -> tuple[str, int]:
        def ask(db: Any) -> tuple[str, int]:
            return (
                db.execute(text("PRAGMA journal_mode")).scalar(),
                db.execute(text("PRAGMA synchronous")).scalar(),
            )

        return await store._write(ask)

    assert use(url, mode) == ("wal", 2)
    assert use(url, mode, durable=False) == ("wal", 1)


def test_in_memory_and_inline_nothing_suspends() -> None:
    store = SqlStore("sqlite://", threaded=False)

    def at_once(work: Coroutine[Any, Any, Any]) -> Any:
        try:
            work.send(None)
        except StopIteration as done:
            return done.value
        raise AssertionError("it suspended")

    at_once(store.open())
    assert at_once(store.save_intent(Intent(ENTRY, 1)))
    at_once(store.save_order(VIEW))
    assert at_once(store.add_fill(FILL))
    assert at_once(store.open_orders()) == (VIEW,)
    assert at_once(store.open_intents()) == (Intent(ENTRY, 1),)
    at_once(store.close())


def test_a_killed_process_loses_nothing_that_was_saved(tmp_path: Path, url: str) -> None:
    code = (
        "import asyncio, os, signal, sys\n"
        "from runtime.port_values import Intent, NewOrder\n"
        "from runtime.store.sql_store import SqlStore\n"
        "async def main():\n"
        "    store = SqlStore(sys.argv[1], durable=False)\n"
        "    await store.open()\n"
        "    for i in range(20):\n"
        "        await store.save_intent(Intent(NewOrder(f'c{i}', 'A', 1, 1), i))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, url], timeout=60, check=False)
    assert ended.returncode == -9

    async def count(store: SqlStore) -> int:
        return len(await store.open_intents())

    assert use(url, count) == 20


def test_another_version_is_refused(url: str) -> None:
    async def nothing(store: SqlStore) -> None:
        return None

    use(url, nothing)
    with create_engine(url).begin() as db:
        db.execute(text("UPDATE about SET value = '99'"))
    with pytest.raises(RefusedArtifact, match="version 99"):
        use(url, nothing)


def test_a_damaged_row_is_named(url: str) -> None:
    async def save(store: SqlStore) -> None:
        await store.save_intent(Intent(ENTRY, 1))

    async def read(store: SqlStore) -> None:
        await store.open_intents()

    use(url, save)
    for broken in ("{", "[]", "{}", '{"force":"XXX"}'):
        with create_engine(url).begin() as db:
            db.execute(text("UPDATE intents SET ask = :a"), {"a": broken})
        with pytest.raises(DamagedArtifact, match="journal"):
            use(url, read)


def test_a_journal_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    async def nothing(store: SqlStore) -> None:
        return None

    with pytest.raises(FixSettings, match="QT_DATABASE_URL"):
        use("nonsense", nothing)
    with pytest.raises(StoreUnavailable, match="journal"):
        use(f"sqlite:///{tmp_path / 'none' / 'x.db'}", nothing)
    (tmp_path / "text.db").write_text("this is no database, but long enough to be read as one")
    with pytest.raises(StoreUnavailable, match="not a database"):
        use(f"sqlite:///{tmp_path / 'text.db'}", nothing)
    with pytest.raises(StoreUnavailable, match="not open"):
        asyncio.run(SqlStore("sqlite://").open_intents())
