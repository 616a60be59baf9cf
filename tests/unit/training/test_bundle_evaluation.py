"""A finished bundle evaluated again, on the span of its own run and on others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from training import evaluate


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def figures(bundle: Path, *options: str) -> Any:
    assert evaluate.main(["--bundle", str(bundle), "--json", "figures.json", *options]) == 0
    return json.loads(Path("figures.json").read_text())


def refusal(capsys: pytest.CaptureFixture[str], bundle: Path, *options: str) -> str:
    code = evaluate.main(["--bundle", str(bundle), "--json", "figures.json", *options])
    assert code == 2
    assert not Path("figures.json").exists()
    return capsys.readouterr().err


def test_without_dates_the_figures_are_those_of_the_run(finished: Path, place: Path) -> None:
    """All but the policies that only training makes."""
    again = figures(finished / "bundle")
    metrics = json.loads((finished / "metrics.json").read_text())
    own = metrics["evaluation"]
    spans = json.loads((finished / "data.json").read_text())["spans"]
    assert again["span"] == f"{spans['test_start']} to {spans['test_end']}"
    assert again["candidates"] == own["candidates"]
    assert again["direction"] == own["direction"]
    theirs = {p["name"]: p for p in own["policies"]}
    made = {p["name"]: p for p in again["policies"]}
    assert set(theirs) - set(made) == {"classic"}
    assert {name: theirs[name] for name in made} == made


def test_both_dates_cut_the_period(finished: Path, place: Path) -> None:
    span = ["--start", "2020-03-08T03:00:00Z", "--test-end", "2020-03-18"]
    cut = figures(finished / "bundle", *span)
    assert cut["span"] == "2020-03-08T03:00:00Z to 2020-03-18T00:00:00Z"
    whole = json.loads((finished / "metrics.json").read_text())["evaluation"]["candidates"]
    assert 0 < cut["candidates"] < whole


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--start", "2020-01-10"], ("--start 2020-01-10", "training span")),
        (["--test-end", "2030-01-01"], ("--test-end 2030-01-01", "ends 2020-")),
        (["--start", "2020-03-08", "--test-end", "2020-03-09"], ("24 usable bars", "--test-end")),
        (["--start", "2020-03-10", "--test-end", "2020-03-01"], ("QT_START", "QT_TEST_END")),
        (["--start", "2030-01-01"], ("0 usable bars", "earlier --start")),
        (["--data", "nowhere"], ("nowhere", "--data")),
        (["--set", "QT_SEEED=1"], ("QT_SEEED", "QT_SEED")),
    ],
)
def test_a_period_that_cannot_be_evaluated_is_refused(
    finished: Path, place: Path, capsys: pytest.CaptureFixture[str], options: list[str],
    words: tuple[str, ...],
) -> None:  # fmt: skip
    said = refusal(capsys, finished / "bundle", *options)
    for word in words:
        assert word in said, said
