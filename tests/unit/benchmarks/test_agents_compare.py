"""Table and deep baselines compared: one market, one table, figures that survive a file."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from benchmarks import agents_compare
from benchmarks.agents_compare import HEAD, Line, Result, markdown, periods
from training.scores import Interval

TABLE = Line("table", 0, 1.63, None, 3.0, 620, 49_599, 2.5, 19_840.0, 0.0)
NETWORK = Line(
    "dqn", 1, -0.2, Interval(-0.0002, -0.0003, 0.0001), 1.5, 900, 200_192, 17.0, 11_776.0, 0.031
)
SKIP = Line("skip", 0, 0.0, Interval(-1e-4, -2e-4, 0.0), 0.0, 0, 0, 0.0, 0.0, 0.0)
RESULT = Result(False, 17_520, 16_533, 8_882, 3, [TABLE, SKIP, NETWORK])


def test_training_and_held_out_period_share_one_market_and_no_row() -> None:
    training, held_out, when = periods(2_400, 0)
    assert training.data is held_out.data
    assert training.tape is held_out.tape
    assert training.last < held_out.first
    assert when.size == held_out.rows().size > 100
    assert (np.diff(when) >= 0).all()


def test_the_table_says_units_intervals_and_what_was_not_trained() -> None:
    text = markdown(RESULT)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert rows[0].count("|") == 1 + len(HEAD)
    assert rows[1] == "| table | 0 | +1.63 | - | +3.00 | 620 | 49,599 | 2.5 | 19,840 |"
    assert rows[2].endswith("| 0 | - | - | - |")
    assert "| -2.00 [-3.00, +1.00] |" in rows[3]
    words = " ".join(text.split())
    assert "most 3.10 % of" in words
    assert "Of 1 networks 0 earn less than the table" in words
    assert "--seeds 2 --write-docs" in text
    assert "--data" not in text


@pytest.mark.parametrize("real", [False, True])
def test_figures_read_from_a_file_write_the_same_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: bool
) -> None:
    result = Result(real, 17_520, 16_533, 8_882, 3, [TABLE, SKIP, NETWORK])
    path = tmp_path / "figures.json"
    path.write_text(json.dumps(asdict(result)))
    monkeypatch.setattr(agents_compare, "DOCS", tmp_path)
    command = ["agents_compare.py", "--from", str(path), "--write-docs"]
    monkeypatch.setattr(sys, "argv", command)
    agents_compare.main()
    written = (tmp_path / "results.md").read_text()
    assert written == f"## {agents_compare.SECTIONS[real]}\n\n{markdown(result)}\n"


@pytest.mark.parametrize("given", [["--seeds", "0"], ["--passes", "0"], ["--timesteps", "0"]])
def test_nothing_to_measure_is_refused(
    given: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["agents_compare.py", *given])
    with pytest.raises(SystemExit):
        agents_compare.main()
    assert "at least 1" in capsys.readouterr().err
