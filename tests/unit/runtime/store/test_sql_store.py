from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from envs.core.errors import DamagedArtifact
from runtime.port_errors import StoreUnavailable
from runtime.port_values import Intent
from runtime.store.sql_store import SqlStore
from tests.unit.runtime.store.values import ENTRY, FILL, VIEW


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


def test_a_store_that_is_not_open_says_so() -> None:
    with pytest.raises(StoreUnavailable, match="not open"):
        asyncio.run(SqlStore("sqlite://").open_intents())
