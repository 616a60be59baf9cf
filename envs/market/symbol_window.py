"""One symbol's anchored window whose indicators run over all of it again at every bar.

What the batch does, for the last bar: symbols whose lines cannot be carried on yet use it.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from envs.core.types import Int64Array
from envs.market.bar_columns import BarColumns
from envs.market.feature_lines import Lines, lines_of
from envs.market.features import LAGS
from envs.market.indicators import ANCHOR_BARS, WARMUP_BARS, Window
from envs.market.regime import Hysteresis, Regimes, regimes
from envs.market.settings import MarketSettings

_COLUMNS = tuple(f.name for f in fields(Window))
_ROOM = WARMUP_BARS + ANCHOR_BARS


class SymbolWindow:
    """One symbol's bars since its window's start, and the regime's memory along them.

    Attributes:
        keeper: what the bars before left of the runtime regime.
        found: regimes of the bars it was filled with; None with fewer than two.
    """

    def __init__(
        self, columns: BarColumns, rows: Int64Array, s: int, settings: MarketSettings
    ) -> None:
        self.keeper = Hysteresis(settings)
        self._settings = settings
        self._bars: dict[str, Any] = {
            name: np.zeros(_ROOM, dtype=np.int64 if name == "close_ns" else np.float64)
            for name in _COLUMNS
        }
        values = (
            *(columns.prices[rows, s, k] for k in range(4)), columns.volume[rows, s],
            columns.funding[rows, s], columns.basis[rows, s], columns.close_ns[rows],
        )  # fmt: skip
        for name, column in zip(_COLUMNS, values, strict=True):
            self._bars[name][: rows.size] = column
        self._n = int(rows.size)
        self.found = regimes(self.bars, settings, 0, self.keeper) if self._n >= 2 else None

    def __len__(self) -> int:
        return self._n

    @property
    def bars(self) -> Window:
        """Its bars, oldest first."""
        return Window(*(self._bars[name][: self._n] for name in _COLUMNS))

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
        window, first = self.bars, self._n - 1 if self._n > 2 else 0
        found = regimes(window, self._settings, first, self.keeper)
        lines = lines_of(window, found.atr, interval_ns)
        return found, {name: values[-LAGS - 1 :] for name, values in lines.items()}
