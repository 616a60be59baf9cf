from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from envs.core.errors import FixSettings
from runtime.settings import Settings
from runtime.settings_cli import add_arguments, refuse, settings_of
from runtime.settings_tree import variables
from runtime.settings_values import render

COMMAND = [
    "--data", "bars", "--symbols", "BTCUSDT,XRPUSDT", "--timeframe", "4h", "--start", "2020-01-01",
    "--train-end", "2024-01-01", "--test-end", "2025-01-01", "--funding", "default",
    "--learner", "classic", "--preset", "overview", "--reward", "r_multiple", "--episodes", "7",
    "--seed", "5", "--out", "runs/x", "--resume", "--quick",
]  # fmt: skip


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="program")
    made.add_argument("--json")
    add_arguments(made)
    return made


def test_the_whole_command_line_is_understood() -> None:
    found = settings_of(parser().parse_args(COMMAND), environ={})
    run = found.run
    assert (run.data, run.symbols, run.timeframe) == ("bars", ("BTCUSDT", "XRPUSDT"), "4h")
    assert [m.year for m in (run.start, run.train_end, run.test_end) if m] == [2020, 2024, 2025]
    assert (run.funding, run.episodes, run.seed, run.out) == ("default", 7, 5, Path("runs/x"))
    assert (run.resume, run.quick) == (True, True)
    sizing = found.sizing
    assert (sizing.learner, sizing.preset, sizing.reward) == ("classic", "overview", "r_multiple")


def test_no_option_means_the_default_and_leaves_the_environment_in_force() -> None:
    assert settings_of(parser().parse_args([]), environ={}) == Settings()
    found = settings_of(parser().parse_args(["--json", "x"]), environ={"QT_QUICK": "1"})
    assert found.run.quick is True


def test_the_environment_of_the_process_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QT_SEED", "11")
    assert settings_of(parser().parse_args([])).run.seed == 11


def test_a_file_and_set_are_understood(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text("[sizing]\nalpha = 0.4\n", encoding="utf-8")
    arguments = ["--config", str(file), "--set", "RL_SIZING_UCB_C=2", "--set", "QT_HORIZON=4"]
    found = settings_of(parser().parse_args(arguments), environ={})
    assert (found.sizing.alpha, found.sizing.ucb_c) == (0.4, 2.0)
    assert found.core.signal.horizon_bars == 4


def test_options_may_be_limited() -> None:
    made = argparse.ArgumentParser()
    add_arguments(made, only=["data", "seed"])
    assert set(vars(made.parse_args([]))) == {"data", "seed", "config", "set"}


def test_help_names_every_setting_with_unit_and_default() -> None:
    text = " ".join(parser().format_help().split())
    for v in variables():
        assert (v.option or v.env or v.key) in text
        assert f"[{v.unit}" in text
        assert render(v.default) in text
    assert "--data DIR|synthetic" in text
    assert "--learner counterfactual|classic" in text


def test_a_refusal_ends_with_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FixSettings) as error:
        settings_of(parser().parse_args(["--preset", "huge"]), environ={})
    with pytest.raises(SystemExit) as end:
        refuse(error.value)
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said == (
        "error: RL_SIZING_PRESET = 'huge' (command line): must be one of classic, overview, full\n"
    )
