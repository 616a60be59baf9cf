"""One runtime per database, one account per database.

SQLite: a lock of the system on a file beside the database. PostgreSQL: a lock of the session that
writes; whoever loses the connection loses the lock, and writes nothing before it is taken again.
Both are freed by the owner's death. Who owns it is written in the database, for the message only.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import orjson
from sqlalchemy import Connection, insert, select, update

from envs.core.errors import FixInput, RefusedArtifact
from envs.durable import writer_lock
from runtime.port_errors import StoreUnavailable
from runtime.store.database import Database
from runtime.store.tables import about

_KEY = 0x5154_0002
_guard = threading.Lock()
_mine: set[str] = set()
"""What this process holds: the lock of a file does not tell two runtimes of one process apart."""


class RunLock:
    """The right to trade an account with a database: ``with RunLock(database, "demo"): ...``.

    Entering raises ``FixInput`` while another runtime holds it (its pid, host and start are named)
    and ``RefusedArtifact`` where the database belongs to another account.
    """

    def __init__(self, database: Database, account: str) -> None:
        self._database, self._account = database, account
        self._held = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._take(stack)
            self._database.run_now(self._enlist)
            self._held = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._held.close()

    def _take(self, stack: contextlib.ExitStack) -> None:
        database = self._database
        if database.is_postgres:
            if not database.run_now(lambda db: _locked(db.connection.driver_connection)):
                raise self._busy()
            stack.callback(self._release)
            database.on_connect(self._take_again)
        elif database.file is not None:
            place = str(database.file)
            with _guard:
                if place in _mine:
                    raise self._busy()
                _mine.add(place)
            stack.callback(_mine.discard, place)
            try:
                stack.enter_context(writer_lock(database.file))
            except FixInput as error:
                raise self._busy() from error

    def _take_again(self, connection: Any) -> None:
        """Take the lock on a connection that replaces a lost one, or let nothing be written."""
        if not _locked(connection):
            raise StoreUnavailable(str(self._busy_of(None)))

    def _release(self) -> None:
        with contextlib.suppress(Exception):
            self._database.run_now(lambda db: _unlock(db.connection.driver_connection))

    def _enlist(self, db: Connection) -> None:
        """Write down whose database it is and who runs."""
        owner = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "start": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        account = _read(db, "account")
        if account is None:
            db.execute(insert(about).values(name="account", value=self._account))
        elif account != self._account:
            raise RefusedArtifact(
                f"journal {self._database.name}: it belongs to the account {account!r}, not to "
                f"{self._account!r}; give each account a database of its own"
            )
        _write(db, "owner", orjson.dumps(owner).decode())

    def _busy(self) -> FixInput:
        with contextlib.suppress(Exception):
            return self._busy_of(self._database.run_now(lambda db: _read(db, "owner")))
        return self._busy_of(None)

    def _busy_of(self, owner: str | None) -> FixInput:
        who = "another runtime"
        if owner is not None:
            said = orjson.loads(owner)
            who = f"process {said['pid']} on {said['host']}, running since {said['start']},"
        return FixInput(
            f"journal {self._database.name}: {who} trades with it; stop that one first, or give "
            "this one another account and a database of its own"
        )


def _locked(connection: Any) -> bool:
    cursor = connection.cursor()
    try:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", (_KEY,))
        return bool(cursor.fetchone()[0])
    finally:
        cursor.close()


def _unlock(connection: Any) -> None:
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute("SELECT pg_advisory_unlock(%s)", (_KEY,))


def _read(db: Connection, name: str) -> str | None:
    value = db.execute(select(about.c.value).where(about.c.name == name)).scalar()
    return None if value is None else str(value)


def _write(db: Connection, name: str, value: str) -> None:
    if db.execute(update(about).where(about.c.name == name).values(value=value)).rowcount == 0:
        db.execute(insert(about).values(name=name, value=value))
