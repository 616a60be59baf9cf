"""Which kinds of step fail, how often in a row, and how long each waits before it is tried again.

Kinds are counted apart: comparisons that succeed must not hide looks at positions that never do,
and a kind that fails must not keep the others waiting.
"""

from __future__ import annotations

import math

FIRST_PAUSE_S, MOST_PAUSE_S = 0.1, 5.0
_MOST_DOUBLED = 16


class Failing:
    """Errors in a row by kind of step; times are monotonic seconds."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._again_s: dict[str, float] = {}
        self._most = 0

    def failed(self, kind: str, now_s: float) -> bool:
        """Note an error.

        Returns:
            Whether one kind now has more of them in a row than any had since all were well.
        """
        row = self._rows[kind] = self._rows.get(kind, 0) + 1
        pause_s = FIRST_PAUSE_S * 2.0 ** min(row - 1, _MOST_DOUBLED)
        self._again_s[kind] = now_s + min(pause_s, MOST_PAUSE_S)
        news = row > self._most
        self._most = max(row, self._most)
        return news

    def worked(self, kind: str) -> bool:
        """Note a success; returns whether no kind is failing now."""
        self._rows.pop(kind, None)
        self._again_s.pop(kind, None)
        if self._rows:
            return False
        self._most = 0
        return True

    def again_s(self, kind: str) -> float:
        """When a kind may be tried again; minus infinity for one that does not fail."""
        return self._again_s.get(kind, -math.inf)
