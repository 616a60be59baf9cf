"""Which bars of a venue's answers are closed, new, missing or revised; pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from envs.core.errors import QuantumTraderError
from runtime.port_market import Bar

MOST_MISSING = 1_000
_COLUMNS = 6


class UnreadableBar(QuantumTraderError):
    """A row of klines that is not a bar."""


def bar_of(row: Sequence[Any], symbol: str, span_ms: int) -> Bar:
    """A row of klines: open time, open, high, low, close, volume.

    Raises:
        UnreadableBar: Columns missing, not numbers, or prices that contradict each other.
    """
    if not isinstance(row, list | tuple) or len(row) < _COLUMNS:
        raise UnreadableBar(f"{symbol}: a row of {_COLUMNS} columns is needed, got {row!r:.120}")
    try:
        open_ms = int(row[0])
        open_, high, low, close, volume = (float(x) for x in row[1:_COLUMNS])
    except (TypeError, ValueError) as error:
        raise UnreadableBar(f"{symbol}: not numbers: {row!r:.120}") from error
    sound = 0.0 < low <= min(open_, close) and max(open_, close) <= high < math.inf
    if not sound or not 0.0 <= volume < math.inf or open_ms % span_ms:
        raise UnreadableBar(f"{symbol}: not a bar: {row!r:.120}")
    return Bar(symbol, open_ms, open_ms + span_ms, open_, high, low, close, volume)


class BarTape:
    """The bars of one contract: each closed one is handed out once and in order.

    A bar is closed when a later one has begun. Bars that are left out by the venue are ``missing``
    until they come; they are then told late, out of their order, never again.

    Attributes:
        last: the last bar handed out, None before the first.
        missing: open times that were left out, ascending.
        revised: open times whose bars changed after they were handed out.
    """

    def __init__(self, symbol: str, span_ms: int) -> None:
        self.symbol, self.span_ms = symbol, span_ms
        self.last: Bar | None = None
        self.missing: tuple[int, ...] = ()
        self.revised: tuple[int, ...] = ()
        self.forming_ms = 0

    @property
    def since_ms(self) -> int | None:
        """Open time from which to ask: the oldest missing, else the last bar, to compare it."""
        if self.missing:
            return self.missing[0]
        return None if self.last is None else self.last.open_ms

    def begin(self, bars: Iterable[Bar]) -> None:
        """Adopt history without handing it out."""
        for bar in bars:
            if self.last is None or bar.open_ms > self.last.open_ms:
                self.last = bar
                self.forming_ms = max(self.forming_ms, bar.close_ms)

    def begins(self, open_ms: int) -> bool:
        """Note that a bar has begun; True when that closes one not handed out yet."""
        self.forming_ms = max(self.forming_ms, open_ms)
        return self.last is None or self.forming_ms > self.last.close_ms

    def take_final(self, bar: Bar) -> tuple[Bar, ...] | None:
        """A bar that a socket says is closed: handed out where it follows the last one.

        None where the venue must be asked: bars before it are not known. One that was handed out
        already is left, whatever it says: answers of the venue tell whether it was revised.
        """
        self.forming_ms = max(self.forming_ms, bar.close_ms)
        if self.last is not None and bar.open_ms <= self.last.open_ms:
            return ()
        if self.missing or self.last is None or bar.open_ms != self.last.close_ms:
            return None
        self.last = bar
        return (bar,)

    def take(self, bars: Sequence[Bar], begun_ms: int = 0) -> tuple[Bar, ...]:
        """Closed bars that are new among an answer's, in order.

        ``begun_ms`` is the open of a bar known to have begun before the question was put. One that
        begins while the answer is under way closes nothing of it: the answer may show a bar as it
        stood before its end.
        """
        begun_ms = max([begun_ms, *(b.open_ms for b in bars)])
        self.forming_ms = max(self.forming_ms, begun_ms)
        closed = {b.open_ms: b for b in bars if b.open_ms < begun_ms}
        if self.last is not None and closed.get(self.last.open_ms, self.last) != self.last:
            self.revised = (*self.revised[-9:], self.last.open_ms)
            self.last = closed[self.last.open_ms]
        late = tuple(closed[t] for t in self.missing if t in closed)
        self.missing = tuple(t for t in self.missing if t not in closed)
        new = sorted(t for t in closed if self.last is None or t > self.last.open_ms)
        for open_ms in new:
            if self.last is not None:
                self._note_gap(self.last.close_ms, open_ms)
            self.last = closed[open_ms]
        return (*late, *(closed[t] for t in new))

    def _note_gap(self, from_ms: int, to_ms: int) -> None:
        left_out = tuple(range(from_ms, to_ms, self.span_ms))
        self.missing = (*self.missing, *left_out)[-MOST_MISSING:]
