"""Features bar after bar: what ``stream.features_at`` computes, from what earlier bars left.

Each symbol keeps the bars of its anchored window and its regime's hysteresis. The indicators run
over the whole window again (TA-Lib starts from its first bar), all else for the last bar only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np

from envs.core.types import BoolArray, Float64Array, Int64Array
from envs.market.feature_lines import Lines, lines_of
from envs.market.features import (
    LAGS,
    REFERENCE,
    calendar_features,
    feature_names,
    market_features,
    own_features,
)
from envs.market.indicators import ANCHOR_BARS, WARMUP_BARS, Window, anchor_of
from envs.market.regime import Hysteresis, Regimes, regimes
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
        columns = self._columns
        bar, n = columns.bar_number(row), len(columns.symbols)
        anchor = anchor_of(bar)
        self._count(columns.valid[row])
        figures = np.full((3, n), np.nan)
        kinds = np.full((3, n), -1, dtype=np.int8)
        lines: dict[int, Lines] = {}
        for s in range(n):
            if bar == anchor:
                self._windows[s] = self._next[s] or self._window(s, anchor, row - 1)
                self._next[s] = None
            window = self._windows[s]
            if window is None or not columns.valid[row, s]:
                continue
            window.add(columns, row, s)
            if len(window) >= 2:
                found, lines[s] = window.last(columns.interval_ns)
                figures[:, s] = found.atr[-1], found.atr_frac[-1], found.risk_score[-1]
                kinds[:, s] = found.runtime[-1], found.sizing[-1], found.state[-1]
        features = self._features(lines, columns.close_ns[row : row + 1])
        complete = columns.valid[row] & (self._since >= WARMUP_BARS)
        complete &= np.isfinite(features).all(axis=1)
        complete &= (kinds[1] >= 0) & (kinds[0] >= 0) & np.isfinite(figures[0])
        return MarketRow(
            int(columns.close_ns[row]), features, figures[0], figures[1], kinds[0], kinds[1],
            kinds[2], figures[2], complete,
        )  # fmt: skip

    def _features(self, lines: Mapping[int, Lines], close_ns: Int64Array) -> Float64Array:
        """Formulas over the last bars of all symbols at once; only their last row counts."""
        n = len(self._columns.symbols)
        own = {name: np.full((1, n), np.nan) for name in self._own}
        long = [s for s, x in lines.items() if x["close"].shape[0] > LAGS]
        groups = [long, *([s] for s in lines if s not in long)]
        for group in groups:
            if group:
                names = lines[group[0]]
                stacked = {k: np.stack([lines[s][k] for s in group], axis=1) for k in names}
                for name, values in own_features(stacked).items():
                    own[name][0, group] = values[-1]
        tables = [{name: values[:, s] for name, values in own.items()} for s in range(n)]
        related = market_features(tables, self._reference)
        out = np.empty((n, len(self._names)))
        calendar = calendar_features(close_ns)
        for k, name in enumerate(self._names):
            if name in own:
                out[:, k] = own[name][0]
            elif name in calendar:
                out[:, k] = calendar[name][0]
            else:
                out[:, k] = [r[name][0] for r in related]
        return out

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

    def last(self, interval_ns: int) -> tuple[Regimes, Lines]:
        """Regimes of the last bar, and the last rows of what the features need."""
        window = self._window()
        found = regimes(window, self._settings, self._n - 1 if self._n > 2 else 0, self._keeper)
        lines = lines_of(window, found.atr, interval_ns)
        return found, {name: values[-LAGS - 1 :] for name, values in lines.items()}

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
