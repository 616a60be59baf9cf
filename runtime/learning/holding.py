"""How many other candidates of a symbol were held while one was (spec 8.3): bars as numbers.

A candidate is held, for each exit strategy, from its bar to the exit that strategy would have
made without costs. The count is known once that exit is: whoever begins later no longer overlaps.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from envs.core.types import Int64Array

Ends = tuple[int, int, int]


@dataclass
class Held:
    """One candidate row: its bar, side, and the bar each exit ends at (``NEVER``: not yet).

    ``place`` counts the candidates before it, ``before`` those of them still held at its bar.
    """

    bar: int
    side: int
    ends: Ends
    place: int = 0
    before: Ends = (0, 0, 0)

    @property
    def last(self) -> int:
        """Bar at which the last of the exits ends."""
        return max(self.ends)


class Holding:
    """Candidates of one symbol, in order of time."""

    def __init__(self) -> None:
        self.rows: list[Held] = []
        self._bars: list[int] = []

    def add(self, bar: int, side: int, ends: Ends) -> Held:
        """Add the newest candidate; the exits that ended by its bar must be known."""
        a = b = c = 0
        for held in self.rows:
            x, y, z = held.ends
            a += x > bar
            b += y > bar
            c += z > bar
        held = Held(bar, side, ends, len(self._bars), (a, b, c))
        self.rows.append(held)
        self._bars.append(bar)
        return held

    def clear(self) -> None:
        """Forget everything."""
        self.rows.clear()
        self._bars.clear()

    def at(self, bar: int) -> Held | None:
        """The candidate of a bar, where it may still overlap with one that is followed."""
        return next((h for h in reversed(self.rows) if h.bar == bar), None)

    def overlap(self, of: Held) -> Int64Array:
        """Overlaps (3,) of one candidate; final for each exit that has ended."""
        out = np.empty(3, dtype=np.int64)
        for e in range(3):
            if of.ends[e] > of.bar:
                began = bisect_left(self._bars, of.ends[e], of.place)
                out[e] = of.before[e] + began - of.place - 1
            else:
                # A candidate that nothing could open counts its own empty interval as over.
                out[e] = max(0, of.before[e] - 2)
        return out

    def drop_before(self, bar: int) -> None:
        """Let go of candidates that ended before every bar that still asks."""
        if self.rows and self.rows[0].last <= bar:
            self.rows = [h for h in self.rows if h.last > bar]
