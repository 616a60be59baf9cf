from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from training.data import main

ROW = "2024-01-01T{hour:02}:00:00Z,1,{high},1,1,5\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text = "timestamp,open,high,low,close,volume\n"
    text += "".join(ROW.format(hour=h, high=2) for h in (0, 1, 2, 5, 6))
    (tmp_path / "BTCUSDT-1h.csv").write_text(text)
    return tmp_path


def test_check_reports_gaps(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(folder)]) == 0
    shown = capsys.readouterr().out
    row = next(line for line in shown.splitlines() if "BTCUSDT" in line)
    assert [x.strip() for x in row.strip("│ ").split("│")] == [
        "BTCUSDT", "2024-01-01", "2024-01-01", "5", "2", "2", "0", "0",
    ]  # fmt: skip


def test_check_names_every_defect_and_fails(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = "timestamp,open,high,low,close,volume\n"
    (folder / "ETHUSDT-1h.csv").write_text(head + ROW.format(hour=3, high=0.5))
    (folder / "XRPUSDT-1h.csv").write_text(head)
    assert main(["check", str(folder)]) == 2
    found = capsys.readouterr()
    assert "BTCUSDT" in found.out
    assert "ETHUSDT-1h.csv: row 0 (2024-01-01T03:00:00Z): column high is below" in found.err
    assert "XRPUSDT-1h.csv: no bars" in found.err


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["check", "{folder}", "--timeframe", "5m"], "no file SYMBOL-5m.parquet"),
        (["check", "{folder}", "--timeframe", "7h"], "7h"),
        (["check", "{folder}/none"], "none does not exist"),
        (["check", "{folder}", "--symbols", "ETHUSDT"], "no file ETHUSDT-1h.parquet"),
        (["download", "--start", "soon"], "soon"),
    ],
)
def test_bad_input_is_exit_code_two(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], what: str
) -> None:
    assert main([a.format(folder=folder) for a in arguments]) == 2
    assert what in capsys.readouterr().err


def test_the_program_runs_from_any_folder(root: Path, folder: Path, tmp_path: Path) -> None:
    table = pd.read_csv(folder / "BTCUSDT-1h.csv")
    table.to_csv(tmp_path / "BTCUSDT-1h.csv", index=False)
    program = [sys.executable, str(root / "training" / "data.py")]
    done = subprocess.run(
        [*program, "check", "."], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "BTCUSDT" in done.stdout
    done = subprocess.run(
        [*program, "download", "--help"], capture_output=True, text=True, check=True
    )
    assert "--symbols" in done.stdout


@pytest.mark.real_data
def test_real_files_are_sound(real_data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for timeframe in ("1h", "15m", "1m"):
        assert main(["check", str(real_data_dir), "--timeframe", timeframe]) == 0
    assert "BTCUSDT" in capsys.readouterr().out
