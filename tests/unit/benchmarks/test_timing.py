from __future__ import annotations

import math

import pytest

from benchmarks.framework.timing import Timing, disturbance, in_turn, repeated


def test_the_first_run_is_thrown_away_and_preparation_comes_before_each() -> None:
    calls: list[str] = []
    runs = repeated(lambda: calls.append("work"), 3, lambda: calls.append("before"))
    assert len(runs) == 3
    assert calls == ["before", "work"] * 4


def test_works_take_turns() -> None:
    calls: list[str] = []
    first, second = in_turn([lambda: calls.append("a"), lambda: calls.append("b")], 2)
    assert calls == ["a", "b"] * 3
    assert len(first) == len(second) == 2
    assert all(t.wall > 0.0 for t in (*first, *second))


@pytest.mark.parametrize(
    ("cores", "neighbours", "threads", "found"),
    [
        (1.95, 0.0, 2, ""),
        (1.69, 0.0, 2, "two threads got 1.69 cores"),
        (0.99, 0.0, 1, ""),
        (0.80, 0.0, 1, "one thread got 0.80 cores"),
        (0.99, 0.9, 1, "other processes used 0.90 cores"),
        (0.99, math.nan, 1, ""),
    ],
)
def test_a_run_that_shared_its_cores_is_marked(
    cores: float, neighbours: float, threads: int, found: str
) -> None:
    middle = Timing(2.0, 2.0 * cores, neighbours)
    assert disturbance([middle] * 3, threads) == found


def test_one_odd_run_of_three_marks_nothing() -> None:
    calm = Timing(1.0, 1.0, 0.0)
    assert disturbance([calm, Timing(1.0, 0.1, 0.9), calm]) == ""
