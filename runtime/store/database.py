"""One database, one connection, one worker thread, shared by the journal and the store.

A single thread writes, so that SQLite never waits for a lock of this process, and the event loop
never waits for the disk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, event, text
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from envs.core.errors import QuantumTraderError, RefusedArtifact
from runtime.port_errors import StoreUnavailable
from runtime.store.addresses import file_of, parsed_url, shown
from runtime.store.engines import postgres_engine, sqlite_engine
from runtime.store.failures import damaged, not_opened, unavailable
from runtime.store.schema import prepare

T = TypeVar("T")
_CHECKED_BYTES = 256 * 2**20
"""SQLite files up to this size are looked through when they are opened (about a second)."""

_TOGETHER = 100
"""Most pieces of work in one transaction."""


@dataclass(frozen=True)
class _Job:
    work: Callable[[Connection], Any]
    then: Callable[[Any], None] | None
    shared: bool
    future: Future[Any] = field(default_factory=Future)


class Database:
    """An open database; ``name`` is its address without the password.

    Made by ``open_database``. ``threaded`` False runs everything inline: then coroutines complete
    without suspending. Work runs in the order in which it was given.
    """

    def __init__(self, engine: Engine, url: URL, *, threaded: bool) -> None:
        self._engine, self._open = engine, True
        self.name, self.file = shown(url), file_of(url)
        self.is_postgres = engine.dialect.name == "postgresql"
        self._pool = ThreadPoolExecutor(1, "journal") if threaded else None
        self._jobs: deque[_Job] = deque()

    @property
    def is_threaded(self) -> bool:
        """Whether work is done elsewhere, so that whoever waits for it suspends."""
        return self._pool is not None

    def submit(
        self, work: Callable[[Connection], T], then: Callable[[T], None] | None = None, *,
        shared: bool = False,
    ) -> Future[T]:  # fmt: skip
        """Let the worker run ``work`` in a transaction, and ``then`` once it is committed.

        Does not wait; the result raises as ``run`` does. ``shared`` work that waits together is
        committed together, so that many writers wait for the disk once; one that fails does not
        touch the others. It may be run again where the transaction failed before its commit.
        """
        job = _Job(work, then, shared)
        if not self._open:
            job.future.set_exception(StoreUnavailable(f"journal {self.name}: not open"))
            return job.future
        self._jobs.append(job)
        if self._pool is None:
            self._run_next()
        else:
            self._pool.submit(self._run_next)
        return job.future

    async def run(
        self, work: Callable[[Connection], T], then: Callable[[T], None] | None = None, *,
        shared: bool = False,
    ) -> T:  # fmt: skip
        """Run ``work(connection)`` in a transaction; returns when it is committed.

        Raises:
            StoreUnavailable: Nothing of it was written, or it is not known whether it was.
            IntegrityError: A row with this key is there; nothing was written.
        """
        future = self.submit(work, then, shared=shared)
        return future.result() if future.done() else await asyncio.wrap_future(future)

    def run_now(self, work: Callable[[Connection], T]) -> T:
        """Do the same, blocking the caller until it is done."""
        return self.submit(work).result()

    def on_connect(self, prepare: Callable[[Any], None]) -> None:
        """Call ``prepare(driver connection)`` on every connection made from now on."""
        event.listen(self._engine, "connect", lambda connection, record: prepare(connection))

    def close(self) -> None:
        """Finish what is queued and close; everything after fails."""
        self._open = False
        if self._pool is not None:
            self._pool.shutdown()
        self._engine.dispose()

    def _run_next(self) -> None:
        """Run what waits longest, with the shared work right behind it."""
        jobs: list[_Job] = []
        while self._jobs and len(jobs) < _TOGETHER:
            if jobs and not (jobs[0].shared and self._jobs[0].shared):
                break
            job = self._jobs.popleft()
            if job.future.set_running_or_notify_cancel():
                jobs.append(job)
        if len(jobs) == 1 or (jobs and not self._together(jobs)):
            for job in jobs:
                self._alone(job)

    def _alone(self, job: _Job) -> None:
        try:
            with self._transaction() as db:
                result = job.work(db)
        except BaseException as error:
            job.future.set_exception(error)
        else:
            _finish(job, result)

    def _together(self, jobs: list[_Job]) -> bool:
        """Run several in one transaction; False where it failed before the commit."""
        ends: list[Callable[[], None]] = []
        try:
            with self._transaction() as db:
                for job in jobs:
                    ends.append(_tried(db, job))  # noqa: PERF401
        except Exception as error:
            if len(ends) < len(jobs):
                return False
            ends = [partial(job.future.set_exception, error) for job in jobs]
        for end in ends:
            end()
        return True

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as db:
                yield db
        except IntegrityError:
            raise
        except SQLAlchemyError as error:
            raise unavailable(self.name, error) from error


def _tried(db: Connection, job: _Job) -> Callable[[], None]:
    """Run one of several; returns what to do once all are committed."""
    try:
        with db.begin_nested():
            result = job.work(db)
    except (IntegrityError, QuantumTraderError) as error:
        return partial(job.future.set_exception, error)

    return partial(_finish, job, result)


def _finish(job: _Job, result: Any) -> None:
    """Tell that the work is committed."""
    try:
        if job.then is not None:
            job.then(result)
    except BaseException as error:
        job.future.set_exception(error)
    else:
        job.future.set_result(result)


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
    return Database(engine, parsed, threaded=threaded)


def _look_through(db: Connection, name: str) -> None:
    said = db.execute(text("PRAGMA quick_check(1)")).scalar()
    if said != "ok":
        # The first line names the database within the file, which is always "main".
        lines = str(said).splitlines()
        found = [line for line in lines if not line.startswith("***")] or lines
        raise damaged(name, f"the file is corrupt ({found[0]})")
