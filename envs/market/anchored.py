"""All symbols along the windows of one anchor, bar after bar: regimes and lines of each bar.

A symbol whose window is long enough is carried on (``line_memory``); any other is computed over
its whole window again, as the batch does. Both give the batch's bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from envs.core.types import Float64Array, Int64Array
from envs.market.bar_columns import BarColumns
from envs.market.feature_lines import Lines
from envs.market.features import LAGS
from envs.market.indicators import (
    QUANTILE_MIN,
    WARMUP_BARS,
    SortedValues,
    median_of,
    quantile_of,
    ratio,
)
from envs.market.line_memory import BarRow, LineMemory, is_exact
from envs.market.regime import MEDIAN_BARS, Hysteresis, Regimes, regimes_of
from envs.market.settings import MarketSettings
from envs.market.symbol_window import SymbolWindow

Group = tuple[Sequence[int], Regimes, Lines]
"""Symbols, their regimes at the bar (one each), and their lines (LAGS + 1 rows or fewer, S)."""


class AnchoredBars:
    """Windows of one anchor with the bars up to a row; the bars after it come one by one.

    Args:
        anchor: number of the bar that the windows are laid by.
        row: the last row that is known.
    """

    def __init__(
        self, columns: BarColumns, settings: MarketSettings, anchor: int, row: int
    ) -> None:
        n = len(columns.symbols)
        self._columns, self._settings, self._anchor = columns, settings, anchor
        self._memory = LineMemory(n, columns.interval_ns)
        self._windows: list[SymbolWindow | None] = [None] * n
        self._carried: list[_RegimeMemory | None] = [None] * n
        for s in range(n):
            self.renew(s, row)

    def is_carried(self, s: int) -> bool:
        """Whether a symbol is carried on bar by bar."""
        return self._carried[s] is not None

    def renew(self, s: int, row: int) -> None:
        """Take one symbol's bars up to ``row`` anew."""
        self._windows[s] = self._carried[s] = None
        start = self._columns.window_start(s, self._anchor)
        if start is None:
            return
        rows = start + np.flatnonzero(self._columns.valid[start : row + 1, s])
        self._windows[s] = SymbolWindow(self._columns, rows, s, self._settings)
        self._carry(s)

    def grow(self, row: int) -> None:
        """Carry on the symbols whose windows have become long enough; ``row`` is the last one."""
        for s, window in enumerate(self._windows):
            if window is not None and len(window) > self._memory.least_bars and is_exact():
                self.renew(s, row)

    def add(self, row: int) -> list[Group]:
        """Take one row's bars; what is known of the symbols that have one."""
        valid = self._columns.valid[row]
        groups = []
        carried = [s for s, x in enumerate(self._carried) if x is not None and valid[s]]
        if carried:
            there = valid.copy()
            # What was never filled knows nothing; it may pass.
            there[[s for s, x in enumerate(self._carried) if x is None]] = True
            self._memory.add(self._bar(row), there)
            groups.append(self._group(np.array(carried)))
        short = []
        for s, window in enumerate(self._windows):
            if window is not None and valid[s]:
                window.add(self._columns, row, s)
                if len(window) >= 2:
                    short.append((s, *window.last(self._columns.interval_ns)))
        return groups + _grouped(short)

    def _carry(self, s: int) -> None:
        window = self._windows[s]
        if window is None or window.found is None or not is_exact():
            return
        if self._memory.fill(s, window.bars):
            fracs = window.found.atr_frac
            self._carried[s] = _RegimeMemory(window.keeper, len(window), fracs)
            self._windows[s] = None

    def _bar(self, row: int) -> BarRow:
        c = self._columns
        o, h, low, close = np.ascontiguousarray(c.prices[row].T)
        return BarRow(
            o, h, low, close, c.volume[row], c.funding[row], c.basis[row], int(c.close_ns[row])
        )

    def _group(self, carried: Int64Array) -> Group:
        lines = self._memory.lines
        if carried.size < len(self._carried):
            lines = {name: values[:, carried] for name, values in lines.items()}
        x = {name: values[-1] for name, values in lines.items()}
        atr_frac = ratio(x["atr"], x["close"])
        memories = [m for m in (self._carried[s] for s in carried.tolist()) if m is not None]
        median, level = self._ranks(memories, atr_frac)
        places = [m.bars for m in memories]
        for m in memories:
            m.bars += 1
        found = regimes_of(
            x, atr_frac, median, level, self._settings, [m.keeper for m in memories], places
        )
        return carried.tolist(), found, lines

    def _ranks(
        self, memories: Sequence[_RegimeMemory], atr_frac: Float64Array
    ) -> tuple[Float64Array, Float64Array]:
        """Median and high-volatility level of ATR/close, with this bar's."""
        s = self._settings
        fracs = atr_frac.tolist()
        median = [
            median_of(m.short.add(x), MEDIAN_BARS) for m, x in zip(memories, fracs, strict=True)
        ]
        if s.sizing_high_vol_mode != "relative":
            return np.array(median), np.full(len(memories), s.sizing_high_vol)
        level = [
            quantile_of(m.long.add(x), s.sizing_high_vol_quantile, QUANTILE_MIN)
            for m, x in zip(memories, fracs, strict=True)
        ]
        return np.array(median), np.array(level)


class _RegimeMemory:
    """What one symbol's regimes remember: hysteresis, bars of the window, ATR/close in order."""

    def __init__(self, keeper: Hysteresis, bars: int, atr_frac: Float64Array) -> None:
        self.keeper, self.bars = keeper, bars
        self.short = SortedValues(MEDIAN_BARS, atr_frac)
        self.long = SortedValues(WARMUP_BARS, atr_frac)


def _grouped(found: Sequence[tuple[int, Regimes, Lines]]) -> list[Group]:
    """Windows with all rows that a feature looks at together, the others one by one."""
    full = [x for x in found if x[2]["close"].shape[0] > LAGS]
    groups = [full, *([x] for x in found if x[2]["close"].shape[0] <= LAGS)]
    return [
        (
            [s for s, _, _ in group],
            _last_of([regimes for _, regimes, _ in group]),
            {name: np.stack([x[name] for *_, x in group], axis=1) for name in group[0][2]},
        )
        for group in groups
        if group
    ]


def _last_of(windows: Sequence[Regimes]) -> Regimes:
    """The last row of each window, as one bar of several symbols."""
    return Regimes(*(np.array([getattr(w, f.name)[-1] for w in windows]) for f in fields(Regimes)))
