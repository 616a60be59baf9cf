"""TA-Lib's smoothed figures carried on by one bar, for many symbols at once.

They remember all bars since their window's start; exactness and axes as in ``rolling``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from envs.core.types import Float64Array
from envs.market.fused import fused

_ZERO = 1e-14
"""What TA-Lib takes for zero where it divides by a sum of percentages."""


class Smoothed:
    """Exponential means and Wilder's, each over a series of its own; ``values`` (P, S).

    Args:
        ema, wilder: lengths; the exponential means come first.
    """

    def __init__(self, ema: Sequence[int], wilder: Sequence[int], n_symbols: int) -> None:
        self.values: Float64Array = np.full((len(ema) + len(wilder), n_symbols), np.nan)
        self._emas = len(ema)
        kept = [(n - 1) / n for n in wilder]
        self._weights = np.array([[x] for x in (*(2.0 / (n + 1) for n in ema), *kept)])
        self._shares = np.array([[1.0 - x] for x in kept]).reshape(-1, 1)

    def next(self, x: Float64Array) -> Float64Array:
        """Means with this bar's values (P, S)."""
        n, before = self._emas, self.values
        factor, added = before.copy(), before.copy()
        factor[:n] = x[:n] - before[:n]
        added[n:] = self._shares * x[n:]
        self.values[:] = fused(factor, self._weights, added)
        return self.values


class Strength:
    """RSI: Wilder's means of gains and losses, scaled by the inverse of the length."""

    def __init__(self, bars: int, n_symbols: int) -> None:
        self.values: Float64Array = np.full((2, n_symbols), np.nan)
        """Mean gain and mean loss."""
        self._kept, self._part = float(bars - 1), 1.0 / bars
        self._bars = bars

    def fill(self, s: int, close: Float64Array) -> None:
        """Walk to the end of one symbol's closes."""
        gain = loss = 0.0
        for t, change in enumerate(np.diff(close).tolist(), 1):
            up = change if change > 0.0 else 0.0
            if t > self._bars:
                gain *= self._kept
                loss *= self._kept
            gain += up
            loss += up - change
            if t >= self._bars:
                gain *= self._part
                loss *= self._part
        self.values[:, s] = gain, loss

    def next(self, change: Float64Array) -> Float64Array:
        """RSI with this bar's change of the close."""
        up = np.maximum(change, 0.0)
        self.values[:] = (self.values * self._kept + (up, up - change)) * self._part
        gain, loss = self.values
        both = gain + loss
        return np.where(both > 0.0, 100.0 * (gain / both), 0.0)


class Directional:
    """Wilder's directional movement: +DI, -DI and ADX over one length."""

    def __init__(self, bars: int, n_symbols: int) -> None:
        self.sums: Float64Array = np.full((3, n_symbols), np.nan)
        """Smoothed upward and downward movement and true range."""
        self.adx: Float64Array = np.full(n_symbols, np.nan)
        self._bars = float(bars)

    def next(
        self, up: Float64Array, down: Float64Array, true_range: Float64Array
    ) -> tuple[Float64Array, Float64Array, Float64Array]:
        """+DI, -DI and ADX; ``up`` is the rise of the high, ``down`` the fall of the low."""
        moves = np.zeros_like(self.sums)
        np.copyto(moves[0], up, where=(up > 0.0) & (up > down))
        np.copyto(moves[1], down, where=(down > 0.0) & (up < down))
        moves[2] = true_range
        self.sums[:] = self.sums - self.sums / self._bars + moves
        ranged = self.sums[2] > 0.0
        plus, minus = np.where(ranged, 100.0 * (self.sums[:2] / self.sums[2]), 0.0)
        both = minus + plus
        dx = 100.0 * (np.abs(minus - plus) / both)
        mean = (self.adx * (self._bars - 1.0) + dx) / self._bars
        np.copyto(self.adx, mean, where=ranged & (both >= _ZERO))
        return plus, minus, self.adx


def wilder_sum(x: Float64Array, bars: int) -> float:
    """Wilder's sum, as ADX smooths the true range; the first value is skipped."""
    values = x.tolist()
    total = 0.0
    for value in values[1:bars]:
        total += value
    for value in values[bars:]:
        total = total - total / bars + value
    return total
