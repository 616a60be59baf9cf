"""Funding on the bar grid: which rate is charged when a bar opens, and what is known at a close."""

from __future__ import annotations

import numpy as np

from envs.core.errors import FixData
from envs.core.types import NS_PER_HOUR, NS_PER_SECOND, BoolArray, Float64Array, Int64Array

EIGHT_HOURS_NS = 8 * NS_PER_HOUR
HOLE_NS = 24 * NS_PER_HOUR
LARGEST_RATE = 0.1
"""No exchange charges a tenth of the notional at once: a rate above is a percentage by mistake."""

_MINUTE_NS = 60 * NS_PER_SECOND


def whole_minutes(stamps: Int64Array) -> Int64Array:
    """Stamps without the exchange's jitter of milliseconds."""
    return (stamps + _MINUTE_NS // 2) // _MINUTE_NS * _MINUTE_NS


def check_funding(where: str, stamps: Int64Array, rates: Float64Array) -> None:
    """Refuse funding that is not a sorted history of sensible rates.

    Raises:
        FixData: Repeated or unsorted stamps, a rate that is NaN or beyond +-10 %.
    """
    steps = np.diff(stamps)
    found = [
        (np.flatnonzero(steps == 0) + 1, "column timestamp: duplicate timestamp"),
        (np.flatnonzero(steps < 0) + 1, "column timestamp: earlier than the row before"),
        (np.flatnonzero(~np.isfinite(rates)), "column funding_rate is NaN or infinite"),
        (
            np.flatnonzero(np.abs(rates) > LARGEST_RATE),
            "column funding_rate is beyond 10 %; give a fraction",
        ),
    ]
    for rows, what in found:
        if rows.size:
            row = int(rows[0])
            at = np.datetime64(int(stamps[row]) // NS_PER_SECOND, "s")
            raise FixData(f"{where}: row {row} ({at}Z): {what}; mend or drop the row")


def funding_columns(
    stamps: Int64Array | None,
    rates: Float64Array | None,
    open_ns: Int64Array,
    interval_ns: int,
    default_rate: float,
) -> tuple[Float64Array, BoolArray, Int64Array]:
    """Rate and stamp flag at each bar's opening instant, and how many stamps there by default.

    Where the file has a hole of more than 24 h (or there is no file) the default rate applies at
    00:00, 08:00 and 16:00 UTC. A stamp inside a bar is charged at the next bar's open; several in
    one bar are charged together.
    """
    n = open_ns.shape[0]
    due: Int64Array = open_ns // EIGHT_HOURS_NS - (open_ns - interval_ns) // EIGHT_HOURS_NS
    if stamps is None or rates is None or stamps.size == 0:
        return due.astype(np.float64) * default_rate, due > 0, due
    rate, stamp = np.zeros(n), np.zeros(n, dtype=np.bool_)
    place = np.searchsorted(open_ns, stamps, side="left")
    inside = (place < n) & (stamps > int(open_ns[0]) - interval_ns)
    np.add.at(rate, place[inside], rates[inside])
    stamp[place[inside]] = True
    after = np.searchsorted(stamps, open_ns, side="right")
    never = np.iinfo(np.int64).max // 2
    previous = np.where(after > 0, stamps[np.maximum(after - 1, 0)], -never)
    following = np.where(after < stamps.size, stamps[np.minimum(after, stamps.size - 1)], never)
    hole = (following - previous > HOLE_NS) & ~stamp & (due > 0)
    hole &= open_ns - previous >= EIGHT_HOURS_NS
    rate[hole] = due[hole] * default_rate
    return rate, stamp | hole, np.where(hole, due, 0)


def last_known(
    stamps: Int64Array | None, rates: Float64Array | None, close_ns: Int64Array, default_rate: float
) -> Float64Array:
    """Last funding rate settled at or before each close; the default before the first stamp."""
    if stamps is None or rates is None or stamps.size == 0:
        return np.full(close_ns.shape[0], default_rate)
    after = np.searchsorted(stamps, close_ns, side="right")
    return np.where(after > 0, rates[np.maximum(after - 1, 0)], default_rate)
