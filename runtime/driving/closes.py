"""Bars that come one by one, put together by the close they share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from runtime.port_market import Bar


class Closes:
    """Collects bars until all contracts have told theirs, or a grace time has passed.

    Closes are handed out in order, each once; a bar that comes after its close was handed out, or
    after a later one, is counted as ``late`` and left out.
    """

    def __init__(self, symbols: Sequence[str], grace_s: float) -> None:
        self._symbols, self._grace_s = frozenset(symbols), grace_s
        self._bars: dict[int, dict[str, Bar]] = {}
        self._since_s: dict[int, float] = {}
        self._last_ms = 0
        self.late = 0

    def add(self, bars: Iterable[Bar], now_s: float) -> None:
        """Take in bars at a monotonic time."""
        for bar in bars:
            if bar.symbol not in self._symbols:
                continue
            if bar.close_ms <= self._last_ms:
                self.late += 1
                continue
            self._bars.setdefault(bar.close_ms, {})[bar.symbol] = bar
            self._since_s.setdefault(bar.close_ms, now_s)

    def next_due_s(self) -> float | None:
        """Monotonic time at which the oldest close is handed out whatever is missing."""
        if not self._bars:
            return None
        return self._since_s[min(self._bars)] + self._grace_s

    def take(self, now_s: float, *, all_of_it: bool = False) -> tuple[int, tuple[Bar, ...]] | None:
        """The oldest close that is complete, overdue or followed by a complete one."""
        if not self._bars:
            return None
        close_ms = min(self._bars)
        whole = any(len(rows) == len(self._symbols) for rows in self._bars.values())
        if not (whole or all_of_it or now_s >= self._since_s[close_ms] + self._grace_s):
            return None
        rows = self._bars.pop(close_ms)
        del self._since_s[close_ms]
        self._last_ms = close_ms
        return close_ms, tuple(rows[name] for name in sorted(rows))
