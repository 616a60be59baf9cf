"""Known answers 12, 13 and 49, and which bound is stated when."""

from __future__ import annotations

from math import log

import numpy as np
import pytest

from agents.reinforcement import regret


def test_hedge_bounds_and_rate() -> None:
    assert regret.hedge_bound(1_000, 4) == pytest.approx(26.3277, abs=1e-4)
    assert regret.hedge_bound(10_000, 4) == pytest.approx(83.2555, abs=1e-4)
    assert regret.hedge_bound(1_000, 10) == pytest.approx(33.9307, abs=1e-4)
    assert regret.hedge_rate(1_000, 4) == pytest.approx(0.105311, abs=1e-6)


def test_aggregating_bounds() -> None:
    got = [regret.aggregating_bound(n) for n in (4, 7, 11)]
    assert got == pytest.approx([0.693147, 0.972955, 1.198948], abs=1e-6)
    assert log(4) == pytest.approx(1.386294, abs=1e-6)


def test_tracking_bound() -> None:
    assert regret.tracking_bound(7, 1_000, 3, 0.01) == pytest.approx(15.086546, abs=1e-6)


def test_a_bound_is_stated_only_where_it_is_proved() -> None:
    assert regret.bound_of("aa", 1, 50, 0.0) == pytest.approx(0.972955, abs=1e-6)
    assert regret.bound_of("fixed_share", 1, 50, 0.01) == regret.tracking_bound(7, 50, 0, 0.01)
    for algorithm, horizon, rounds in (("aa", 8, 50), ("exponential", 1, 50), ("aa", 1, 0)):
        assert regret.bound_of(algorithm, horizon, rounds, 0.01) is None


def test_sleepers_do_not_count() -> None:
    gap = np.zeros(7)
    losses = np.array([0.1, np.nan, 0.4, 0.3, 0.25, np.nan, 0.2])
    regret.note_gap(gap, losses, 0.3)
    assert gap == pytest.approx([0.2, 0.0, -0.1, 0.0, 0.05, 0.0, 0.1])
