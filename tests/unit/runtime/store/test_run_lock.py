"""One runtime per database, one account per database; the dead block nobody."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from envs.core.errors import FixInput, RefusedArtifact
from runtime.port_errors import StoreUnavailable
from runtime.store.database import open_database
from runtime.store.run_lock import RunLock

if TYPE_CHECKING:
    from tests.postgres_server import PostgresServer

OWNER = (
    "import sys, time\n"
    "from runtime.store.database import open_database\n"
    "from runtime.store.run_lock import RunLock\n"
    "with RunLock(open_database(sys.argv[1]), 'demo'):\n"
    "    print('held', flush=True)\n"
    "    time.sleep(600)\n"
)


def test_a_second_runtime_is_refused_and_told_who_holds_it(database_url: str) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, database_url], stdout=subprocess.PIPE, text=True
    )
    try:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "held\n"
        database = open_database(database_url)
        said = rf"process {owner.pid} on {socket.gethostname()}, running since 20\d\d-.*stop that"
        with pytest.raises(FixInput, match=said):
            RunLock(database, "demo").__enter__()
        owner.send_signal(signal.SIGKILL)
        owner.wait(30)
        # A server notices the death when it reads from the line.
        for _ in range(100):
            try:
                with RunLock(database, "demo"):
                    break
            except FixInput:
                time.sleep(0.05)
        else:
            pytest.fail("the dead owner still blocks")
        database.close()
    finally:
        owner.kill()
        owner.wait(30)


def test_the_same_process_is_no_exception(database_url: str) -> None:
    one, two = open_database(database_url), open_database(database_url)
    with (
        RunLock(one, "demo"),
        pytest.raises(FixInput, match=f"process {os.getpid()} "),
        RunLock(two, "demo"),
    ):
        pytest.fail("both hold it")
    with RunLock(two, "demo"):
        pass
    one.close()
    two.close()


def test_a_database_belongs_to_its_first_account(database_url: str) -> None:
    database = open_database(database_url)
    with RunLock(database, "demo"):
        pass
    with pytest.raises(RefusedArtifact, match="'demo', not to 'live'; give each account"):
        RunLock(database, "live").__enter__()
    with RunLock(database, "demo"):
        pass
    database.close()


def test_in_memory_everybody_is_alone() -> None:
    one, two = open_database("sqlite://"), open_database("sqlite://")
    with RunLock(one, "sim"), RunLock(two, "sim"):
        pass


def test_a_lost_line_is_taken_up_again_with_the_lock(postgres_server: PostgresServer) -> None:
    url = postgres_server.fresh_url()
    one, two = open_database(url), open_database(url)
    with RunLock(one, "demo"):
        postgres_server.stop()
        with pytest.raises(StoreUnavailable, match="start it, or mend QT_DATABASE_URL"):
            one.run_now(lambda db: db.exec_driver_sql("DELETE FROM confirmed_trades"))
        postgres_server.start()
        one.run_now(lambda db: db.exec_driver_sql("DELETE FROM confirmed_trades"))
        with pytest.raises(FixInput, match="trades with it"):
            RunLock(two, "demo").__enter__()
    one.close()
    two.close()


def test_who_lost_the_lock_to_another_writes_nothing(postgres_server: PostgresServer) -> None:
    url = postgres_server.fresh_url()
    one, two = open_database(url), open_database(url)
    with RunLock(one, "demo"):
        postgres_server.stop()
        postgres_server.start()
        with RunLock(two, "demo"):
            for _ in range(2):
                with pytest.raises(StoreUnavailable, match="another runtime trades with it"):
                    one.run_now(lambda db: db.exec_driver_sql("DELETE FROM confirmed_trades"))
        one.run_now(lambda db: db.exec_driver_sql("DELETE FROM confirmed_trades"))
    one.close()
    two.close()
