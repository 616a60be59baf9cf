"""Features bar after bar: what ``stream.features_at`` computes, from what earlier bars left.

Each symbol keeps the bars of its anchored window and its regime's hysteresis. The indicators run
over the whole window again (TA-Lib starts from its first bar), all else for the last bar only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np

from envs.core.types import BoolArray, Float64Array, Int64Array
from envs.market.features import (
    REFERENCE,
    calendar_features,
    feature_names,
    market_features,
    window_features,
)
from envs.market.indicators import ANCHOR_BARS, WARMUP_BARS, Window, anchor_of
from envs.market.regime import Hysteresis, regimes
from envs.market.settings import MarketSettings
from envs.market.stream import MarketRow

_COLUMNS = tuple(f.name for f in fields(Window))
_ROOM = WARMUP_BARS + ANCHOR_BARS


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


class Following:
    """Rows of features and regimes, each from the row before; ``columns`` may shift in between.

    Args:
        row: the last row that is known; the next one asked for is the one after.
    """

    def __init__(self, columns: BarColumns, settings: MarketSettings, row: int) -> None:
        self._columns, self._settings = columns, settings
        n = len(columns.symbols)
        self._reference = columns.symbols.index(REFERENCE) if REFERENCE in columns.symbols else -1
        self._names = feature_names()
        self._own = [name for name in self._names if name not in _related_names()]
        self._run, self._since = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self._windows: list[_SymbolWindow | None] = [None] * n
        self._next: list[_SymbolWindow | None] = [None] * n
        for s in range(n):
            self.renew(s, row)

    def renew(self, s: int, row: int) -> None:
        """Take one symbol's bars up to ``row`` anew: the start, or bars that came late."""
        valid = self._columns.valid[: row + 1, s]
        there = np.flatnonzero(valid)
        self._run[s] = row - (int(there[-1]) if there.size else -1)
        self._since[s] = _bars_since_gap(valid, self._settings.max_gap_bars)
        self._windows[s] = self._window(s, anchor_of(self._columns.bar_number(row)), row)
        self._next[s] = None

    def prepare(self, row: int) -> None:
        """Make ready what the row after ``row`` needs; costly where a new anchor begins there."""
        following = self._columns.bar_number(row) + 1
        if anchor_of(following) == following:
            for s in range(len(self._columns.symbols)):
                if self._next[s] is None:
                    self._next[s] = self._window(s, following, row)

    def row(self, row: int) -> MarketRow:
        """Compute one row; every row once, in order."""
        columns, s_all = self._columns, range(len(self._columns.symbols))
        bar = columns.bar_number(row)
        anchor = anchor_of(bar)
        self._count(columns.valid[row])
        n = len(s_all)
        atr, atr_frac, risk = (np.full(n, np.nan) for _ in range(3))
        runtime, sizing, state = (np.full(n, -1, dtype=np.int8) for _ in range(3))
        tables = []
        unknown = {name: np.array([np.nan]) for name in self._own}
        for s in s_all:
            window = self._windows[s]
            if bar == anchor:
                window = self._next[s] or self._window(s, anchor, row - 1)
                self._windows[s], self._next[s] = window, None
            table = unknown
            if window is not None and columns.valid[row, s]:
                window.add(columns, row, s)
                if len(window) >= 2:
                    table = window.last(columns.interval_ns, self._settings)
                    found = window.found
                    atr[s], atr_frac[s], risk[s] = found[0], found[1], found[5]
                    runtime[s], sizing[s], state[s] = found[2], found[3], found[4]
            tables.append(table)
        features = self._features(tables, columns.close_ns[row : row + 1])
        usable = columns.valid[row] & (self._since >= WARMUP_BARS)
        complete = usable & np.isfinite(features).all(axis=1)
        complete &= (sizing >= 0) & (runtime >= 0) & np.isfinite(atr)
        return MarketRow(
            int(columns.close_ns[row]), features, atr, atr_frac, runtime, sizing, state, risk,
            complete,
        )  # fmt: skip

    def _features(
        self, tables: Sequence[dict[str, Float64Array]], close_ns: Int64Array
    ) -> Float64Array:
        related = market_features(list(tables), self._reference)
        calendar = calendar_features(close_ns)
        rows = [{**t, **r, **calendar} for t, r in zip(tables, related, strict=True)]
        return np.array([[r[name][0] for name in self._names] for r in rows])

    def _count(self, valid: BoolArray) -> None:
        """Bars since the end of the last gap that was too long, as ``gap_free`` counts them."""
        self._run = np.where(valid, 0, self._run + 1)
        too_long = self._run > self._settings.max_gap_bars
        self._since = np.where(too_long, 0, self._since + 1)

    def _window(self, s: int, anchor: int, row: int) -> _SymbolWindow | None:
        """Window of an anchor with the bars up to ``row``; None where it begins too early."""
        columns = self._columns
        first = columns.bar_number(0)
        start = anchor - WARMUP_BARS - first
        if start < max(0, int(columns.listed[s]) - first):
            return None
        out = _SymbolWindow(self._settings)
        out.fill(columns, start + np.flatnonzero(columns.valid[start : row + 1, s]), s)
        return out


