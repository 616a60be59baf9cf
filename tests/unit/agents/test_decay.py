from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.decay import DecayedTally, weight

HALF = 1000


def test_half_is_left_after_a_half_life() -> None:
    assert [weight(age, HALF) for age in (-5, 0, 1000, 2000)] == [1.0, 1.0, 0.5, 0.25]
    assert weight(10**18, HALF) == 0.0


def test_an_empty_tally_is_neutral() -> None:
    empty = DecayedTally()
    assert (empty.win_rate, empty.mean_r) == (0.5, 0.0)
    assert empty.at(50, HALF) == DecayedTally(at_ns=50)


def test_what_has_faded_wholly_is_neutral_too() -> None:
    faded = DecayedTally().add(0, -1.0, -5.0, HALF).at(10**9, HALF)
    assert (faded.n, faded.count, faded.win_rate, faded.mean_r) == (1, 0.0, 0.5, 0.0)


def test_an_earlier_time_takes_nothing_back() -> None:
    tally = DecayedTally().add(1000, -1.0, -5.0, HALF)
    assert tally.at(400, HALF) is tally
    assert tally.at(1000, HALF) is tally
    late = tally.add(400, 2.0, 3.0, HALF)
    assert (late.at_ns, late.count, late.total_r) == (1000, 2.0, 1.0)


ROWS = st.lists(st.tuples(st.integers(0, 5000), st.floats(-9, 9)), min_size=1, max_size=20)


@given(ROWS)
def test_a_tally_equals_the_weighted_sums(rows: list[tuple[int, float]]) -> None:
    tally, now = DecayedTally(), 0
    times = []
    for gap, net_r in rows:
        now += gap
        times.append(now)
        tally = tally.add(now, net_r, 2.0 * net_r, HALF)
    weights = [0.5 ** ((now - t) / HALF) for t in times]
    values = [r for _, r in rows]
    assert tally.n == len(rows)
    assert tally.count == pytest.approx(sum(weights))
    assert tally.wins == pytest.approx(
        sum(w for w, r in zip(weights, values, strict=True) if r > 0)
    )
    total = sum(w * r for w, r in zip(weights, values, strict=True))
    assert tally.total_r == pytest.approx(total, abs=1e-9)
    assert tally.quote == pytest.approx(2.0 * total, abs=1e-9)
    assert 0.0 <= tally.win_rate <= 1.0
