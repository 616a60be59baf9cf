"""Mark prices on the bar grid: coarser bars are made from finer marks, never the other way."""

from __future__ import annotations

import numpy as np

from envs.core.types import Float64Array, Int64Array


def rolled_up(
    open_ns: Int64Array, prices: Float64Array, finer_ns: int, interval_ns: int
) -> tuple[Int64Array, Float64Array]:
    """Bars of ``interval_ns`` from sorted finer bars (N, 4: open, high, low, close).

    A bar that lacks one of its finer bars is left out.
    """
    group = open_ns // interval_ns
    starts = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]]))
    ends = np.append(starts[1:], group.shape[0]) - 1
    whole = ends - starts + 1 == interval_ns // finer_ns
    out = np.stack(
        [
            prices[starts, 0],
            np.maximum.reduceat(prices[:, 1], starts),
            np.minimum.reduceat(prices[:, 2], starts),
            prices[ends, 3],
        ],
        axis=1,
    )
    return group[starts][whole] * interval_ns, out[whole]


def on_grid(
    open_ns: Int64Array | None, prices: Float64Array | None, first_open_ns: int, interval_ns: int,
    last_prices: Float64Array,
) -> tuple[Float64Array, Int64Array]:  # fmt: skip
    """Mark (T, 4) on the grid, and the rows that have one; elsewhere the last price stands in."""
    mark = last_prices.copy()
    if open_ns is None or prices is None:
        return mark, np.zeros(0, dtype=np.int64)
    place = (open_ns - first_open_ns) // interval_ns
    inside = (place >= 0) & (place < mark.shape[0])
    mark[place[inside]] = prices[inside]
    return mark, place[inside]