class _SymbolWindow:
    """One symbol's bars since its window's start, and the regime's memory along them."""

    def __init__(self, settings: MarketSettings) -> None:
        self._bars: dict[str, Any] = {
            name: np.zeros(_ROOM, dtype=np.int64 if name == "close_ns" else np.float64)
            for name in _COLUMNS
        }
        self._n = 0
        self._keeper = Hysteresis(settings)
        self._settings = settings
        self.found: tuple[float, float, int, int, int, float] = (np.nan, np.nan, -1, -1, -1, np.nan)

    def __len__(self) -> int:
        return self._n

    def fill(self, columns: BarColumns, rows: Int64Array, s: int) -> None:
        """Take many bars at once and let the regime's memory see them."""
        values = (
            *(columns.prices[rows, s, k] for k in range(4)), columns.volume[rows, s],
            columns.funding[rows, s], columns.basis[rows, s], columns.close_ns[rows],
        )  # fmt: skip
        for name, column in zip(_COLUMNS, values, strict=True):
            self._bars[name][: rows.size] = column
        self._n = int(rows.size)
        if self._n >= 2:
            regimes(self._window(), self._settings, 0, self._keeper)

    def add(self, columns: BarColumns, row: int, s: int) -> None:
        """Take one more bar."""
        o, h, low, c = columns.prices[row, s].tolist()
        values = (
            o, h, low, c, columns.volume[row, s], columns.funding[row, s], columns.basis[row, s],
            columns.close_ns[row],
        )  # fmt: skip
        for name, value in zip(_COLUMNS, values, strict=True):
            self._bars[name][self._n] = value
        self._n += 1

    def last(self, interval_ns: int, settings: MarketSettings) -> dict[str, Float64Array]:
        """Own features of the last bar, (1,) each; ``found`` holds its ATR, regimes and risk."""
        window, end = self._window(), self._n - 1
        first = end if self._n > 2 else 0
        got = regimes(window, settings, first, self._keeper)
        self.found = (
            float(got.atr[end]), float(got.atr_frac[end]), int(got.runtime[end]),
            int(got.sizing[end]), int(got.state[end]), float(got.risk_score[end]),
        )  # fmt: skip
        own = window_features(window, got.atr, interval_ns)
        return {name: values[end:] for name, values in own.items()}

    def _window(self) -> Window:
        return Window(*(self._bars[name][: self._n] for name in _COLUMNS))


def _bars_since_gap(valid: BoolArray, max_gap: int) -> int:
    """Bars since the last gap longer than ``max_gap``; at least the warm-up where there is none."""
    run, since = 0, WARMUP_BARS
    for ok in valid.tolist():
        run = 0 if ok else run + 1
        since = 0 if run > max_gap else since + 1
    return since


@cache
def _related_names() -> frozenset[str]:
    """Columns that relate symbols, and the calendar's."""
    two = {f"ret_{n}": np.zeros(1) for n in (8, 24, 72)} | {"vol_24_168": np.zeros(1)}
    return frozenset({*market_features([two], 0)[0], *calendar_features(np.zeros(1, np.int64))})
