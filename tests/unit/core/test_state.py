"""Bins are half open: a bound belongs to the bin above it."""

from __future__ import annotations

import math

import pytest

from envs.core.rules.state import confidence_bin, exposure_bin, performance_bin


@pytest.mark.parametrize(("bound", "above"), [(0.15, 1), (0.30, 2), (0.50, 3), (0.80, 4)])
def test_confidence(bound: float, above: int) -> None:
    assert confidence_bin(bound) == above
    assert confidence_bin(math.nextafter(bound, 0.0)) == above - 1


@pytest.mark.parametrize(("bound", "above"), [(0.10, 1), (0.25, 2), (0.45, 3)])
def test_exposure(bound: float, above: int) -> None:
    assert exposure_bin(bound) == above
    assert exposure_bin(math.nextafter(bound, 0.0)) == above - 1


def test_performance_is_neutral_below_ten_trades() -> None:
    assert [performance_bin(r, 9) for r in (-50.0, 50.0)] == [1, 1]
    assert [performance_bin(r, 10) for r in (-2.01, -2.0, 1.99, 2.0)] == [0, 1, 1, 2]
