"""TA-Lib's figures over the last bars, carried on by one bar for many symbols at once.

TA-Lib over a whole window is the definition. What is here repeats the operations of its loops in
their order, so a figure carried on has the bits that TA-Lib over the longer window gives (property
tests; ``line_memory.is_exact`` asks the installed TA-Lib). Symbols are the last axis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from envs.core.types import Float64Array, Int64Array
from envs.market import ta

_SLACK = 256


class Tail:
    """Last values of some series; the newest of every symbol lie in one row.

    Args:
        depth: bars that are kept at least, the newest included.
    """

    def __init__(self, names: Sequence[str], depth: int, n_symbols: int) -> None:
        self.place = {name: k for k, name in enumerate(names)}
        self.values: Float64Array = np.full((depth + _SLACK, len(names), n_symbols), np.nan)
        self.now = depth - 1
        self._depth = depth

    def fill(self, s: int, series: Mapping[str, Float64Array]) -> None:
        """Take the end of one symbol's series, each of ``depth`` values at least."""
        rows = slice(self.now + 1 - self._depth, self.now + 1)
        for name, k in self.place.items():
            self.values[rows, k, s] = series[name][-self._depth :]

    def begin(self) -> None:
        """Begin the next bar: its row is what ``put`` writes and ``ago`` counts from."""
        if self.now + 1 == self.values.shape[0]:
            self.values[: self._depth] = self.values[-self._depth :]
            self.now = self._depth - 1
        self.now += 1

    def put(self, name: str, values: Float64Array) -> None:
        """Write one series' values (S,) of this bar."""
        self.values[self.now, self.place[name]] = values

    def ago(self, name: str, bars: int) -> Float64Array:
        """Values (S,) of one series some bars before this one."""
        row: Float64Array = self.values[self.now - bars, self.place[name]]
        return row

    def last(self, name: str, bars: int) -> Float64Array:
        """The last values (bars, S) of one series, this bar's included."""
        return self.values[self.now + 1 - bars : self.now + 1, self.place[name]]

    def undo(self, symbols: Int64Array) -> None:
        """Take this bar back for some symbols: what they had stays the newest."""
        self.values[1 : self.now + 1, :, symbols] = self.values[: self.now, :, symbols]


class Totals:
    """Running totals over the last bars: TA-Lib's SUM, and what SMA divides.

    The oldest value leaves after the total was given: the order decides the last bit.

    Args:
        pairs: name of a series of the tail, and bars.
    """

    def __init__(self, tail: Tail, pairs: Sequence[tuple[str, int]], n_symbols: int) -> None:
        self.values: Float64Array = np.full((len(pairs), n_symbols), np.nan)
        self._tail, self._pairs = tail, pairs
        self._series = np.array([tail.place[name] for name, _ in pairs])
        self._back = np.array([bars - 1 for _, bars in pairs])

    def fill(self, s: int, series: Mapping[str, Float64Array]) -> None:
        """Take what TA-Lib holds after the end of one symbol's series."""
        for k, (name, bars) in enumerate(self._pairs):
            values = series[name]
            self.values[k, s] = ta.SUM(values, bars)[-1] - values[-bars]

    def next(self) -> dict[tuple[str, int], Float64Array]:
        """Totals with this bar, by pair."""
        tail = self._tail
        found = self.values + tail.values[tail.now, self._series]
        np.subtract(found, tail.values[tail.now - self._back, self._series], out=self.values)
        return dict(zip(self._pairs, found, strict=True))


class Variances:
    """Variances over the last bars, as VAR carries them: sums of deviations from a shift.

    Where digits were lost, and every 32 lengths, the sums begin anew from the window's mean.

    Args:
        pairs: name of a series of the tail, and bars.
    """

    def __init__(self, tail: Tail, pairs: Sequence[tuple[str, int]], n_symbols: int) -> None:
        self.values: Float64Array = np.full((4, len(pairs), n_symbols), np.nan)
        """Shift, sum of deviations, sum of their squares, bars until the sums begin anew."""
        self._tail, self._pairs = tail, pairs
        self._series = np.array([tail.place[name] for name, _ in pairs])
        self._back = np.array([bars - 1 for _, bars in pairs])
        self._part = np.array([[1.0 / bars] for _, bars in pairs])

    def fill(self, s: int, series: Mapping[str, Float64Array]) -> None:
        """Walk to the end of one symbol's series, from its first known value."""
        for k, (name, bars) in enumerate(self._pairs):
            values = series[name]
            known = values[int(np.argmax(values == values)) :].tolist()
            self.values[:, k, s] = _walk_variance(known, bars)

    def next(self) -> dict[tuple[str, int], Float64Array]:
        """Variances with this bar, by pair."""
        tail, part = self._tail, self._part
        shift, total, square, left = self.values
        change = tail.values[tail.now, self._series] - shift
        total += change
        square += change * change
        mean = total * part
        found = square * part - mean * mean
        gone = tail.values[tail.now - self._back, self._series] - shift
        total -= gone
        gone *= gone
        square -= gone
        left -= 1.0
        anew = (found < 1e-6 * (square * part)) | (gone > 1e6 * square) | (left <= 0.0)
        for k, s in np.argwhere(anew).tolist():
            name, bars = self._pairs[k]
            found[k, s], self.values[:, k, s] = _fresh_variance(
                tail.last(name, bars)[:, s].tolist()
            )
        return dict(zip(self._pairs, found, strict=True))


def _walk_variance(values: Sequence[float], bars: int) -> tuple[float, float, float, float]:
    part, shift, left = 1.0 / bars, values[0], 32 * bars
    total = square = 0.0
    for x in values[: bars - 1]:
        change = x - shift
        total += change
        square += change * change
    for i in range(bars - 1, len(values)):
        change = values[i] - shift
        total += change
        square += change * change
        mean = total * part
        found = square * part - mean * mean
        gone = values[i - bars + 1] - shift
        total -= gone
        gone *= gone
        square -= gone
        left -= 1
        if found < 1e-6 * (square * part) or gone > 1e6 * square or left <= 0:
            _, (shift, total, square, anew) = _fresh_variance(values[i - bars + 1 : i + 1])
            left = int(anew)
    return shift, total, square, float(left)


def _fresh_variance(window: Sequence[float]) -> tuple[float, tuple[float, float, float, float]]:
    """Variance of a window from its mean, and what is carried on without its oldest value."""
    part = 1.0 / len(window)
    shift = total = square = 0.0
    for x in window:
        shift += x
    shift *= part
    for x in window:
        change = x - shift
        total += change
        square += change * change
    mean = total * part
    found = square * part - mean * mean
    if found < 1e-12 * (square * part):
        found = 0.0
    gone = window[0] - shift
    return found, (shift, total - gone, square - gone * gone, 32.0 * len(window))


def extremes(
    find: np.ufunc, values: Float64Array, lengths: Sequence[int]
) -> dict[int, Float64Array]:
    """Highest or lowest (``np.maximum``, ``np.minimum``) of the last rows, by number of rows.

    ``values`` (T, S) has as many rows as the longest of the ascending ``lengths``.
    """
    begins = [values.shape[0] - n for n in reversed(lengths)]
    parts = find.reduceat(values, begins, axis=0)
    found = find.accumulate(parts[::-1], axis=0)
    return dict(zip(lengths, found, strict=True))
