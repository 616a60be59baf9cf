"""Brier split, adaptive level and betting wealth; the printed figures are certificate rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.core.errors import FixInput
from training.statistics_forecasts import AdaptiveLevel, betting_wealth, brier_split, first_reaching

VALUES = st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0])


@given(st.lists(st.tuples(VALUES, st.booleans()), min_size=1, max_size=60))
def test_the_parts_add_up_to_the_score(pairs: list[tuple[float, bool]]) -> None:
    p = np.array([a for a, _ in pairs])
    y = np.array([float(b) for _, b in pairs])
    split = brier_split(p, y)
    assert split.score == pytest.approx(float(((p - y) ** 2).mean()), abs=1e-12)
    assert min(split.reliability, split.resolution) >= 0.0
    assert 0.0 <= split.uncertainty <= 0.25


def test_a_calibrated_forecast_has_no_reliability_term() -> None:
    split = brier_split(np.array([0.25] * 4 + [0.75] * 4), np.array([0, 0, 0, 1, 1, 1, 1, 0.0]))
    assert split.reliability == 0.0
    assert split.resolution == pytest.approx(0.0625)


@pytest.mark.parametrize(("p", "y"), [(np.zeros(3), np.zeros(2)), (np.zeros(0), np.zeros(0))])
def test_unequal_or_empty_forecasts_are_refused(p: np.ndarray, y: np.ndarray) -> None:
    with pytest.raises(FixInput, match="expected equal, not empty"):
        brier_split(p, y)


@given(st.lists(st.floats(0.0, 1.0), min_size=50, max_size=300), st.floats(0.001, 0.2))
def test_the_miss_rate_stays_within_its_bound_on_any_data(wanted: list[float], rate: float) -> None:
    level, misses = AdaptiveLevel(0.1, rate), 0
    for x in wanted:
        # Covered as long as the level is at most the share the outcome needs.
        missed = level.level >= 1.0 or (level.level > 0.0 and x < level.level)
        misses += missed
        level.learn(missed)
    assert abs(misses / len(wanted) - 0.1) <= level.bound(len(wanted)) + 1e-12


def test_the_level_falls_after_a_miss_and_rises_after_a_hit() -> None:
    level = AdaptiveLevel(0.1, 0.05)
    level.learn(True)
    assert level.level == pytest.approx(0.1 - 0.05 * 0.9)
    level.learn(False)
    assert level.level == pytest.approx(0.1 - 0.05 * 0.8)


def test_wealth_multiplies() -> None:
    wealth = betting_wealth(np.array([[1.0, 0.0, 1.0]]), 0.2)
    assert wealth[0].tolist() == pytest.approx([1.2, 0.96, 1.152])


def test_the_first_step_at_a_level_or_never() -> None:
    wealth = np.array([[1.0, 2.0, 3.0, 1.0], [1.0, 1.0, 1.0, 1.9], [5.0, 1.0, 1.0, 1.0]])
    assert first_reaching(wealth, 2.0).tolist() == [2.0, np.inf, 1.0]
