"""Bars of several symbols on one grid, as features are computed from them bar after bar."""

from __future__ import annotations

from dataclasses import dataclass

from envs.core.types import BoolArray, Float64Array, Int64Array
from envs.market.indicators import WARMUP_BARS


@dataclass(frozen=True)
class BarColumns:
    """Bars of S symbols on one grid, as the features read them; filled row by row elsewhere.

    ``close_ns`` (T,), ``prices`` (T, S, 4) open, high, low, close in quote, ``funding`` the last
    rate known at each close and ``basis`` as in ``Window``. ``listed`` (S,) is the number since
    1970 of each symbol's first bar.
    """

    symbols: tuple[str, ...]
    interval_ns: int
    close_ns: Int64Array
    valid: BoolArray
    prices: Float64Array
    volume: Float64Array
    funding: Float64Array
    basis: Float64Array
    listed: Int64Array

    def bar_number(self, row: int) -> int:
        """Number since 1970 of a row's bar, by its close."""
        return int(self.close_ns[row]) // self.interval_ns

    def window_start(self, s: int, anchor: int) -> int | None:
        """First row of a symbol's window; None where it begins before the symbol's bars do."""
        first = self.bar_number(0)
        start = anchor - WARMUP_BARS - first
        return None if start < max(0, int(self.listed[s]) - first) else start
