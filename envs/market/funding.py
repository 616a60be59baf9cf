"""Funding on the bar grid: which rate is charged when a bar opens, and what is known at a close."""

from __future__ import annotations

import numpy as np

from envs.core.types import NS_PER_HOUR, BoolArray, Float64Array, Int64Array

EIGHT_HOURS_NS = 8 * NS_PER_HOUR
HOLE_NS = 24 * NS_PER_HOUR


def funding_columns(
    stamps: Int64Array | None, rates: Float64Array | None, open_ns: Int64Array, default_rate: float
) -> tuple[Float64Array, BoolArray, int]:
    """Rate and stamp flag at each bar's opening instant, and how many stamps are by default.

    Where the file has a hole of more than 24 h (or there is no file) the default rate applies at
    00:00, 08:00 and 16:00 UTC. A stamp inside a bar is charged at the next bar's open.
    """
    n = open_ns.shape[0]
    rate, stamp = np.zeros(n), np.zeros(n, dtype=np.bool_)
    if stamps is None or rates is None or stamps.size == 0:
        eight = open_ns % EIGHT_HOURS_NS == 0
        return np.where(eight, default_rate, 0.0), eight, int(eight.sum())
    place = np.searchsorted(open_ns, stamps, side="left")
    inside = (place < n) & (stamps > int(open_ns[0]) - HOLE_NS // 24)
    np.add.at(rate, place[inside], rates[inside])
    stamp[place[inside]] = True
    after = np.searchsorted(stamps, open_ns, side="right")
    previous = np.where(after > 0, stamps[np.maximum(after - 1, 0)], np.iinfo(np.int64).min // 2)
    following = np.where(
        after < stamps.size, stamps[np.minimum(after, stamps.size - 1)], np.iinfo(np.int64).max // 2
    )
    hole = (following - previous > HOLE_NS) & ~stamp & (open_ns % EIGHT_HOURS_NS == 0)
    hole &= open_ns - previous >= EIGHT_HOURS_NS
    rate[hole] = default_rate
    stamp |= hole
    return rate, stamp, int(hole.sum())


def last_known(
    stamps: Int64Array | None, rates: Float64Array | None, close_ns: Int64Array, default_rate: float
) -> Float64Array:
    """Last funding rate settled at or before each close; the default before the first stamp."""
    if stamps is None or rates is None or stamps.size == 0:
        return np.full(close_ns.shape[0], default_rate)
    after = np.searchsorted(stamps, close_ns, side="right")
    return np.where(after > 0, rates[np.maximum(after - 1, 0)], default_rate)
