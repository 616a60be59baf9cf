"""How many other candidates of a symbol were held while one was (spec 8.3): bars as numbers.

A candidate is held, for each exit strategy, from its bar to the exit that strategy would have
made without costs. The count is known once that exit is: whoever begins later no longer overlaps.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from envs.core.types import Int64Array
from runtime.journal.pieces import Pieces, whole_numbers

Ends = tuple[int, int, int]
NEVER = 2**62
"""A bar at which nothing is known yet."""
_UNKNOWN: Ends = (NEVER, NEVER, NEVER)


@dataclass(slots=True)
class Held:
    """One candidate row: its bar, side, and the bar each exit ends at (``NEVER``: not yet).

    ``place`` counts the candidates before it that are still counted with, ``before`` those of them
    still held at its bar; ``last`` is the bar at which the last of its exits ends.
    """

    bar: int
    side: int
    ends: Ends
    place: int = 0
    before: Ends = (0, 0, 0)
    last: int = field(init=False)

    def __post_init__(self) -> None:
        """Find the last of the exits given."""
        self.last = max(self.ends)


class Holding:
    """Candidates of one symbol, in order of time."""

    def __init__(self) -> None:
        self.rows: list[Held] = []
        self._bars: list[int] = []
        self._ended: tuple[list[int], list[int], list[int]] = ([], [], [])
        self._written: Pieces | None = None

    def told(self) -> Pieces:
        """Bar and side of each, as a state says it; the very same until one comes or goes."""
        if self._written is None:
            self._written = whole_numbers([h.bar, h.side] for h in self.rows)
        return self._written

    def add(self, bar: int, side: int, ends: Ends) -> Held:
        """Add the newest candidate; which of the earlier ones ended by its bar must be known."""
        place = len(self._bars)
        near, mid, far = self._ended
        before = (
            place - bisect_right(near, bar),
            place - bisect_right(mid, bar),
            place - bisect_right(far, bar),
        )
        held = Held(bar, side, _UNKNOWN, place, before)
        self.rows.append(held)
        self._written = None
        self._bars.append(bar)
        self.end(held, ends)
        return held

    def end(self, held: Held, ends: Ends) -> None:
        """Take over the exits of a candidate, as far as known."""
        for before, now, ended in zip(held.ends, ends, self._ended, strict=True):
            if before == NEVER and now < NEVER:
                insort(ended, now)
        held.ends, held.last = ends, max(ends)

    def clear(self) -> None:
        """Forget everything."""
        self.rows.clear()
        self._written = None
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
        self._written = None
        # All before the first that is left have ended by now: later ones count without them.
        gone = self.rows[0].place if self.rows else len(self._bars)
        del self._bars[:gone]
        for ended in self._ended:
            del ended[:gone]
        for held in self.rows:
            held.place -= gone


class StillHeld:
    """Candidates of all symbols of which an exit is still to come, in columns.

    Attributes:
        asked: (n, 3) bar, symbol index and side of each.
    """

    def __init__(self) -> None:
        self._rows: list[Held] = []
        self._fresh: list[tuple[int, int, int]] = []
        self.asked = np.empty((0, 3), dtype=np.int64)
        self._ends = np.empty((0, 3), dtype=np.int64)

    def add(self, s: int, held: Held) -> None:
        """Add one."""
        self._rows.append(held)
        self._fresh.append((held.bar, s, held.side))

    def settle(self) -> None:
        """Lay out what was added since the last time."""
        if self._fresh:
            ends = [held.ends for held in self._rows[len(self.asked) :]]
            self.asked = np.concatenate((self.asked, np.asarray(self._fresh, dtype=np.int64)))
            self._ends = np.concatenate((self._ends, np.asarray(ends, dtype=np.int64)))
            self._fresh.clear()

    def end(self, ends: Int64Array, now: int, holding: Sequence[Holding]) -> None:
        """Take over the exits (n, 3) of all, as far as known; lets go of those that ended."""
        for k in (ends != self._ends).any(axis=1).nonzero()[0].tolist():
            a, b, c = ends[k].tolist()
            holding[int(self.asked[k, 1])].end(self._rows[k], (a, b, c))
        open_ = ends.max(axis=1) > now
        self._rows = [held for held, keep in zip(self._rows, open_.tolist(), strict=True) if keep]
        self.asked, self._ends = self.asked[open_], ends[open_]
