"""Engines of the two databases: how each is made to keep what it has confirmed."""

from __future__ import annotations

import os
import socket
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import StaticPool

from runtime.store.addresses import file_of

_BUSY_MS = 5_000
_STATEMENT_MS = 60_000
_RARE_PAGES = 10_000
_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}


def sqlite_engine(url: URL, *, writable: bool, durable: bool) -> Engine:
    """SQLite with a write-ahead log; transactions take the right to write when they begin."""
    options: dict[str, Any] = {"connect_args": {"check_same_thread": False}}
    file = file_of(url)
    if file is None:
        options["poolclass"] = StaticPool
    elif not writable:
        url = url.set(database=f"file:{file.as_posix()}", query={"mode": "ro", "uri": "true"})
    engine = create_engine(url, **options)

    def connected(connection: Any, record: Any) -> None:
        # The driver's own transactions would leave statements on tables outside of them.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        if writable:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            if not durable:
                # The disk is waited for only here, where the log goes into the file.
                cursor.execute(f"PRAGMA wal_autocheckpoint={_RARE_PAGES}")
        cursor.close()

    def begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writable else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine


def postgres_engine(url: URL, *, writable: bool, durable: bool) -> Engine:
    """PostgreSQL by one connection that is looked at before each use.

    The server notices within half a minute that this machine is gone, so that its lock is freed.
    """
    settings = {
        "lock_timeout": f"{_BUSY_MS}ms",
        "statement_timeout": f"{_STATEMENT_MS}ms",
        "synchronous_commit": "on" if durable else "off",
        "default_transaction_read_only": "off" if writable else "on",
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_keepalives_count": "3",
    }
    options = {
        "connect_timeout": 10,
        "application_name": f"quantum-trader {os.getpid()} {socket.gethostname()}"[:63],
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
        **_KEEPALIVE,
    }
    given = {name: value for name, value in options.items() if name not in url.query}
    return create_engine(url, pool_size=1, max_overflow=0, pool_pre_ping=True, connect_args=given)
