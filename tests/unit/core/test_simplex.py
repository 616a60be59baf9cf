"""Projection with bounds that bind."""

from __future__ import annotations

import pytest

from envs.core.rules.simplex import project4


def test_known() -> None:
    assert project4(1.0, 1.0, 1.0, 1.0, 0.05, 0.6) == pytest.approx((0.25,) * 4)
    assert project4(100.0, 1.0, 1.0, 1.0, 0.05, 0.6) == pytest.approx((0.6, *(0.4 / 3,) * 3))
    assert project4(1.0, 1.0, 1.0, 1e-9, 0.1, 0.6) == pytest.approx((0.3, 0.3, 0.3, 0.1))
    assert project4(5.0, 1.0, 2.0, 3.0, 0.25, 0.25) == (0.25,) * 4


def test_weights_that_underflowed_project_like_tiny_ones() -> None:
    assert project4(0.0, 0.2, 0.3, 0.5, 0.0, 1.0) == pytest.approx((0.0, 0.2, 0.3, 0.5), abs=1e-15)
    assert project4(0.0, 0.0, 0.0, 1e-308, 0.05, 0.5) == pytest.approx((1 / 6, 1 / 6, 1 / 6, 0.5))
    assert project4(0.0, 0.0, 0.0, 0.0, 0.05, 0.5) == pytest.approx((0.25, 0.25, 0.25, 0.25))
    assert sum(project4(1e-320, 0.0, 1e300, 0.0, 0.0, 1.0)) == pytest.approx(1.0)
