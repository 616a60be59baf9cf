"""Whole runs as a user starts them, on short stretches of the built-in market."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from envs.core.errors import RefusedArtifact
from runtime.cli import main
from runtime.display.session import Asked
from runtime.kernel_ports import Record
from runtime.wiring.opening import open_trader
from runtime.wiring.trader import Ended
from tests.unit.runtime.wiring.asked import plan_from, run

pytestmark = pytest.mark.timeout(240)
LOCKSTEP = ("--venue", "local", "--speed", "lockstep")


def test_a_simulation_ends_flat_with_a_summary_and_its_files(bundle: Path, tmp_path: Path) -> None:
    state = tmp_path / "s"
    code, said = run(plan_from("--bundle", bundle, "--state", state, "--max-bars", "150"))
    assert code == 0
    for word in ("150 bar closes", "the data ended", "No position is open", str(state),
                 "edge planted", "forecasts resolved", "sizing table"):  # fmt: skip
        assert word in said, word
    assert (state / "journal.db").stat().st_size > 0
    assert (state / "agents").is_dir()
    with pytest.raises(RefusedArtifact, match="not continued"):
        run(plan_from("--bundle", bundle, "--state", state))


def test_the_same_simulation_twice_is_the_same(bundle: Path, tmp_path: Path) -> None:
    def traded(name: str, *options: str) -> tuple[Any, str]:
        plan = plan_from("--bundle", bundle, "--state", tmp_path / name, "--max-bars", "150",
                         *options)  # fmt: skip

        async def scene() -> tuple[Any, str]:
            async with open_trader(plan) as trader:
                assert await trader.run() is Ended.DATA
                return trader.kernel.trades, trader.learning.agent.digest()

        return asyncio.run(scene())

    first, again = traded("a"), traded("b", "--journal", "full")
    assert len(first[0]) > 3
    assert first == again
    frozen = traded("c", "--no-learn")
    assert frozen[1] != first[1]


def test_lockstep_on_the_exchange_child_is_continued_where_it_stopped(
    bundle: Path, tmp_path: Path
) -> None:
    options = ("--bundle", bundle, "--state", tmp_path / "s", *LOCKSTEP)
    code, said = run(plan_from(*options, "--max-bars", "30"))
    assert code == 0
    assert "as many bars closed" in said

    async def go_on(*more: str) -> tuple[int, int, dict[str, Any]]:
        async with open_trader(plan_from(*options, *more)) as trader:
            began = trader.journal.last_seq
            assert await trader.run() is Ended.BARS
            held = trader.kernel.context.books.account.positions
            view = await trader.venue.account()
            return began, len(held), dict(view.stands)

    began, held, stands = asyncio.run(go_on("--max-bars", "20", "--on-exit", "flatten"))
    assert began > 30
    assert held == 0
    assert {type(s).__name__ for s in stands.values()} == {"Flat"}
    with pytest.raises(RefusedArtifact, match="taker_fee"):
        run(plan_from(*options, "--set", "COST_TAKER_FEE=0.0009"))


@pytest.mark.parametrize("lost", ["journal.db", "exchange.journal"])
def test_a_run_does_not_go_on_without_one_of_its_memories(
    bundle: Path, tmp_path: Path, lost: str
) -> None:
    options = ("--bundle", bundle, "--state", tmp_path / "s", *LOCKSTEP, "--max-bars", "3")
    assert run(plan_from(*options))[0] == 0
    (tmp_path / "s" / lost).unlink()
    with pytest.raises(RefusedArtifact, match=f"{lost} is gone"):
        run(plan_from(*options))
    assert not (tmp_path / "s" / "journal.db").exists() or lost != "journal.db"


def test_two_traders_do_not_share_a_state(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--bundle", str(bundle), "--state", str(tmp_path / "s"), *LOCKSTEP)

    async def scene() -> None:
        async with open_trader(plan_from(*options)):
            code = await asyncio.to_thread(main, ["trade", *options, "--max-bars", "1"])
            assert code == 2

    asyncio.run(scene())
    assert "stop that one first" in capsys.readouterr().err
    assert len((tmp_path / "s" / "commands.txt").read_text().splitlines()) == 1


def test_a_timed_run_trades_by_the_clock_and_leaves_protected_positions(
    bundle: Path, tmp_path: Path
) -> None:
    plan = plan_from(
        "--bundle", bundle, "--state", tmp_path / "s", "--venue", "local", "--speed", "3600",
        "--monitor", "300", "--loop", "3000", "--max-bars", "8",
    )  # fmt: skip

    async def scene() -> None:
        async with open_trader(plan) as trader:
            ended = await trader.run()
            assert ended is Ended.BARS
            books = trader.kernel.context.books
            for s in books.account.positions:
                stop = books.tickets[s].stop
                assert stop is not None
                assert stop.confirmed
            view = await trader.venue.account()
            assert view.triggers is not None
            resting = {t.symbol for t in view.triggers if t.is_open}
            names = trader.kernel.context.symbols
            assert {names[s] for s in books.account.positions} <= resting

    asyncio.run(scene())


def test_being_asked_to_stop_ends_in_order(bundle: Path, tmp_path: Path) -> None:
    plan = plan_from("--bundle", bundle, "--state", tmp_path / "s", *LOCKSTEP)

    def at_first_close(record: Record) -> None:
        if record.kind == "bar":
            signal.raise_signal(signal.SIGTERM)

    async def scene() -> None:
        async with open_trader(plan) as trader:
            asked = Asked(trader)
            trader.kernel.observers.append(at_first_close)
            with asked.listening():
                assert await trader.run() is Ended.ASKED
            assert not asked.by_hand

    asyncio.run(scene())


def test_the_summary_says_what_asks_for_a_person(bundle: Path, tmp_path: Path) -> None:
    state = tmp_path / "s"
    options = ("--bundle", bundle, "--state", state, *LOCKSTEP, "--max-bars", "2")
    code, said = run(plan_from(*options))
    assert (code, "emergency stop is" in said, "ATTENTION" in said) == (0, False, False)
    assert main(["ess", "trip", "--state", str(state), "--level", "2", "--by", "a",
                 "--note", "b"]) == 0  # fmt: skip
    code, said = run(plan_from(*options))
    assert "The emergency stop is cooling down: python -m runtime ess status" in said
    logged = (state / "logs" / "quantum.log").read_text()
    assert "emergency stop: TRIPPED, level 2" in logged
    assert json.loads((state / "heartbeat.json").read_text())["alarms"] == 0


def test_a_simulation_that_is_stopped_leaves_nothing_open(bundle: Path, tmp_path: Path) -> None:
    plan = plan_from("--bundle", bundle, "--state", tmp_path / "s", "--journal", "full")

    async def scene() -> None:
        async with open_trader(plan) as trader:
            books = trader.kernel.context.books

            def once_open(record: Record) -> None:
                if record.kind == "bar" and books.account.positions:
                    trader.stop()

            trader.kernel.observers.append(once_open)
            assert await trader.run() is Ended.ASKED
            assert trader.kernel.trades
            assert not books.account.positions
            assert trader.left == ()

    asyncio.run(scene())


def test_a_child_that_dies_ends_the_run_with_its_own_code(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    """Exit code 3 and a sentence: a core service failed."""
    from runtime.wiring import exchange_child

    pids: list[int] = []
    spawn = asyncio.create_subprocess_exec

    async def noted(*args: Any, **named: Any) -> asyncio.subprocess.Process:
        process = await spawn(*args, **named)
        pids.append(process.pid)
        asyncio.get_running_loop().call_later(6.0, process.kill)
        return process

    monkeypatch.setattr(exchange_child.asyncio, "create_subprocess_exec", noted)
    code = main([
        "trade", "--bundle", str(bundle), "--state", str(tmp_path / "s"), "--venue", "local",
        "--speed", "60", "--view", "none",
    ])  # fmt: skip
    assert code == 3
    assert "exchange" in capsys.readouterr().err
    assert len(pids) == 1


def test_the_record_of_a_run_names_bundle_and_command(bundle: Path, tmp_path: Path) -> None:
    state = tmp_path / "s"
    plan = plan_from("--bundle", bundle, "--state", state, "--max-bars", "5", "--journal", "full")

    async def scene() -> None:
        async with open_trader(plan) as trader:
            await trader.run()
            entry = next(iter(trader.journal.read(["run"])))
            assert entry.body["command"] == plan.command
            digest = json.loads((state / "run.json").read_text())["bundle_digest"]
            assert entry.body["bundle_digest"] == digest

    asyncio.run(scene())
