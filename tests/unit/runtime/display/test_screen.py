from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console, RenderableType

from runtime.display.screen import render
from runtime.display.snapshot import Learned, Snapshot
from runtime.display.summary import Ending, summary
from runtime.display.views import status_line
from tests.unit.runtime.display.shots import FULL


def text_of(shown: RenderableType, width: int = 120) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(shown)
    return out.getvalue()


def test_the_screen_says_what_matters() -> None:
    text = text_of(render(FULL, 120))
    for word in (
        "10,044.10", "+44.10", "bar 300 of 400", "9,123.40", "9,050.00", "no stop yet", "+0.85",
        "gate reducing", "0.5 x2 balanced", "-12.30", "xgboost", "0.2443", "600", "140",
        "aaaaaaaa -> bbbbbbbb", "tripped, level 1", "0.2 s old", "stream down",
    ):  # fmt: skip
        assert word in text, word


def test_a_score_without_a_forecast_is_a_dash() -> None:
    line = next(x for x in text_of(render(FULL, 120)).splitlines() if "nhits" in x)
    assert "nan" not in line
    assert line.rstrip(" │").endswith("-")


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_every_width_keeps_position_stop_and_protection(width: int) -> None:
    text = text_of(render(FULL, width), width)
    assert max(len(line) for line in text.splitlines()) <= width
    for word in ("BTCUSDT", "9,050.00", "no stop yet"):
        assert word in text


def test_a_run_without_anything_is_drawn_too() -> None:
    assert "none" in text_of(render(Snapshot("sim: BTCUSDT 1h"), 100))


def test_learning_off_is_said() -> None:
    shot = replace(FULL, learned=Learned(False))
    assert "learning is off" in text_of(render(shot, 120))
    assert "Learning was off" in text_of(summary(shot, Ending("x", 1.0, 0)))


def test_the_summary_adds_up() -> None:
    end = Ending("the data ended", 12.5, FULL.now_ns, 24.0, ("Mind this.",), (("journal", "x.db"),))
    text = text_of(summary(FULL, end))
    for word in (
        "the data ended", "10,000.00 -> 10,044.10", "+0.44%", "18, 9 with profit", "+2.30 R",
        "+0.128 R a trade", "23.40", "1.20%", "stop 9, target 9", "140 decisions", "skip",
        "position open", "Mind this.", "x.db", "24 bar closes a second", "Positions left open",
    ):  # fmt: skip
        assert word in text, word


def test_a_summary_without_trades_divides_by_nothing() -> None:
    assert "no trade" in text_of(summary(Snapshot("sim"), Ending("x", 0.0, 0)))


def test_the_status_line_is_one_line() -> None:
    line = status_line(FULL)
    assert "\n" not in line
    assert "bar 300 of 400" in line
    assert "2 open" in line
