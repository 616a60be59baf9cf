"""Rounding: ties, tolerance at whole numbers, exact shares."""

from __future__ import annotations

import math

import pytest

from envs.core.rules.rounding import (
    ceil_whole,
    floor_whole,
    from_units,
    half_even,
    ratio_half_even,
    to_units,
)


@pytest.mark.parametrize(
    ("x", "whole"), [(0.5, 0), (1.5, 2), (2.5, 2), (-0.5, 0), (-1.5, -2), (2.51, 3), (-2.4, -2)]
)
def test_ties_go_to_even(x: float, whole: int) -> None:
    assert half_even(x) == whole


def test_a_value_next_to_a_whole_number_counts_as_it() -> None:
    assert floor_whole(math.nextafter(7.0, 0.0)) == 7
    assert ceil_whole(math.nextafter(7.0, 8.0)) == 7
    assert floor_whole(6.999999) == 6
    assert ceil_whole(-6.999999) == -6


@pytest.mark.parametrize("rule", [half_even, floor_whole, ceil_whole, to_units])
@pytest.mark.parametrize("x", [math.nan, math.inf])
def test_what_is_not_a_number_is_never_booked(rule, x: float) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises((ValueError, OverflowError)):
        rule(x)


def test_shares_beyond_63_bits() -> None:
    assert ratio_half_even(2**53, 10**12 - 1, 10**12) == 9007199254731985
    assert ratio_half_even(5, 1, 2) == 2
    assert ratio_half_even(-7, 1, 2) == -4
    assert ratio_half_even(9, 3, 3) == 9
    assert from_units(to_units(0.1)) == 0.1
