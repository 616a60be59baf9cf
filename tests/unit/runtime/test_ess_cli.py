"""``python -m runtime ess``: beside a running trader, and without one."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envs.core.settings import CoreSettings
from runtime import ess_cli
from runtime.cli import main
from runtime.journal.sql_journal import SqlJournal
from runtime.store.database import open_database
from runtime.store.run_lock import RunLock
from runtime.store.stop_requests import StopRequests
from runtime.subsystems.emergency_stop import EmergencyStop, OrderGate
from runtime.subsystems.stop_requests import Ask, StopRequest

if TYPE_CHECKING:
    from tests.postgres_server import PostgresServer

START = 1_700_000_000 * 10**9
HOUR = 3_600 * 10**9


class Trader:
    """What a trader does with its stop: one process, one database, commits with the state."""

    def __init__(self, folder: Path) -> None:
        self.database = open_database(f"sqlite:///{folder / 'journal.db'}")
        self.lock = RunLock(self.database, "demo")
        self.lock.__enter__()
        self.journal = SqlJournal(self.database)
        self.requests = StopRequests(self.database)
        self.stop = EmergencyStop(CoreSettings(), 10_000.0, START, self.journal.add)

    async def start(self) -> None:
        state = await self.journal.last_state()
        stop = None if state is None else state["stop"]
        self.stop.restore(stop, 10_000.0, START, known=self.journal.last_seq > 0)
        await self.commit()

    async def cycle(self, now: int) -> None:
        self.stop.obey(await self.requests.after(self.stop.obeyed), now)
        self.stop.evaluate(10_000.0, 0.0, 10_000.0, True, now)
        await self.commit()

    async def commit(self) -> None:
        await self.journal.commit(lambda: {"stop": self.stop.state()})

    def end(self) -> None:
        self.lock.__exit__(None, None, None)
        self.database.close()


def ess(folder: Path, *words: str) -> int:
    return main(["ess", words[0], "--state", str(folder), *words[1:]])


def said_by(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


BY = ("--by", "Ada", "--note", "saw odd fills")


def test_a_running_trader_is_stopped_acknowledged_halted_and_released(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")

    async def ask(*words: str) -> int:
        return await asyncio.to_thread(ess, tmp_path, *words)

    async def run() -> None:
        trader = Trader(tmp_path)
        await trader.start()
        assert await ask("trip", "--level", "2", *BY) == 0
        assert "request 1" in said_by(capsys)
        assert await ask("status") == 0
        assert "Not taken yet" in said_by(capsys)
        await trader.cycle(START + 1)
        assert not trader.stop.active
        assert await ask("status") == 0
        said = said_by(capsys)
        for text in ("COOLING_DOWN, level 2", "OPERATOR:1", "Ada: saw odd fills", "acknowledged",
                     "3600 s left", "blocked"):  # fmt: skip
            assert text in said
        assert "Not taken yet" not in said
        assert await ask("ack", *BY) == 0
        assert await ask("halt", *BY) == 0
        await trader.cycle(START + 2)
        said_by(capsys)
        assert await ask("status") == 0
        said = said_by(capsys)
        assert "by Ada at 2023-11-14 22:13:20 UTC, level 2: saw odd fills" in said
        assert "halted by hand" in said
        assert trader.stop.order_gate is OrderGate.HALTED
        assert await ask("release", *BY) == 0
        await trader.cycle(START + 2 * HOUR)
        assert (trader.stop.state_name, trader.stop.active) == ("RECOVERING", True)
        assert trader.journal.verify() is None
        trader.end()

    asyncio.run(asyncio.wait_for(run(), 20.0))


def test_without_a_trader_it_takes_effect_at_the_next_start(tmp_path: Path) -> None:
    async def run() -> None:
        first = Trader(tmp_path)
        await first.start()
        first.end()
        assert ess(tmp_path, "trip", *BY) == 0
        second = Trader(tmp_path)
        await second.start()
        assert second.stop.active
        await second.cycle(START + 1)
        assert not second.stop.active
        second.end()
        third = Trader(tmp_path)
        await third.start()
        events = len(third.stop.events)
        await third.cycle(START + 2)
        assert (third.stop.obeyed, len(third.stop.events)) == (1, events)
        third.end()

    asyncio.run(asyncio.wait_for(run(), 20.0))


@pytest.mark.parametrize(
    ("words", "said"),
    [(("ack", "--by", " ", "--note", "x"), "--by must say something"),
     (("halt", "--by", "Ada", "--note", "x" * 501), "--note must say something"),
     (("trip", "--level", "4", *BY), "--level must be 1, 2 or 3")],
)  # fmt: skip
def test_what_says_nothing_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert ess(tmp_path, *words) == 2
    assert said in capsys.readouterr().err


def test_without_a_journal_there_is_nothing_to_ask(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (("status",), ("ack", *BY)):
        assert ess(tmp_path / "none", *words) == 2
        assert "there is none" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_a_journal_without_a_stop_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_database(f"sqlite:///{tmp_path / 'journal.db'}").close()
    assert ess(tmp_path, "status") == 2
    assert "no state of the emergency stop yet" in capsys.readouterr().err


def test_the_journal_is_found_as_the_trader_finds_it(tmp_path: Path) -> None:
    environ = {"QT_DATABASE_URL": "postgresql://u:p@h/d"}
    assert ess_cli.journal_url(str(tmp_path), environ) == environ["QT_DATABASE_URL"]
    assert ess_cli.journal_url("sqlite:///x.db", environ) == "sqlite:///x.db"
    assert ess_cli.journal_url(str(tmp_path), {}) == f"sqlite:///{tmp_path / 'journal.db'}"


def test_words_of_people_are_no_markup_and_no_control_codes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")

    async def run() -> None:
        trader = Trader(tmp_path)
        await trader.start()
        trader.end()

    asyncio.run(run())
    assert ess(tmp_path, "halt", "--by", "[red]Eve[/nope]", "--note", "a\x1b[2Jb") == 0
    assert ess(tmp_path, "status") == 0
    out = capsys.readouterr().out
    assert "[red]Eve[/nope]" in out
    assert "\x1b[2J" not in out


def check_requests(url: str) -> None:
    database = open_database(url, threaded=False)
    requests = StopRequests(database)
    assert requests.after_now(0) == ()
    given = [StopRequest(0, ask, "Ada", "x", 5, 1) for ask in (Ask.TRIP, Ask.ACK, Ask.HALT)]
    assert [requests.put(r) for r in given] == [1, 2, 3]
    assert [(r.number, r.ask) for r in requests.after_now(1)] == [(2, Ask.ACK), (3, Ask.HALT)]
    assert requests.after_now(0)[0] == replace(given[0], number=1)
    database.close()
    reader = open_database(url, create=False, writable=False, threaded=False)
    assert len(StopRequests(reader).after_now(0)) == 3
    reader.close()


def test_requests_keep_their_order_and_numbers_rise(tmp_path: Path) -> None:
    check_requests(f"sqlite:///{tmp_path / 'journal.db'}")


def test_requests_on_a_server(postgres_server: PostgresServer) -> None:
    url = postgres_server.fresh_url()
    check_requests(url)
    open_database(url).close()


def test_it_is_a_command_of_the_runtime(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "runtime", "ess", "--help"], capture_output=True, text=True,
        timeout=60, cwd=root, env={**os.environ, "COLUMNS": "100"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert all(word in done.stdout for word in ("status", "ack", "trip", "halt", "release"))
