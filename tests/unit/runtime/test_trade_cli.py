"""The command line of the trader: help, exit codes, the gate of live trading."""

from __future__ import annotations

import argparse
import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from envs.core.errors import QuantumTraderError
from runtime import trade_cli
from runtime.cli import main
from runtime.trade_cli import EXIT_CORE, EXIT_INTERRUPTED, add_arguments, confirm_live
from tests.parity.runtime_bundle import make_bundle
from tests.unit.runtime.wiring.asked import plan_from


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("cli") / "bundle")


def test_help_tells_unit_and_default_of_every_option() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    for action in parser._actions:
        if action.dest in ("help", "bundle", "config", "set"):
            continue
        text = action.help or ""
        assert "default" in text or "such as" in text, action.option_strings


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--bundle", "nowhere"), "no such file"),
        (("--max-bars", "-1"), "at least 1"),
        (("--venue", "live"), "--venue live is off"),
        (("--venue", "demo"), "trained on the built-in market"),
        (("--venue", "local", "--exchange-url", "http://10.0.0.1:80"), "refusing to speak to"),
        (("--set", "QT_ESS_AUTO_ACK=true", "--venue", "demo"), "wait for an operator"),
        (("--data", "/nowhere"), "/nowhere"),
        (("--start", "2020-01-10"), "train"),
    ],
)
def test_what_must_be_mended_is_exit_code_2_and_one_message(
    bundle: Path, tmp_path: Path, options: tuple[str, ...], said: str,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name in ("QT_ALLOW_LIVE", "QT_DEMO_API_KEY", "QT_DEMO_API_SECRET"):
        monkeypatch.delenv(name, raising=False)
    base = [] if "--bundle" in options else ["--bundle", str(bundle)]
    argv = ["trade", *base, "--state", str(tmp_path / "s"), "--view", "none", *options]
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert said in err
    assert "Traceback" not in err


def test_a_core_service_that_fails_is_exit_code_3(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    async def broken(*_: object) -> int:
        raise QuantumTraderError("the venue does not answer")

    monkeypatch.setattr(trade_cli, "_run", broken)
    argv = ["trade", "--bundle", str(bundle), "--state", str(tmp_path / "s")]
    assert main(argv) == EXIT_CORE
    assert capsys.readouterr().err == "error: the venue does not answer\n"


def test_an_exchange_that_is_not_there_is_exit_code_3(bundle: Path, tmp_path: Path) -> None:
    argv = ["trade", "--bundle", str(bundle), "--state", str(tmp_path / "s"), "--view", "none",
            "--venue", "local", "--exchange-url", "http://127.0.0.1:9"]  # fmt: skip
    assert main(argv) == EXIT_CORE


def test_live_wants_setting_terminal_and_phrase(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QT_ALLOW_LIVE", "yes")
    plan = plan_from("--bundle", bundle, "--venue", "live")
    with pytest.raises(QuantumTraderError, match="is off"):
        confirm_live(plan)
    monkeypatch.setenv("QT_ALLOW_LIVE", "I_ACCEPT_THE_RISK")
    monkeypatch.setattr(sys, "stdin", io.StringIO("TRADE REAL MONEY\n"))
    with pytest.raises(QuantumTraderError, match="at a terminal"):
        confirm_live(plan)


def test_ctrl_c_ends_a_simulation_in_order(bundle: Path, tmp_path: Path) -> None:
    state = tmp_path / "s"
    process = subprocess.Popen(
        [sys.executable, "-m", "runtime", "trade", "--bundle", str(bundle), "--state", str(state),
         "--journal", "full", "--view", "none"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip
    deadline = time.monotonic() + 90.0
    while not (state / "heartbeat.json").exists() and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=90)
    assert process.returncode == EXIT_INTERRUPTED, err
    assert re.search(r"stopped when\s+asked", out)
    assert "No position is open" in out
    assert "Traceback" not in err
