"""Numbers of bars that stay when the rows of a window move."""

from __future__ import annotations

import numpy as np

from runtime.kernel_ports import Signals


class Timeline:
    """Counts bars: the number of a bar is its row plus ``shift``, which grows as rows leave.

    ``last`` is the newest bar seen, -1 before the first.
    """

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self.shift = 0
        self.last = -1
        self.last_ns = -1

    def advance(self, row: int) -> int:
        """Take notice of a row of the present columns; returns the bar's number."""
        closes = self._signals.data.market.close_ns
        now_ns = int(closes[row])
        if now_ns == self.last_ns:
            self._align(closes)
            return self.last
        if self.last >= 0:
            self._align(closes)
        self.last, self.last_ns = row + self.shift, now_ns
        return self.last

    def begin(self, seen_ns: int) -> int:
        """Start at a close of an earlier run, or anew for -1; returns its row."""
        self.shift, self.last, self.last_ns = 0, -1, -1
        row = -1 if seen_ns < 0 else self.row_at(seen_ns)
        if row is not None and row >= 0:
            self.last, self.last_ns = row, seen_ns
        return self.last

    def bar(self, row: int) -> int:
        """Number of a row."""
        return row + self.shift

    def row(self, bar: int) -> int:
        """Row of a bar; negative when it has left the window."""
        return bar - self.shift

    def close_ns(self, bar: int) -> int:
        """Close of a bar."""
        row = self.row(bar)
        closes = self._signals.data.market.close_ns
        if 0 <= row < closes.shape[0]:
            return int(closes[row])
        return self.last_ns + (bar - self.last) * self._signals.data.market.interval_ns

    def row_at(self, close_ns: int) -> int | None:
        """Row of a close up to the present one; None when it is not there."""
        closes = self._signals.data.market.close_ns[: self._signals.row + 1]
        row = int(np.searchsorted(closes, close_ns))
        return row if row < closes.shape[0] and int(closes[row]) == close_ns else None

    def bar_at(self, close_ns: int) -> int:
        """Number of the bar of a close; of one that has left, counted back from the last."""
        row = self.row_at(close_ns)
        if row is not None:
            return row + self.shift
        return self.last - (self.last_ns - close_ns) // self._signals.data.market.interval_ns

    def _align(self, closes: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        """Find out whether the rows have moved since the last look."""
        at = self.last - self.shift
        if 0 <= at < closes.shape[0] and int(closes[at]) == self.last_ns:
            return
        found = int(np.searchsorted(closes[: self._signals.row + 1], self.last_ns))
        self.shift = self.last - found
