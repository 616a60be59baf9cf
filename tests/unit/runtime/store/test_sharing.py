"""Many writers share one commit; none is touched by another's failure."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert
from sqlalchemy.exc import IntegrityError

from runtime.port_errors import StoreUnavailable
from runtime.port_values import Intent, NewOrder
from runtime.store.database import Database, open_database
from runtime.store.sql_store import SqlStore
from runtime.store.tables import about


def named(name: str) -> Callable[[Connection], str]:
    def work(db: Connection) -> str:
        db.execute(insert(about).values(name=name, value="x"))
        return name

    return work


def names(database: Database) -> set[str]:
    found = database.run_now(lambda db: db.exec_driver_sql("SELECT name FROM about").all())
    return {row[0] for row in found} - {"schema", "program"}


def commits(database: Database) -> list[int]:
    """Grows by one with every commit."""
    counted: list[int] = []
    event.listen(database._engine, "commit", lambda connection: counted.append(1))
    return counted


def gathered(database: Database, works: list[Callable[[Connection], Any]]) -> list[Any]:
    """Give all of them while the worker is busy; results or errors."""
    started, go = threading.Event(), threading.Event()

    def busy(db: Connection) -> None:
        started.set()
        go.wait(10)

    database.submit(busy)
    started.wait(10)
    futures = [database.submit(work, shared=True) for work in works]
    go.set()
    return [future.exception(10) or future.result() for future in futures]


def test_writers_that_wait_together_are_committed_together(database_url: str) -> None:
    database = open_database(database_url)
    counted = commits(database)
    made = gathered(database, [named(f"n{i}") for i in range(50)])
    assert made == [f"n{i}" for i in range(50)]
    assert len(counted) == 2
    assert names(database) == set(made)
    database.close()


def test_a_row_that_is_there_fails_alone(database_url: str) -> None:
    database = open_database(database_url)
    counted = commits(database)
    made = gathered(database, [named("a"), named("a"), named("b")])
    assert (made[0], made[2]) == ("a", "b")
    assert isinstance(made[1], IntegrityError)
    assert len(counted) == 2
    assert names(database) == {"a", "b"}
    database.close()


@pytest.mark.parametrize("error", [OverflowError("too large"), StoreUnavailable("no")])
def test_work_that_breaks_fails_alone(database_url: str, error: Exception) -> None:
    def breaks(db: Connection) -> None:
        db.execute(insert(about).values(name="half", value="x"))
        raise error

    database = open_database(database_url)
    made = gathered(database, [named("a"), breaks, named("b")])
    assert made == ["a", error, "b"]
    assert names(database) == {"a", "b"}
    database.close()


def test_a_wrong_statement_fails_alone(database_url: str) -> None:
    database = open_database(database_url)
    made = gathered(
        database, [named("a"), lambda db: db.exec_driver_sql("SELECT nothing"), named("b")]
    )
    assert (made[0], made[2]) == ("a", "b")
    assert isinstance(made[1], StoreUnavailable)
    assert names(database) == {"a", "b"}
    database.close()


def test_a_commit_that_fails_is_told_to_all_and_not_tried_again(database_url: str) -> None:
    database = open_database(database_url)
    failed: list[int] = []
    ran: list[int] = []

    def fail(connection: Connection) -> None:
        if not failed:
            failed.append(1)
            connection.exec_driver_sql("SELECT nothing")

    def work(db: Connection) -> None:
        ran.append(1)

    started, go = threading.Event(), threading.Event()

    def busy(db: Connection) -> None:
        started.set()
        go.wait(10)

    database.submit(busy, lambda result: event.listen(database._engine, "commit", fail))
    started.wait(10)
    futures = [database.submit(w, shared=True) for w in (named("a"), work, named("b"))]
    go.set()
    assert all(isinstance(f.exception(10), StoreUnavailable) for f in futures)
    assert len(ran) == 1
    assert names(database) == set()
    database.close()


def test_what_is_cancelled_before_it_began_is_not_done(database_url: str) -> None:
    async def scene() -> None:
        database = open_database(database_url)
        go = threading.Event()
        database.submit(lambda db: go.wait(10))
        task = asyncio.create_task(database.run(named("a"), shared=True))
        other = asyncio.create_task(database.run(named("b"), shared=True))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        go.set()
        assert await asyncio.wait_for(other, 10) == "b"
        assert task.cancelled()
        assert names(database) == {"b"}
        database.close()

    asyncio.run(scene())


def test_intents_saved_at_once_are_all_there_once(database_url: str) -> None:
    async def scene() -> None:
        database = open_database(database_url)
        store = SqlStore(database)
        asks = [Intent(NewOrder(f"c{i % 40}", "A", 1, 1), i) for i in range(80)]
        made = await asyncio.gather(*(store.save_intent(ask) for ask in asks))
        assert made == [True] * 40 + [False] * 40
        assert len(await store.open_intents()) == 40
        database.close()

    asyncio.run(scene())


def intent_of(name: str) -> Intent:
    """An intent under a client id."""
    return Intent(NewOrder(name, "A", 1, 1), 1)


def test_intents_of_one_close_wait_for_the_disk_once(database_url: str) -> None:
    async def scene() -> None:
        database = open_database(database_url)
        store = SqlStore(database)
        commits: list[int] = []
        event.listen(database._engine, "commit", lambda connection: commits.append(1))
        made = await asyncio.gather(*(store.save_intent(intent_of(f"c{i}")) for i in range(10)))
        assert (made, len(commits)) == ([True] * 10, 1)
        # One of them is known: the others are new all the same, and told apart.
        again = [intent_of(f"c{i}") for i in range(9, 12)]
        assert await asyncio.gather(*map(store.save_intent, again)) == [False, True, True]
        assert len(await store.open_intents()) == 12
        database.close()

    asyncio.run(scene())


def test_an_intent_is_found_by_whoever_asks_after_it_was_begun(database_url: str) -> None:
    async def scene() -> None:
        database = open_database(database_url)
        store = SqlStore(database)
        saved, found = await asyncio.gather(
            store.save_intent(intent_of("c")), store.intent("c")
        )  # fmt: skip
        assert (saved, found) == (True, intent_of("c"))
        database.close()

    asyncio.run(scene())


def test_intents_that_cannot_be_written_are_all_told_so(database_url: str) -> None:
    async def scene() -> None:
        database = open_database(database_url)
        store = SqlStore(database)
        saves = [asyncio.ensure_future(store.save_intent(intent_of(f"c{i}"))) for i in range(3)]
        await asyncio.sleep(0)
        saves[1].cancel()
        database.close()
        told = await asyncio.wait_for(asyncio.gather(*saves, return_exceptions=True), 10)
        kinds = [StoreUnavailable, asyncio.CancelledError, StoreUnavailable]
        assert [type(error) for error in told] == kinds

    asyncio.run(scene())


def test_an_intent_that_nobody_waits_for_any_more_is_not_written(database_url: str) -> None:
    async def scene() -> None:
        database = open_database(database_url)
        store = SqlStore(database)
        saves = [asyncio.ensure_future(store.save_intent(intent_of(f"c{i}"))) for i in range(2)]
        await asyncio.sleep(0)
        saves[0].cancel()
        assert await saves[1]
        assert [i.client_id for i in await store.open_intents()] == ["c1"]
        database.close()

    asyncio.run(scene())


def test_a_store_of_its_own_writes_what_was_begun_before_it_closes(database_url: str) -> None:
    async def scene() -> None:
        store = SqlStore(database_url)
        await store.open()
        save = asyncio.ensure_future(store.save_intent(intent_of("c")))
        await asyncio.sleep(0)
        await store.close()
        assert await asyncio.wait_for(save, 10)
        await store.open()
        assert [i.client_id for i in await store.open_intents()] == ["c"]
        await store.close()

    asyncio.run(scene())


def test_closing_finishes_what_is_queued(database_url: str) -> None:
    database = open_database(database_url)
    futures = [database.submit(named(f"n{i}")) for i in range(5)]
    database.close()
    database.close()
    assert [f.result(0) for f in futures] == [f"n{i}" for i in range(5)]
    with pytest.raises(StoreUnavailable, match="not open"):
        database.run_now(named("late"))
