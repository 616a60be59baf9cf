"""One row of numbers per (bar, symbol), as compiled loops read a market.

A market packed this way is one array (T, S, WIDTH) float64: two cache lines a row. Ticks stay
below 2**53, so they are exact.
"""

from __future__ import annotations

from typing import Any

from envs.core.rules.variant import Bar

OPEN = 0
HIGH = 1
LOW = 2
CLOSE = 3
MARK_OPEN = 4
MARK_HIGH = 5
MARK_LOW = 6
MARK_CLOSE = 7
SLIP = 8
FUNDING = 9
STAMP = 10
VALID = 11
SLIP_NEXT = 12
ATR = 13
ATR_FRAC = 14
REGIME = 15
WIDTH = 16
"""Unsigned ticks (0-7), slippage fraction for fills in the bar (8), funding rate at its opening
instant and whether a stamp falls there (9, 10), whether the bar exists (11); known at its close:
slippage of later fills (12), ATR in quote (13) and as a fraction (14), runtime regime (15)."""


def bar_at(rows: Any, t: int, s: int, close_ns: int) -> Bar:
    """Bar t of symbol s as scalars."""
    return Bar(
        t,
        int(rows[t, s, OPEN]),
        int(rows[t, s, HIGH]),
        int(rows[t, s, LOW]),
        int(rows[t, s, CLOSE]),
        rows[t, s, MARK_OPEN],
        rows[t, s, MARK_HIGH],
        rows[t, s, MARK_LOW],
        rows[t, s, MARK_CLOSE],
        rows[t, s, SLIP],
        close_ns,
    )
