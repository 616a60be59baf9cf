"""Anchored windows, and the indicators computed over them with TA-Lib.

A value at bar t uses the bars ``[anchor - 1024, t]`` with ``anchor = floor(bar/512)*512`` (bars
numbered since 1970), so batch and live start from the same bar. TA-Lib is causal and sequential:
a prefix of a window gives identical values, bit for bit. Only TA-Lib and elementwise arithmetic
are used on windows, never sums whose order depends on the length of the array.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, fields
from math import log
from typing import Any

import numpy as np

from envs.core.types import BoolArray, Float64Array, Int64Array
from envs.market import ta

ANCHOR_BARS = 512
WARMUP_BARS = 1024
QUANTILE_MIN = 500


@dataclass(frozen=True)
class Window:
    """Bars of one symbol from a window's start on; one-dimensional, oldest first.

    ``funding`` is the last rate known at each close (NaN before the first), ``basis`` mark close
    over last close minus 1 (0 without mark).
    """

    open: Float64Array
    high: Float64Array
    low: Float64Array
    close: Float64Array
    volume: Float64Array
    funding: Float64Array
    basis: Float64Array
    close_ns: Int64Array

    def __len__(self) -> int:
        return int(self.close.shape[0])

    def take(self, rows: Int64Array) -> Window:
        """Window over some of the bars."""
        return Window(*(getattr(self, f.name)[rows] for f in fields(self)))


def anchor_of(bar_number: int) -> int:
    """Anchor of a bar's window."""
    return bar_number // ANCHOR_BARS * ANCHOR_BARS


def gap_free(valid: BoolArray, max_gap: int) -> BoolArray:
    """Rows whose last ``WARMUP_BARS`` bars contain no gap longer than ``max_gap`` bars."""
    out = np.empty(valid.shape[0], dtype=np.bool_)
    run, since = 0, WARMUP_BARS
    for t, ok in enumerate(valid.tolist()):
        run = 0 if ok else run + 1
        since = 0 if run > max_gap else since + 1
        out[t] = since >= WARMUP_BARS
    return out


def rolling_quantile(
    values: Float64Array, length: int, quantile: float, least: int, first: int = 0
) -> Float64Array:
    """Element at 0-based place ``floor(q*(n-1))`` of the known ones of the last values, sorted.

    ``length`` values count, the row's own included; NaN where fewer than ``least`` are known, and
    before the row ``first``.
    """
    out = np.full(values.shape[0], np.nan)
    for t, ordered in _sorted_windows(values, length, first):
        n = len(ordered)
        if n >= least:
            out[t] = ordered[int(quantile * (n - 1))]
    return out


def rolling_median(values: Float64Array, length: int, first: int = 0) -> Float64Array:
    """Median of the last ``length`` values; NaN where one is unknown and before ``first``."""
    out = np.full(values.shape[0], np.nan)
    low, high = (length - 1) // 2, length // 2
    for t, ordered in _sorted_windows(values, length, first):
        if len(ordered) == length:
            out[t] = 0.5 * (ordered[low] + ordered[high])
    return out


def _sorted_windows(values: Float64Array, length: int, first: int) -> Iterator[tuple[int, Any]]:
    """Row, and the known ones of its last ``length`` values, sorted; one list, changed in place."""
    n = values.shape[0]
    if n > 0 and first == n - 1:
        last = values[max(0, n - length) :]
        yield n - 1, np.sort(last[last == last])
        return
    before = values[max(0, first - length) : first]
    ordered: list[float] = np.sort(before[before == before]).tolist()
    held: deque[float] = deque(before.tolist())
    for t, x in enumerate(values[first:].tolist(), first):
        if len(held) == length:
            old = held.popleft()
            if old == old:
                del ordered[bisect_left(ordered, old)]
        held.append(x)
        if x == x:
            insort(ordered, x)
        yield t, ordered


def efficiency_ratio(close: Float64Array, length: int) -> Float64Array:
    """|change over ``length`` bars| / sum of absolute one-bar changes, in [0, 1]; 0 when flat."""
    step = np.empty_like(close)
    step[0] = np.nan
    step[1:] = np.abs(close[1:] - close[:-1])
    travelled = ta.SUM(step, length)
    moved = np.abs(ta.MOM(close, length))
    return ratio(moved, travelled)


def choppiness(w: Window, true_range: Float64Array, length: int, first: int = 0) -> Float64Array:
    """Choppiness index over ``length`` bars; NaN before the row ``first``."""
    span = ta.MAX(w.high, length) - ta.MIN(w.low, length)
    inside = ratio(ta.SUM(true_range, length), span)
    known = np.where(inside > 0.0, inside, np.nan)
    logs = np.full(len(w), np.nan)
    logs[first:] = [np.nan if x != x else log(x) for x in known[first:].tolist()]
    return np.asarray(100.0 * logs / log(float(length)))


def ratio(a: Float64Array, b: Float64Array) -> Float64Array:
    """A / b, 0 where b is 0, NaN where either is."""
    out = np.divide(a, b, out=np.zeros_like(a), where=b != 0.0)
    out[np.isnan(a) | np.isnan(b)] = np.nan
    return out
