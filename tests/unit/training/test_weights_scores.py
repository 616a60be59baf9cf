"""Brier score and its parts, log loss and ECE of forecasts, and their paired differences."""

from __future__ import annotations

import numpy as np
import pytest

from envs.core.errors import FixData
from envs.core.types import NS_PER_HOUR
from training.weights_scores import Forecasts, binned, expected_calibration_error, score

N = 4_000
WHEN = np.arange(N, dtype=np.int64) * NS_PER_HOUR


def made(seed: int, shift: float = 0.0) -> Forecasts:
    """Calibrated forecasts of .2 to .8 of both games, then shifted."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.2, 0.8, (2, N))
    return Forecasts(p + shift, (rng.random((2, N)) < p).astype(float), WHEN)


def test_figures_of_forecasts_that_can_be_reckoned_by_hand() -> None:
    p = np.array([[0.8, 0.8, 0.8, 0.8], [0.5, 0.5, 0.5, 0.5]])
    y = np.array([[1.0, 1.0, 1.0, 0.0], [1.0, 0.0, 1.0, 0.0]])
    got = score("x", Forecasts(p, y, WHEN[:4]))
    assert got.brier_up == pytest.approx((3 * 0.04 + 0.64) / 4)
    assert got.brier_down == pytest.approx(0.25)
    assert got.brier == pytest.approx(0.22)
    log_up = -(3 * np.log(0.8) + np.log(0.2)) / 4
    assert got.log_loss == pytest.approx((log_up + np.log(2)) / 2)
    assert got.reliability == pytest.approx(0.5 * 0.05**2)
    assert got.resolution == pytest.approx(0.0)
    assert got.uncertainty == pytest.approx(0.5 * (0.75 * 0.25 + 0.25))
    assert got.within == pytest.approx(0.0, abs=1e-12)
    assert got.ece == pytest.approx(0.025)


def test_the_parts_add_up_to_the_score() -> None:
    for forecasts in (made(1), made(2, 0.1)):
        got = score("x", forecasts)
        parts = got.reliability - got.resolution + got.uncertainty + got.within
        assert parts == pytest.approx(got.brier, abs=1e-12)
        assert abs(got.within) < 5e-4
        assert got.brier == pytest.approx(forecasts.losses().mean())


def test_a_shift_shows_as_reliability_and_ece_not_as_resolution() -> None:
    right, off = score("right", made(3)), score("off", made(3, 0.1))
    assert off.reliability == pytest.approx(right.reliability + 0.01, abs=2e-3)
    assert off.resolution == pytest.approx(right.resolution, abs=1e-12)
    assert right.ece < 0.02
    assert off.ece == pytest.approx(0.1, abs=0.01)


def test_differences_are_paired_and_signed() -> None:
    good, bad = made(4), made(4, 0.1)
    got = score("bad", bad, {"good": good.losses()}).versus["good"]
    assert got.low > 0.0
    assert got.mean == pytest.approx(bad.losses().mean() - good.losses().mean())
    assert score("good", good, {"bad": bad.losses()}).versus["bad"].mean == -got.mean
    itself = score("good", good, {"good": good.losses()}).versus["good"]
    assert (itself.mean, itself.low, itself.high) == (0.0, 0.0, 0.0)


def test_equal_forecasts_share_a_bin() -> None:
    p = np.array([0.5] * 90 + [0.6] * 10)
    assert set(binned(p)) == {0.5, 0.6}
    rng = np.random.default_rng(0)
    assert np.unique(binned(rng.random(1_000))).size == 20
    y = np.array([1.0, 0.0] * 50)
    assert expected_calibration_error(np.full(100, 0.5), y) == pytest.approx(0.0)


def test_certain_forecasts_have_a_finite_log_loss() -> None:
    p, y = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 0.0], [1.0, 1.0]])
    assert np.isfinite(score("x", Forecasts(p, y, WHEN[:2])).log_loss)


def test_nothing_to_score_is_refused() -> None:
    with pytest.raises(FixData, match="no forecast with a known label"):
        score("x", Forecasts(np.zeros((2, 0)), np.zeros((2, 0)), WHEN[:0]))
