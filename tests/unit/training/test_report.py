from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from training.evaluation import Direction, Evaluation, Row
from training.occupancy import Occupancy
from training.report import occupancy_markdown, print_evaluation, print_occupancy, to_markdown
from training.scores import Costs, Interval

NAMES = ("agent", "fixed 1x", "best constant (1.5x5 conservative)", "agent, post_only entries")


def row(name: str) -> Row:
    versus = None if name == "agent" else Interval(-0.001234, -0.012345, 0.009876)
    costs = Costs(-12_345.0, 12_345.0, 1_234.0, -1_234.0, 2_345.0, -12_345.0)
    return Row(name, 0.001234, versus, 1_234.0, -1.234, 0.123, 12_345, 9, 3, costs, None, False)


def evaluation() -> Evaluation:
    direction = (
        Direction("conservative", 0.15, 0.3, 12_345, Interval(-12.3, -45.6, 78.9)),
        Direction("aggressive", 0.8, float("inf"), 9, Interval(1.0, -1.0, 2.0)),
    )
    return Evaluation("table", tuple(row(n) for n in NAMES), direction, 12.0, 99, {}, 0.1, 0.2, {})


def printed(width: int, show: Any, *arguments: Any) -> list[str]:
    stream = io.StringIO()
    show(Console(file=stream, width=width), *arguments)
    return [line.rstrip() for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("width", [80, 120])
def test_no_figure_is_cut(width: int) -> None:
    lines = printed(width, print_evaluation, evaluation(), "Held out")
    assert max(map(len, lines)) <= width
    assert not any("\u2026" in line for line in lines)
    own = [line for line in lines if line.startswith("agent, post_only entries")]
    assert len(own) == 2
    for figure in ("+12.34", "-12.34 [-123.45, +98.76]", "-1.234", "12.3 %", "12345"):
        assert figure in own[0]
    for figure in ("-12,345", "12,345", "1,234", "-1,234", "3: 2,345", "1234"):
        assert figure in own[1]
    assert any("[0.15, 0.3)" in line and "-45.6 .. +78.9" in line for line in lines)
    assert any("[0.8, )" in line for line in lines)


def test_a_wide_terminal_shows_full_names_on_one_line() -> None:
    lines = printed(120, print_evaluation, evaluation(), "Held out")
    assert any(x.startswith("best constant (1.5x5 conservative)") for x in lines)


def found(marks: dict[str, float | None]) -> Occupancy:
    shares = {"regime": [0.2] * 5, "confidence": [0.0, 0.25, 0.25, 0.25, 0.25],
              "exposure": [0.25] * 4, "performance": [0.5, 0.25, 0.25]}  # fmt: skip
    bars = {"regime": [0.2] * 5, "confidence": [0.3, 0.1, 0.2, 0.2, 0.2]}
    return Occupancy(shares, bars, 100, 1_000, marks)


def test_states_of_candidates_stand_beside_those_of_all_bars() -> None:
    both = {"training": found({"BTCUSDT": 0.167}), "held out": found({"BTCUSDT": 0.1})}
    lines = printed(80, print_occupancy, both, 0.15)
    assert max(map(len, lines)) <= 80
    cells = next(line.split() for line in lines if "very_low" in line)
    assert cells == ["confidence", "very_low", "0.0", "30.0", "0.0", "30.0"]
    assert next(line.split() for line in lines if "light" in line)[2:] == ["25.0", "-"] * 2
    said = " ".join(lines)
    assert "30.0 % of the bars, no candidate" in said
    assert "BTCUSDT 0.167" in said
    assert "held out:" not in said
    assert "| training cand. | training bars |" in occupancy_markdown(both, 0.15)


def test_every_table_of_the_markdown_stands_by_itself() -> None:
    lines = to_markdown(evaluation()).splitlines()
    heads = [i for i, line in enumerate(lines) if line.startswith("|---")]
    assert len(heads) == 3
    assert all(i == 1 or lines[i - 2] == "" for i in heads)
