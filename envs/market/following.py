"""Features bar after bar: what ``stream.features_at`` computes, from what earlier bars left."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from envs.core.types import BoolArray, Float64Array, Int64Array
from envs.market.anchored import AnchoredBars, Group
from envs.market.bar_columns import BarColumns
from envs.market.features import (
    REFERENCE,
    calendar_features,
    feature_names,
    market_row,
    own_features,
)
from envs.market.indicators import WARMUP_BARS, anchor_of
from envs.market.settings import MarketSettings
from envs.market.stream import MarketRow

__all__ = ["BarColumns", "Following"]


class Following:
    """Rows of features and regimes, each from the row before; ``columns`` may shift in between.

    Args:
        row: the last row that is known; the next one asked for is the one after.
    """

    def __init__(self, columns: BarColumns, settings: MarketSettings, row: int) -> None:
        self._columns, self._settings = columns, settings
        n = len(columns.symbols)
        self._reference = columns.symbols.index(REFERENCE) if REFERENCE in columns.symbols else -1
        self._run, self._since = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        for s in range(n):
            self._recount(s, row)
        anchor = anchor_of(columns.bar_number(row))
        self._current = AnchoredBars(columns, settings, anchor, row)
        self._next: AnchoredBars | None = None

    def is_carried(self, s: int) -> bool:
        """Whether a symbol is carried on bar by bar, not computed over its whole window."""
        return self._current.is_carried(s)

    def renew(self, s: int, row: int) -> None:
        """Take one symbol's bars up to ``row`` anew: some came late."""
        self._recount(s, row)
        for windows in (self._current, self._next):
            if windows is not None:
                windows.renew(s, row)

    def prepare(self, row: int) -> None:
        """Make ready what the row after ``row`` needs; costly where a new anchor begins there."""
        following = self._columns.bar_number(row) + 1
        if anchor_of(following) != following:
            self._current.grow(row)
        elif self._next is None:
            self._next = AnchoredBars(self._columns, self._settings, following, row)

    def row(self, row: int) -> MarketRow:
        """Compute one row; every row once, in order."""
        columns = self._columns
        bar, n = columns.bar_number(row), len(columns.symbols)
        self._count(columns.valid[row])
        if bar == anchor_of(bar):
            self._current = self._next or AnchoredBars(columns, self._settings, bar, row - 1)
            self._next = None
        groups = self._current.add(row)
        figures = np.full((3, n), np.nan)
        kinds = np.full((3, n), -1, dtype=np.int8)
        for symbols, found, _ in groups:
            figures[:, symbols] = found.atr, found.atr_frac, found.risk_score
            kinds[:, symbols] = found.runtime, found.sizing, found.state
        features = self._features(groups, columns.close_ns[row : row + 1])
        complete = columns.valid[row] & (self._since >= WARMUP_BARS)
        complete &= np.isfinite(features).all(axis=1)
        complete &= (kinds[1] >= 0) & (kinds[0] >= 0) & np.isfinite(figures[0])
        return MarketRow(
            int(columns.close_ns[row]), features, figures[0], figures[1], kinds[0], kinds[1],
            kinds[2], figures[2], complete,
        )  # fmt: skip

    def _features(self, groups: Sequence[Group], close_ns: Int64Array) -> Float64Array:
        """Formulas over the last bars of many symbols at once; only their last row counts."""
        names = _own_names()
        own = np.full((len(names), len(self._columns.symbols)), np.nan)
        for symbols, _, lines in groups:
            own[:, symbols] = [values[-1] for values in own_features(lines).values()]
        columns = dict(zip(names, own, strict=True))
        columns.update(market_row(columns, self._reference))
        out = np.empty((own.shape[1], len(feature_names())))
        out[:, : len(columns)] = np.stack(list(columns.values()), axis=1)
        out[:, len(columns) :] = [x[0] for x in calendar_features(close_ns).values()]
        return out

    def _recount(self, s: int, row: int) -> None:
        valid = self._columns.valid[: row + 1, s]
        there = np.flatnonzero(valid)
        self._run[s] = row - (int(there[-1]) if there.size else -1)
        self._since[s] = _bars_since_gap(valid, self._settings.max_gap_bars)

    def _count(self, valid: BoolArray) -> None:
        """Bars since the end of the last gap that was too long, as ``gap_free`` counts them."""
        self._run = np.where(valid, 0, self._run + 1)
        too_long = self._run > self._settings.max_gap_bars
        self._since = np.where(too_long, 0, self._since + 1)


def _bars_since_gap(valid: BoolArray, max_gap: int) -> int:
    """Bars since the last gap longer than ``max_gap``; at least the warm-up where there is none."""
    run, since = 0, WARMUP_BARS
    for ok in valid.tolist():
        run = 0 if ok else run + 1
        since = 0 if run > max_gap else since + 1
    return since


@cache
def _own_names() -> tuple[str, ...]:
    """A symbol's own columns: the first of all, before those that relate symbols."""
    related = market_row({name: np.zeros(1) for name in feature_names()}, 0)
    calendar = calendar_features(np.zeros(1, np.int64))
    return feature_names()[: -len(related) - len(calendar)]
