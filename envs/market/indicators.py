"""Anchored windows, and the indicators computed over them with TA-Lib.

A value at bar t uses the bars ``[anchor - 1024, t]`` with ``anchor = floor(bar/512)*512`` (bars
numbered since 1970), so batch and live start from the same bar. TA-Lib is causal and sequential:
a prefix of a window gives identical values, bit for bit. Only TA-Lib and elementwise arithmetic
are used on windows, never sums whose order depends on the length of the array.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Sequence
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


class SortedValues:
    """The last ``length`` values of a series, and the known ones of them in order."""

    def __init__(self, length: int, before: Float64Array) -> None:
        last = before[-length:]
        self.ordered: list[float] = np.sort(last[last == last]).tolist()
        self._held: deque[float] = deque(last.tolist())
        self._length = length

    def add(self, x: float) -> list[float]:
        """Take one more value; returns ``ordered``, which is changed in place."""
        if len(self._held) == self._length:
            old = self._held.popleft()
            if old == old:
                del self.ordered[bisect_left(self.ordered, old)]
        self._held.append(x)
        if x == x:
            insort(self.ordered, x)
        return self.ordered


def rolling_quantile(
    values: Float64Array, length: int, quantile: float, least: int, first: int = 0
) -> Float64Array:
    """Quantile (``quantile_of``) of the last ``length`` values, the row's own included.

    NaN before the row ``first``.
    """
    out = np.full(values.shape[0], np.nan)
    for t, ordered in _sorted_windows(values, length, first):
        out[t] = quantile_of(ordered, quantile, least)
    return out


def quantile_of(ordered: Sequence[float], quantile: float, least: int) -> float:
    """Element at 0-based place ``floor(q*(n-1))``; NaN where fewer than ``least`` are known."""
    n = len(ordered)
    return ordered[int(quantile * (n - 1))] if n >= least else np.nan


def rolling_median(values: Float64Array, length: int, first: int = 0) -> Float64Array:
    """Median of the last ``length`` values; NaN where one is unknown and before ``first``."""
    out = np.full(values.shape[0], np.nan)
    for t, ordered in _sorted_windows(values, length, first):
        out[t] = median_of(ordered, length)
    return out


def median_of(ordered: Sequence[float], length: int) -> float:
    """Median of ``length`` values; NaN where not all of them are known."""
    if len(ordered) != length:
        return np.nan
    return 0.5 * (ordered[(length - 1) // 2] + ordered[length // 2])


def _sorted_windows(values: Float64Array, length: int, first: int) -> Iterator[tuple[int, Any]]:
    """Row, and the known ones of its last ``length`` values, sorted; one list, changed in place."""
    n = values.shape[0]
    if n > 0 and first == n - 1:
        last = values[max(0, n - length) :]
        yield n - 1, np.sort(last[last == last])
        return
    held = SortedValues(length, values[:first])
    for t, x in enumerate(values[first:].tolist(), first):
        yield t, held.add(x)


def efficiency_ratio(close: Float64Array, length: int) -> Float64Array:
    """|change over ``length`` bars| / sum of absolute one-bar changes, in [0, 1]; 0 when flat."""
    return ratio(np.abs(ta.MOM(close, length)), ta.SUM(steps(close), length))


def steps(close: Float64Array) -> Float64Array:
    """Absolute one-bar changes; NaN at the first bar."""
    out = np.empty_like(close)
    out[0] = np.nan
    out[1:] = np.abs(close[1:] - close[:-1])
    return out


def choppiness_of(travelled: Float64Array, span: Float64Array, length: int) -> Float64Array:
    """Choppiness index from the sum of true ranges over ``length`` bars, and their whole range."""
    inside = ratio(travelled, span)
    known = np.where(inside > 0.0, inside, np.nan)
    logs = np.array([np.nan if x != x else log(x) for x in known.tolist()])
    return np.asarray(100.0 * logs / log(float(length)))


def ratio(a: Float64Array, b: Float64Array) -> Float64Array:
    """A / b, 0 where b is 0, NaN where either is."""
    out = np.divide(a, b, out=np.zeros(np.shape(a)), where=b != 0.0)
    out[np.isnan(a) | np.isnan(b)] = np.nan
    return out
