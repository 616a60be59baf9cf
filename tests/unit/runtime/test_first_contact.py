from __future__ import annotations

import argparse
import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from envs.core.errors import FixInput, FixSettings
from runtime.adapters.ccxt_factory import LOCAL_KEYS, make_exchange
from runtime.adapters.contact import Match
from runtime.adapters.contact_checks import CHECKS, Check, agrees
from runtime.exchange.fault_kinds import Fault, FaultKind
from runtime.first_contact import Result, add_arguments, keys_of, main, run, write
from tests.faults.adapter_rig import SYMBOL, Rig, rig

QUICK = [c for c in CHECKS if c.name != "dead-man's switch"]


def _console() -> Console:
    return Console(file=io.StringIO(), width=140)


async def _run(r: Rig, checks: Any = QUICK, console: Console | None = None) -> list[Result]:
    exchange = make_exchange("local", url=r.exchange.addresses.rest)
    results, _ = await run(exchange, "local", SYMBOL, console or _console(), checks)
    return results


def test_the_local_exchange_agrees_and_nothing_is_left_behind(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            results = await _run(r)
            bad = [r for r in results if r.finding.match in (Match.DIFFERS, Match.FAILED)]
            assert not bad
            assert all(r.finding.match is Match.ANSWERED for r in results if r.check.open_)
            state = r.exchange.session.state
            assert not state.holdings
            assert not state.has_business()

    asyncio.run(scene())


def test_what_differs_is_found_and_told(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            r.exchange.faults.arm(
                Fault(FaultKind.REFUSE, "DELETE /fapi/v1/order", code=-1000, message="changed")
            )
            r.exchange.faults.arm(Fault(FaultKind.EMPTY, "GET /fapi/v1/income", count=None))
            console = _console()
            checks = [c for c in CHECKS if c.name in ("refusals", "income", "clock")]
            found = {r.check.name: r.finding for r in await _run(r, checks, console)}
            assert found["refusals"].match is Match.DIFFERS
            assert "-1000, not -2011" in found["refusals"].seen
            assert found["income"].match is Match.FAILED
            assert found["clock"].match is Match.AGREES
            told = console.file.getvalue()  # type: ignore[attr-defined]
            assert "1 of 3 checks agree" in told
            assert "-1000, not -2011" in told

    asyncio.run(scene())


def test_an_account_in_use_is_left_alone(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.buy("d")
            with pytest.raises(FixInput, match="position or open orders"):
                await _run(r)
            assert len(r.trades) == 1

    asyncio.run(scene())


def test_demo_needs_keys_and_says_where_from(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert keys_of("local", {}) == LOCAL_KEYS
    with pytest.raises(FixSettings, match="QT_DEMO_API_KEY"):
        keys_of("demo", {"QT_DEMO_API_KEY": "x"})
    assert keys_of("demo", {"QT_DEMO_API_KEY": "x", "QT_DEMO_API_SECRET": "y"}).secret == "y"  # noqa: S105
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    monkeypatch.delenv("QT_DEMO_API_KEY", raising=False)
    with pytest.raises(SystemExit) as ended:
        main(parser.parse_args([]))
    assert ended.value.code == 2
    assert "QT_DEMO_API_SECRET" in capsys.readouterr().err


def test_the_record_holds_no_listen_key(tmp_path: Path) -> None:
    async def check(_: object) -> Any:
        return agrees(True, "yes")

    results = [Result(Check("a", "b", check), agrees(True, "yes"))]
    target = tmp_path / "record.json"
    write(target, results, {"fapiPrivatePostListenKey": {"listenKey": "x"}, "other": {"a": "1"}})
    record = json.loads(target.read_text())
    assert record["bodies"] == {"other": {"a": "1"}}
    assert record["findings"][0]["match"] == "agrees"
