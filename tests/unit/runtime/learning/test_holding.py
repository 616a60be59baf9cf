"""Counting overlaps one candidate at a time == counting them over the whole tape."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from runtime.learning.holding import NEVER, Ends, Held, Holding, StillHeld
from training.tape import overlaps

HELD = st.tuples(st.integers(1, 4), st.integers(0, 30), st.integers(0, 9), st.integers(0, 60))


@given(st.lists(HELD, min_size=1, max_size=60), st.booleans(), st.booleans())
def test_overlaps_are_those_of_the_tape(
    drawn: list[tuple[int, int, int, int]], live: bool, tidy: bool
) -> None:
    bars = np.cumsum([gap for gap, *_ in drawn])
    ends = np.asarray(
        [[bar + a for a in held] for bar, (_, *held) in zip(bars, drawn, strict=True)]
    )
    wanted = np.stack([overlaps(bars, ends[:, e]) for e in range(3)], axis=1)
    holding, rows, found = Holding(), [], {}

    def known(k: int, now: int) -> Ends:
        a, b, c = (int(x) if x <= now or not live else NEVER for x in ends[k])
        return a, b, c

    def settle(now: int) -> None:
        for k, held in enumerate(rows):
            holding.end(held, known(k, now))
            if k not in found and held.last <= now:
                found[k] = holding.overlap(held)

    for k, bar in enumerate(bars.tolist()):
        settle(bar)
        if tidy:
            holding.drop_before(min((rows[j].bar for j in range(k) if j not in found), default=bar))
        rows.append(holding.add(bar, 1, known(k, bar)))
    settle(int(ends.max()))
    assert len(found) == len(drawn)
    for k, got in found.items():
        assert got.tolist() == wanted[k].tolist()


def test_candidates_that_ended_are_let_go_and_still_counted() -> None:
    holding = Holding()
    first = holding.add(0, 1, (2, 2, 9))
    second = holding.add(1, 1, (3, 4, 5))
    third = holding.add(4, -1, (6, 7, 8))
    holding.drop_before(5)
    assert holding.rows == [first, third]
    assert holding.at(1) is None
    assert holding.at(4) is third
    assert holding.overlap(second).tolist() == [1, 1, 2]
    assert holding.overlap(third).tolist() == [0, 0, 2]


def test_what_is_counted_with_does_not_grow() -> None:
    holding = Holding()
    for bar in range(2_000):
        holding.add(bar, 1, (bar + 3, bar + 5, bar + 9))
        holding.drop_before(bar)
    assert len(holding._bars) == len(holding.rows) == 9
    assert [len(ended) for ended in holding._ended] == [9, 9, 9]


def test_what_nothing_could_open_counts_as_the_tape_counts_it() -> None:
    holding = Holding()
    holding.add(0, 1, (9, 9, 9))
    holding.add(1, 1, (9, 9, 9))
    holding.add(2, 1, (9, 9, 9))
    unopened = holding.add(3, 1, (3, 3, 3))
    bars, ends = np.array([0, 1, 2, 3]), np.array([9, 9, 9, 3])
    assert holding.overlap(unopened).tolist() == [int(overlaps(bars, ends)[3])] * 3


def test_forgetting_forgets_all() -> None:
    holding = Holding()
    holding.add(0, 1, (9, 9, 9))
    holding.clear()
    again = holding.add(5, 1, (7, 7, 7))
    assert again == Held(5, 1, (7, 7, 7), 0, (0, 0, 0))


def test_what_is_still_held_is_asked_for_until_its_last_exit() -> None:
    one, two = Holding(), Holding()
    still = StillHeld()
    still.settle()
    assert still.asked.shape == (0, 3)
    first, second = one.add(3, 1, (NEVER, 3, NEVER)), two.add(3, -1, (NEVER, NEVER, NEVER))
    still.add(0, first)
    still.add(1, second)
    still.settle()
    assert still.asked.tolist() == [[3, 0, 1], [3, 1, -1]]
    still.end(np.array([[4, 3, 4], [NEVER, 4, NEVER]]), 4, (one, two))
    assert (first.ends, second.ends) == ((4, 3, 4), (NEVER, 4, NEVER))
    later = one.add(5, 1, (NEVER, NEVER, NEVER))
    still.add(0, later)
    still.settle()
    assert still.asked.tolist() == [[3, 1, -1], [5, 0, 1]]
    still.end(np.array([[5, 4, 6], [6, 6, 6]]), 6, (one, two))
    assert (second.last, later.last, len(still.asked)) == (6, 6, 0)
    assert one.overlap(later).tolist() == [0, 0, 0]
    assert one.told() == [[3, 1], [5, 1]]
    one.drop_before(5)
    assert one.told() == [[5, 1]]
