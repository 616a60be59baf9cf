"""How many other candidates of a symbol were held while one was (spec 8.3): bars as numbers.

A candidate is held, for each exit strategy, from its bar to the exit that strategy would have
made without costs. The count is known once that exit is: whoever begins later no longer overlaps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.core.types import Int64Array

N_EXITS = 3


@dataclass
class Held:
    """One candidate row: its bar, side, and the bar each exit ends at (``NEVER``: not yet)."""

    bar: int
    side: int
    ends: tuple[int, int, int]

    @property
    def last(self) -> int:
        """Bar at which the last of the exits ends."""
        return max(self.ends)


class Holding:
    """Candidates of one symbol that may still overlap with one that is followed."""

    def __init__(self) -> None:
        self.rows: list[Held] = []

    def add(self, held: Held) -> None:
        """Add the newest candidate."""
        self.rows.append(held)

    def at(self, bar: int) -> Held | None:
        """The candidate of a bar."""
        return next((h for h in reversed(self.rows) if h.bar == bar), None)

    def overlap(self, of: Held) -> Int64Array:
        """Overlaps (3,) of one candidate; final for each exit that has ended."""
        counts = [0] * N_EXITS
        for other in self.rows:
            if other is not of:
                for e in range(N_EXITS):
                    if other.bar < of.ends[e] and other.ends[e] > of.bar:
                        counts[e] += 1
        for e in range(N_EXITS):
            # A candidate that nothing could open counts its own empty interval as over.
            if of.ends[e] <= of.bar:
                counts[e] = max(0, counts[e] - 2)
        return np.asarray(counts, dtype=np.int64)

    def drop_before(self, bar: int) -> None:
        """Forget candidates that ended before every bar that still asks."""
        if self.rows and self.rows[0].last <= bar:
            self.rows = [h for h in self.rows if h.last > bar]
