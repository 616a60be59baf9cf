"""The rules of the advice at their very edges: every bound of spec 12.13 is a strict one."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nextafter

import pytest

from agents.memory.context import Figures, delta_of, risk_factor_of

CALM = Figures(100, 0, 0.0, 0.0, None, 1.0, 1.0)


@pytest.mark.parametrize(
    ("name", "bound", "towards", "at", "beyond"),
    [
        ("sum_20", -1.0, -inf, 0.0, 0.05),
        ("sum_20", -3.0, -inf, 0.05, 0.10),
        ("sum_20", -6.0, -inf, 0.10, 0.15),
        ("sum_20", 6.0, inf, 0.0, -0.05),
        ("regime_win_rate", 0.40, -inf, 0.0, 0.10),
        ("regime_win_rate", 0.65, inf, 0.0, -0.05),
        ("stability", 0.5, -inf, 0.0, 0.05),
    ],
)
def test_the_threshold_moves_just_beyond_a_bound(
    name: str, bound: float, towards: float, at: float, beyond: float
) -> None:
    assert delta_of(replace(CALM, **{name: bound})) == at  # type: ignore[arg-type]
    past = nextafter(bound, towards)
    assert delta_of(replace(CALM, **{name: past})) == beyond  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bound", "towards", "at", "beyond"),
    [(-4.0, -inf, 1.0, 0.5), (-10.0, -inf, 0.5, 0.3), (10.0, inf, 1.0, 1.3)],
)
def test_the_size_moves_just_beyond_a_bound(
    bound: float, towards: float, at: float, beyond: float
) -> None:
    seen = replace(CALM, trades=200)
    assert risk_factor_of(replace(seen, sum_50=bound), False) == at
    assert risk_factor_of(replace(seen, sum_50=nextafter(bound, towards)), False) == beyond


@pytest.mark.parametrize(
    ("streak", "delta", "factor"),
    [(1, 0.0, 1.0), (2, 0.0, 0.7), (3, 0.10, 0.5), (4, 0.10, 0.5), (5, 0.20, 0.2)],
)
def test_streaks_by_length(streak: int, delta: float, factor: float) -> None:
    seen = replace(CALM, streak=streak)
    assert delta_of(seen) == delta
    assert risk_factor_of(seen, False) == factor


def test_advice_stays_within_its_bounds() -> None:
    worst = Figures(100, 9, -99.0, -99.0, 0.0, 1.0, 0.0)
    best = Figures(300, 0, 99.0, 99.0, 1.0, 1.0, 1.0)
    assert delta_of(worst) == 0.20
    assert risk_factor_of(worst, True) == 0.1
    assert delta_of(best) == pytest.approx(-0.10)
    assert risk_factor_of(best, False) == 1.3
    assert risk_factor_of(best, True) == 0.1
