"""What trials cost a Sharpe ratio; the printed figures are rows 16 to 19 of the certificate."""

from __future__ import annotations

from math import inf, sqrt
from statistics import NormalDist

import numpy as np
import pytest

from envs.core.errors import FixInput
from training.statistics_sharpe import (
    deflated_sharpe,
    expected_maximum,
    minimum_backtest_years,
    minimum_track_record,
    probabilistic_sharpe,
)


@pytest.mark.parametrize("trials", [2, 10, 200])
def test_expected_maximum_agrees_with_draws(trials: int) -> None:
    draws = np.random.default_rng(1).standard_normal((20_000, trials)).max(axis=1)
    assert expected_maximum(trials) == pytest.approx(draws.mean(), abs=0.06)


def test_a_single_trial_is_not_deflated() -> None:
    reached, probability = deflated_sharpe(0.1, 1_000, 1, 0.01)
    assert reached == 0.0
    assert probability == probabilistic_sharpe(0.1, 0.0, 1_000)


def test_more_trials_are_worth_less() -> None:
    found = [deflated_sharpe(0.1, 1_000, n, 0.001)[1] for n in (1, 5, 50, 500)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.99 > 0.9 > found[-1]


def test_fat_left_tails_are_worth_less() -> None:
    plain = probabilistic_sharpe(0.1, 0.05, 1_000)
    assert probabilistic_sharpe(0.1, 0.05, 1_000, skew=-2.0, kurtosis=9.0) < plain


def test_probability_counts_how_often_a_ratio_is_exceeded() -> None:
    rng, true = np.random.default_rng(2), 0.08
    draws = rng.normal(true, 1.0, (4_000, 400))
    ratio = draws.mean(axis=1) / draws.std(axis=1)
    said = np.array([probabilistic_sharpe(float(r), true, 400) for r in ratio])
    assert (said < 0.05).mean() == pytest.approx(0.05, abs=0.015)


def test_few_observations_count_one_less_than_they_are() -> None:
    normal = NormalDist()
    error = sqrt(1.0 + 0.5 * 0.25)
    assert probabilistic_sharpe(0.5, 0.0, 2) == pytest.approx(normal.cdf(0.5 / error))
    assert probabilistic_sharpe(0.5, 0.2, 5) == pytest.approx(normal.cdf(0.3 * 2.0 / error))


def test_track_record_is_the_length_at_which_the_probability_is_reached() -> None:
    n = minimum_track_record(0.12, 0.05, 0.95, -0.5, 5.0)
    assert probabilistic_sharpe(0.12, 0.05, round(n), -0.5, 5.0) == pytest.approx(0.95, abs=1e-3)
    assert minimum_track_record(0.05, 0.05) == inf
    assert minimum_track_record(0.01, 0.05) == inf


def test_backtest_length_is_that_of_the_best_of_so_many() -> None:
    years = minimum_backtest_years(45)
    assert expected_maximum(45) / sqrt(years) == pytest.approx(1.0)
    assert minimum_backtest_years(45, 2.0) == pytest.approx(years / 4.0)


@pytest.mark.parametrize("trials", [0, -3])
def test_no_trials_are_refused(trials: int) -> None:
    with pytest.raises(FixInput, match=f"trials: expected at least 1, found {trials}"):
        expected_maximum(trials)


def test_a_single_observation_is_refused() -> None:
    with pytest.raises(FixInput, match="observations: expected at least 2, found 1"):
        probabilistic_sharpe(0.1, 0.0, 1)
