"""Fills: a resting entry needs one tick through, triggers round against the trader."""

from __future__ import annotations

import pytest

from envs.core.rules.fills import entry_fill, exit_fill, limit_fraction, limit_reached


def test_touch_does_not_fill_a_resting_entry() -> None:
    assert not limit_reached(100, 100)
    assert limit_reached(99, 100)


def test_fraction_of_the_falling_piece() -> None:
    assert limit_fraction(99, 90, 100) == 0.0
    assert limit_fraction(109, 89, 100) == 0.5


@pytest.mark.parametrize(("side", "entry", "exit_"), [(1, 1_001, 999), (-1, -999, -1_001)])
def test_slippage_at_half_a_tick_is_a_whole_one(side: int, entry: int, exit_: int) -> None:
    assert entry_fill(side * 1_000, side, 0.0005) == entry
    assert exit_fill(side * 1_000, side, 0.0005) == exit_
