from __future__ import annotations

import numpy as np
import pytest

from envs.core.types import NS_PER_DAY, NS_PER_HOUR
from training.scores import Interval, block_mean, bootstrap_difference, brier, max_drawdown

HOURS = np.arange(4_000, dtype=np.int64) * 4 * NS_PER_HOUR


def test_equal_policies_differ_by_exactly_nothing() -> None:
    a = np.random.default_rng(0).normal(size=HOURS.size)
    assert bootstrap_difference(a, a, HOURS, 0) == Interval(0.0, 0.0, 0.0)


def test_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    times = np.arange(300, dtype=np.int64) * NS_PER_DAY
    hits = 0
    for k in range(120):
        a = rng.normal(0.1, 1.0, times.size)
        i = bootstrap_difference(a, np.zeros(times.size), times, k, draws=400)
        hits += i.low <= 0.1 <= i.high
    assert 0.85 <= hits / 120 <= 1.0


def test_a_clear_difference_is_told_and_a_small_one_is_not() -> None:
    rng = np.random.default_rng(2)
    noise = rng.normal(0.0, 1.0, HOURS.size)
    assert bootstrap_difference(noise + 0.3, noise * 0, HOURS, 0).above_zero
    assert not bootstrap_difference(noise - noise.mean(), noise * 0, HOURS, 0).above_zero


def test_months_needed_follow_the_square_of_the_ratio() -> None:
    assert Interval(0.1, -0.1, 0.3).months_needed(12.0) == pytest.approx(12.0 * 4.0)
    assert Interval(0.0, -1.0, 1.0).months_needed(12.0) == float("inf")


def test_drawdown_of_a_known_path() -> None:
    assert max_drawdown(np.array([100.0, 120.0, 90.0, 130.0])) == pytest.approx(0.25)
    assert max_drawdown(np.array([1.0, 2.0, 3.0])) == 0.0


def test_brier_leaves_unknown_rows_out() -> None:
    assert brier(np.array([0.5, np.nan, 1.0]), np.array([1.0, 1.0, 0.0])) == pytest.approx(0.625)


def test_block_mean_is_wider_for_clustered_outcomes() -> None:
    rng = np.random.default_rng(3)
    alone = rng.normal(size=HOURS.size)
    clustered = np.repeat(rng.normal(size=HOURS.size // 20), 20)
    wide = block_mean(clustered, HOURS)
    narrow = block_mean(alone, HOURS)
    assert wide.high - wide.low > 2.0 * (narrow.high - narrow.low)
