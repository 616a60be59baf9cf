from __future__ import annotations

from math import log, pi, sqrt

import numpy as np
import pytest

from envs.core.types import Float64Array
from envs.market.bridge import SUB_STEPS, path_extremes

BARS = 200_000


def brownian(rng: np.random.Generator, n: int, k: int) -> tuple[Float64Array, ...]:
    """Close, maximum and minimum of ``n`` driftless paths of unit variance."""
    return path_extremes(rng, rng.standard_normal((n, k)) / sqrt(k), np.full(n, 1.0 / k))


def assert_mean(values: Float64Array, expected: float) -> None:
    error = float(values.std()) / sqrt(values.size)
    assert abs(float(values.mean()) - expected) < 4.0 * error, (values.mean(), expected, error)


def test_joint_law_of_extremes_is_that_of_a_brownian_path() -> None:
    """Known moments of maximum, minimum, range and close of Brownian motion on [0, 1]."""
    close, top, bottom = brownian(np.random.default_rng(1), BARS, SUB_STEPS)
    assert_mean(top, sqrt(2.0 / pi))
    assert_mean(-bottom, sqrt(2.0 / pi))
    assert_mean(top - bottom, sqrt(8.0 / pi))
    assert_mean((top - bottom) ** 2, 4.0 * log(2.0))
    assert_mean(top * bottom, 1.0 - 2.0 * log(2.0))
    assert_mean(top * close, 0.5)
    assert_mean(top * (top - close) + bottom * (bottom - close), 1.0)


def test_a_level_is_reached_as_often_as_the_reflection_principle_says() -> None:
    _, top, bottom = brownian(np.random.default_rng(2), BARS, SUB_STEPS)
    for level, chance in ((0.5, 0.61708), (1.0, 0.31731), (2.0, 0.04550)):
        assert_mean((top >= level).astype(np.float64), chance)
        assert_mean((bottom <= -level).astype(np.float64), chance)


def test_sub_steps_alone_would_fall_short() -> None:
    """The check above is sharp enough to refuse a walk that is seen at its sub-steps only."""
    rng = np.random.default_rng(3)
    walk = np.cumsum(rng.standard_normal((20_000, SUB_STEPS)) / sqrt(SUB_STEPS), axis=1)
    seen = np.maximum(walk.max(axis=1), 0.0) - np.minimum(walk.min(axis=1), 0.0)
    with pytest.raises(AssertionError):
        assert_mean(seen, sqrt(8.0 / pi))


def test_extremes_enclose_open_and_close() -> None:
    close, top, bottom = brownian(np.random.default_rng(4), 10_000, 3)
    assert (top >= np.maximum(close, 0.0)).all()
    assert (bottom <= np.minimum(close, 0.0)).all()


def test_without_variance_the_path_is_straight() -> None:
    steps = np.asarray([[1.0, -3.0, 0.5], [0.0, 0.0, 0.0]])
    got = path_extremes(np.random.default_rng(0), steps, np.zeros(2))
    np.testing.assert_allclose(got, [[-1.5, 0.0], [1.0, 0.0], [-2.0, 0.0]])
