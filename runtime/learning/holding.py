"""How many other candidates of a symbol were held while one was (spec 8.3): bars as numbers.

A candidate is held, for each exit strategy, from its bar to the exit that strategy would have
made without costs. The count is known once that exit is: whoever begins later no longer overlaps.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from dataclasses import dataclass

import numpy as np

from envs.core.types import Int64Array

Ends = tuple[int, int, int]
NEVER = 2**62
"""A bar at which nothing is known yet."""


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
        self._ended: tuple[list[int], ...] = ([], [], [])

    def add(self, bar: int, side: int, ends: Ends) -> Held:
        """Add the newest candidate; which of the earlier ones ended by its bar must be known."""
        place = len(self._bars)
        a, b, c = (place - bisect_right(ended, bar) for ended in self._ended)
        held = Held(bar, side, (NEVER, NEVER, NEVER), place, (a, b, c))
        self.rows.append(held)
        self._bars.append(bar)
        self.end(held, ends)
        return held

    def end(self, held: Held, ends: Ends) -> None:
        """Take over the exits of a candidate, as far as known."""
        for before, now, ended in zip(held.ends, ends, self._ended, strict=True):
            if before == NEVER and now < NEVER:
                insort(ended, now)
        held.ends = ends

    def clear(self) -> None:
        """Forget everything."""
        self.rows.clear()
        self._bars.clear()
        for ended in self._ended:
            ended.clear()

    def at(self, bar: int) -> Held | None:
        """The candidate of a bar, where it may still overlap with one that is followed."""
        for held in reversed(self.rows):
            if held.bar <= bar:
                return held if held.bar == bar else None
        return None

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
        self.rows = [h for h in self.rows if h.last > bar]
