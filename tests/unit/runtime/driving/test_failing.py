"""Errors in a row are counted, and pauses made, for each kind of step alone."""

from __future__ import annotations

import math

from runtime.driving.failing import FIRST_PAUSE_S, MOST_PAUSE_S, Failing


def test_each_kind_pauses_by_itself_and_longer_each_time() -> None:
    failing = Failing()
    pauses = []
    for _ in range(9):
        failing.failed("watch", 0.0)
        pauses.append(failing.again_s("watch"))
    assert pauses[0] == FIRST_PAUSE_S
    assert pauses == sorted(pauses)
    assert pauses[-1] == MOST_PAUSE_S
    assert failing.again_s("monitor") == -math.inf
    failing.worked("watch")
    assert failing.again_s("watch") == -math.inf


def test_only_more_in_a_row_than_before_are_news() -> None:
    failing = Failing()
    assert [failing.failed("monitor", 0.0) for _ in range(3)] == [True] * 3
    assert not failing.worked("watch")
    assert [failing.failed("watch", 0.0) for _ in range(4)] == [False, False, False, True]
    assert not failing.worked("watch")
    assert failing.worked("monitor")
    assert failing.failed("close", 0.0)
