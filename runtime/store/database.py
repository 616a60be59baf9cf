"""One database, one connection, one worker thread, shared by the journal and the store.

A single thread writes, so that SQLite never waits for a lock of this process, and the event loop
never waits for the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from envs.core.errors import RefusedArtifact
from runtime.port_errors import StoreUnavailable
from runtime.store.addresses import file_of, parsed_url, shown
from runtime.store.engines import postgres_engine, sqlite_engine
from runtime.store.failures import damaged, not_opened, unavailable
from runtime.store.schema import prepare

T = TypeVar("T")
_CHECKED_BYTES = 256 * 2**20
"""SQLite files up to this size are looked through when they are opened (about 0.3 s at most)."""


class Database:
    """An open database; ``name`` is its address without the password.

    Made by ``open_database``. ``threaded`` False runs everything inline: then coroutines complete
    without suspending.
    """

    def __init__(self, engine: Engine, *, threaded: bool) -> None:
        self._engine: Engine | None = engine
        self.name = shown(engine.url)
        self.file = file_of(engine.url)
        self.is_postgres = engine.dialect.name == "postgresql"
        self._pool = ThreadPoolExecutor(1, "journal") if threaded else None

    def submit(
        self, work: Callable[[Connection], T], then: Callable[[T], None] | None = None
    ) -> Future[T]:
        """Let the worker run ``work`` in one transaction, and ``then`` once it is committed.

        Does not wait; the result raises as ``run`` does.
        """
        if self._pool is not None and self._engine is not None:
            return self._pool.submit(self._transaction, work, then)
        future: Future[T] = Future()
        try:
            future.set_result(self._transaction(work, then))
        except Exception as error:
            future.set_exception(error)
        return future

    async def run(
        self, work: Callable[[Connection], T], then: Callable[[T], None] | None = None
    ) -> T:
        """Run ``work(connection)`` in one transaction; returns when it is committed.

        Raises:
            StoreUnavailable: Nothing of it was written, or it is not known whether it was.
            IntegrityError: A row with this key is there; nothing was written.
        """
        future = self.submit(work, then)
        return future.result() if future.done() else await asyncio.wrap_future(future)

    def run_now(self, work: Callable[[Connection], T]) -> T:
        """Do the same, blocking the caller until it is done."""
        return self.submit(work).result()

    def on_connect(self, prepare: Callable[[Any], None]) -> None:
        """Call ``prepare(driver connection)`` on every connection made from now on."""
        if self._engine is not None:
            event.listen(self._engine, "connect", lambda connection, record: prepare(connection))

    def close(self) -> None:
        """Finish what is queued and close; everything after fails."""
        if self._pool is not None:
            self._pool.shutdown()
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _transaction(self, work: Callable[[Connection], T], then: Callable[[T], None] | None) -> T:
        engine = self._engine
        if engine is None:
            raise StoreUnavailable(f"journal {self.name}: not open")
        try:
            with engine.begin() as db:
                result = work(db)
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            raise unavailable(self.name, error) from error
        if then is not None:
            then(result)
        return result


def open_database(
    url: str, *, create: bool = True, writable: bool = True, threaded: bool = True,
    durable: bool = True,
) -> Database:  # fmt: skip
    """Open, create or migrate the database of a journal; blocks.

    Args:
        url: ``sqlite:///FILE``, ``sqlite://`` in memory, or ``postgresql://...``.
        create: make the tables where there are none.
        writable: False only reads, beside a runtime that writes.
        threaded: run statements on a worker thread.
        durable: wait for the disk at each commit, so that a power failure loses nothing; without,
            a killed process still loses nothing.

    Raises:
        FixSettings: Not a URL of SQLite or PostgreSQL, or its driver is missing.
        RefusedArtifact: A newer version, another program's database, or none (``create`` False).
        DamagedArtifact: The file is corrupt.
        StoreUnavailable: Locked, read-only, full, or the server does not answer.
    """
    parsed = parsed_url(url)
    file = file_of(parsed)
    if file is not None and not (create and writable) and not file.exists():
        raise RefusedArtifact(
            f"journal {shown(parsed)}: there is none; start a run first, or mend --state"
        )
    if parsed.get_backend_name() == "sqlite":
        engine = sqlite_engine(parsed, writable=writable, durable=durable)
    else:
        engine = postgres_engine(parsed, writable=writable, durable=durable)
    name = shown(parsed)
    try:
        with engine.begin() as db:
            if file is not None and file.stat().st_size <= _CHECKED_BYTES:
                _look_through(db, name)
            prepare(db, name, create=create, writable=writable)
    except SQLAlchemyError as error:
        engine.dispose()
        raise not_opened(name, error) from error
    except BaseException:
        engine.dispose()
        raise
    return Database(engine, threaded=threaded)


def _look_through(db: Connection, name: str) -> None:
    said = db.execute(text("PRAGMA quick_check(1)")).scalar()
    if said != "ok":
        raise damaged(name, f"the file is corrupt ({str(said).splitlines()[0]})")
