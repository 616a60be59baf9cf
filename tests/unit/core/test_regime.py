"""Regime rules at their bounds."""

from __future__ import annotations

import math

import pytest

from envs.core.rules.regime import market_state, sizing_regime, trend_score, volatility_level


@pytest.mark.parametrize(("bound", "level"), [(0.005, 1), (0.015, 2), (0.03, 3)])
def test_volatility_bins_are_half_open(bound: float, level: int) -> None:
    assert volatility_level(bound) == level
    assert volatility_level(math.nextafter(bound, 0.0)) == level - 1


def test_sizing_regimes_are_exhaustive() -> None:
    found = {
        (t, v, c): sizing_regime(t, v, c, 60.0)
        for t in (True, False)
        for v in (True, False)
        for c in (10.0, 60.0)
    }
    assert set(found.values()) == {0, 1, 2, 3, 4}
    assert found[False, True, 60.0] == 4
    assert found[False, True, 10.0] == 2


@pytest.mark.parametrize(
    ("trend", "vol", "width", "flips", "state"),
    [
        (0.60, 0, 0, 0, 0), (0.25, 0, 0, 0, 1), (-0.25, 0, 0, 0, 2), (-0.60, 0, 0, 0, 3),
        (0.0, 1.5, 0, 6, 4), (0.0, 1.5, 0, 5, 5), (0.0, 1.4, 5.0, 0, 6), (0.0, 1.4, 5.1, 0, 7),
    ],
)  # fmt: skip
def test_states(trend: float, vol: float, width: float, flips: int, state: int) -> None:
    assert market_state(trend, vol, width, flips) == state


def test_trend_score_is_cut() -> None:
    assert (trend_score(9.0, 9.0), trend_score(-9.0, -9.0), trend_score(9.0, -9.0)) == (1, -1, 0)
