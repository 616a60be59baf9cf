"""``python -m runtime exchange``: options, panel, ends and errors."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from envs.core.errors import FixSettings
from runtime import cli
from runtime.exchange.cli import add_arguments, exchange_settings
from runtime.exchange.settings import LOCKSTEP, ExchangeSettings

TIMEOUT_S = 60


def parsed(*given: str) -> ExchangeSettings:
    """Settings of a command line."""
    import argparse

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return exchange_settings(parser.parse_args(given))


def test_defaults_are_those_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("QT_SEED", "QT_SYMBOLS", "QT_DATA", "QT_INTERVAL", "QT_FUNDING"):
        monkeypatch.delenv(name, raising=False)
    assert parsed() == ExchangeSettings()


def test_options_are_read() -> None:
    found = parsed(
        "--data", "synthetic", "--symbols", "ETHUSDT,BTCUSDT", "--speed", "lockstep", "--start",
        "2021-02-03", "--port", "0", "--control-port", "9", "--state", "x", "--seed", "5",
        "--api-key", "k", "--api-secret", "s", "--start-quote", "77", "--tick-s", "2",
        "--timeframe", "4h", "--limits", "none", "--set", "COST_TAKER_FEE=0.001",
    )  # fmt: skip
    assert (found.symbols, found.speed, found.seed) == (("ETHUSDT", "BTCUSDT"), LOCKSTEP, 5)
    assert found.start == datetime(2021, 2, 3, tzinfo=UTC)
    assert (found.port, found.control_port, found.state) == (0, 9, Path("x"))
    assert found.limits == "none"
    assert (found.api_key, found.api_secret, found.start_quote) == ("k", "s", 77.0)
    assert (found.timeframe, found.tick_s, found.core.costs.taker_fee) == ("4h", 2.0, 0.001)
    assert "'s'" not in repr(found)


@pytest.mark.parametrize(
    "given",
    [
        ("--speed", "fast"), ("--speed", "-1"), ("--start", "soon"), ("--port", "99999"),
        ("--speed", "lockstep", "--book", "depth"), ("--tick-s", "0"), ("--start-quote", "-5"),
    ],
)  # fmt: skip
def test_bad_values_are_named(given: tuple[str, ...]) -> None:
    with pytest.raises(FixSettings, match=given[0].replace("--start-quote", "start wallet")):
        parsed(*given)


def test_commands_whose_module_is_missing_are_not_offered(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "exchange" in cli.available()
    with pytest.raises(SystemExit) as ended:
        cli.main(["nothing"])
    assert ended.value.code == 2
    with pytest.raises(SystemExit) as ended:
        cli.main(["exchange", "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for option in (
        "--speed",
        "--tick-s",
        "--book",
        "--start",
        "--port",
        "--control-port",
        "--state",
    ):
        assert option in text
    assert "[default 60]" in text


@contextmanager
def program(*given: str) -> Iterator[subprocess.Popen[str]]:
    """The exchange as a process of its own."""
    command = [sys.executable, "-m", "runtime", "exchange", "--symbols", "BTCUSDT", *given]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def panel_of(process: subprocess.Popen[str]) -> str:
    """What it prints until it serves."""
    assert process.stdout is not None
    lines = []
    while "Ctrl-C stops it" not in (line := process.stdout.readline()):
        assert line, process.stderr and process.stderr.read()
        lines.append(line)
    return "".join(lines)


def fetched(address: str, path: str) -> Any:
    """JSON at a path."""
    with closing(HTTPConnection(address, timeout=10)) as client:
        client.request("GET", path)
        return json.load(client.getresponse())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_asked_to_stop(tmp_path: Path, number: signal.Signals) -> None:
    state = tmp_path / "x.journal"
    with program("--port", "0", "--control-port", "0", "--state", str(state)) as process:
        panel = panel_of(process)
        control = re.search(r"http://(127\.0\.0\.1:\d+)(/control/state)", panel)
        rest = re.search(r"http://(127\.0\.0\.1:\d+)(/fapi/v1)", panel)
        assert control is not None
        assert rest is not None
        assert fetched(control[1], control[2])["wallet"] == "10000.00000000"
        assert "serverTime" in fetched(rest[1], f"{rest[2]}/time")
        process.send_signal(number)
        out, err = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 0, err
        assert "state is in" in out
        assert err == ""
    assert state.stat().st_size > 0


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with program("--port", str(port)) as process:
            _, err = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 2
        assert err == (
            f"error: --port {port}: 127.0.0.1:{port} is taken by another program; choose another\n"
        )


def test_an_unusable_folder_is_named(tmp_path: Path) -> None:
    with program("--data", str(tmp_path)) as process:
        _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 2
    assert err.startswith("error: ")
    assert "BTCUSDT" in err
    assert "Traceback" not in err


def test_a_damaged_state_file_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "x.journal"
    state.write_bytes(b"not a journal\n")
    with program("--port", "0", "--state", str(state)) as process:
        _, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 2
    assert "Traceback" not in err
    assert str(state.name) in err
