from __future__ import annotations

import numpy as np

from envs.core.types import NS_PER_HOUR
from envs.market.mark import on_grid, rolled_up

HOUR = NS_PER_HOUR


def test_only_whole_bars_are_rolled_up() -> None:
    opens = HOUR * np.array([3, 4, 5, 6, 7, 8, 9, 11], dtype=np.int64)
    prices = np.arange(32, dtype=np.float64).reshape(8, 4) + 100.0
    stamps, bars = rolled_up(opens, prices, HOUR, 4 * HOUR)
    assert stamps.tolist() == [4 * HOUR]
    assert bars.tolist() == [[prices[1, 0], prices[4, 1], prices[1, 2], prices[4, 3]]]


def test_rows_without_a_mark_keep_the_last_price() -> None:
    last = np.full((4, 4), 50.0)
    marks = np.arange(12, dtype=np.float64).reshape(3, 4) + 1.0
    opens = HOUR * np.array([9, 11, 20], dtype=np.int64)
    mark, rows = on_grid(opens, marks, 10 * HOUR, HOUR, last)
    assert rows.tolist() == [1]
    assert mark[1].tolist() == marks[1].tolist()
    assert (mark[[0, 2, 3]] == 50.0).all()
    assert (last == 50.0).all()
    mark, rows = on_grid(None, None, 0, HOUR, last)
    assert (mark == last).all()
    assert rows.size == 0
