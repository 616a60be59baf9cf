"""One symbol on the common grid of bars, and its features and regimes over anchored windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envs.core.instrument import Instrument
from envs.core.types import BoolArray, Float64Array, Int8Array, Int64Array
from envs.market.bars import PRICE_COLUMNS, RawSeries
from envs.market.contracts import to_ticks
from envs.market.features import (
    REFERENCE,
    calendar_features,
    feature_names,
    market_features,
    window_features,
)
from envs.market.funding import funding_columns, last_known
from envs.market.indicators import ANCHOR_BARS, WARMUP_BARS, Window, anchor_of, gap_free
from envs.market.mark import on_grid
from envs.market.regime import regimes
from envs.market.settings import MarketSettings

_REGIME_COLUMNS = ("runtime", "sizing", "state")


@dataclass(frozen=True)
class SymbolColumns:
    """One symbol's columns over the grid (T rows).

    ``ticks`` (T, 4) int64 open, high, low, close, 0 where no bar is; ``bars`` the same as prices,
    with what the features read besides. ``marked`` are the rows that have a mark of their own.
    ``listed`` is the row of the symbol's first bar ever, negative before the grid.
    """

    symbol: str
    listed: int
    valid: BoolArray
    ticks: Int64Array
    mark: Float64Array
    marked: Int64Array
    funding_rate: Float64Array
    funding_stamp: BoolArray
    default_stamps: int
    bars: Window


@dataclass(frozen=True)
class Derived:
    """What is computed from columns, all symbols: features (T, S, F), the rest (T, S)."""

    features: Float64Array
    atr: Float64Array
    atr_frac: Float64Array
    runtime: Int8Array
    sizing: Int8Array
    state: Int8Array
    risk_score: Float64Array
    complete: BoolArray


def on_common_grid(
    raw: RawSeries,
    instrument: Instrument,
    close_ns: Int64Array,
    default_rate: float,
    first_open_ns: int | None = None,
) -> SymbolColumns:
    """Lay a validated series on the grid; all its bars must close on a row of it.

    ``first_open_ns`` is the open of the symbol's first bar ever, where the series is cut.
    """
    n, interval = close_ns.shape[0], raw.interval_ns
    first_open = int(close_ns[0]) - interval
    rows = (raw.open_ns - first_open) // interval
    valid = np.zeros(n, dtype=np.bool_)
    valid[rows] = True
    ticks = np.zeros((n, 4), dtype=np.int64)
    for k, name in enumerate(PRICE_COLUMNS):
        ticks[rows, k] = to_ticks(getattr(raw, name), instrument.tick)
    prices = ticks * instrument.tick.numerator / instrument.tick.denominator
    volume = np.zeros(n)
    volume[rows] = raw.volume
    mark, marked = on_grid(raw.mark_open_ns, raw.mark, first_open, interval, prices)
    basis = np.zeros(n)
    basis[valid] = mark[valid, 3] / prices[valid, 3] - 1.0
    rate, stamp, by_default = funding_columns(
        raw.funding_ns, raw.funding_rate, close_ns - interval, interval, default_rate
    )
    n_default = int(by_default[valid].sum())
    known = last_known(raw.funding_ns, raw.funding_rate, close_ns, default_rate)
    o, h, low, c = (np.ascontiguousarray(prices[:, k]) for k in range(4))
    bars = Window(o, h, low, c, volume, known, basis, close_ns)
    if first_open_ns is None:
        first_open_ns = int(raw.open_ns[0])
    listed = (first_open_ns - first_open) // interval
    return SymbolColumns(
        raw.symbol, listed, valid, ticks, mark, marked, rate, stamp, n_default, bars
    )  # fmt: skip


def derive(
    columns: Sequence[SymbolColumns], close_ns: Int64Array, interval_ns: int,
    settings: MarketSettings,
) -> Derived:  # fmt: skip
    """Features, ATR and regimes of all symbols, and where all of them are known."""
    own = [_blocks(c, close_ns, interval_ns, settings) for c in columns]
    names = [c.symbol for c in columns]
    reference = names.index(REFERENCE) if REFERENCE in names else -1
    related = market_features([o[0] for o in own], reference)
    calendar = calendar_features(close_ns)
    order = feature_names()
    tables = [{**o[0], **r, **calendar} for o, r in zip(own, related, strict=True)]
    features = np.stack([np.stack([t[k] for k in order], axis=1) for t in tables], axis=1)
    extra = {k: np.stack([o[1][k] for o in own], axis=1) for k in own[0][1]}
    usable = [c.valid & gap_free(c.valid, settings.max_gap_bars) for c in columns]
    complete = np.stack(usable, axis=1) & np.isfinite(features).all(axis=2)
    complete &= (extra["sizing"] >= 0) & (extra["runtime"] >= 0) & np.isfinite(extra["atr"])
    runtime, sizing, state = (extra[k].astype(np.int8) for k in _REGIME_COLUMNS)
    return Derived(
        features, extra["atr"], extra["atr_frac"], runtime, sizing, state, extra["risk_score"],
        complete,
    )  # fmt: skip


def _blocks(
    c: SymbolColumns, close_ns: Int64Array, interval_ns: int, settings: MarketSettings
) -> tuple[dict[str, Float64Array], dict[str, Float64Array]]:
    """Own features and regimes of one symbol, a block of ``ANCHOR_BARS`` rows at a time.

    A row stays unknown until every bar of its window lies on the grid and after the symbol's
    first bar, so that a value never depends on how much history was loaded.
    """
    n = close_ns.shape[0]
    first_bar = int(close_ns[0]) // interval_ns
    features = {name: np.full(n, np.nan) for name in feature_names()}
    extra = {k: np.full(n, -1.0) for k in _REGIME_COLUMNS}
    extra.update({k: np.full(n, np.nan) for k in ("atr", "atr_frac", "risk_score")})
    for anchor in range(anchor_of(first_bar), first_bar + n, ANCHOR_BARS):
        start, end = anchor - WARMUP_BARS - first_bar, min(n, anchor + ANCHOR_BARS - first_bar)
        if start < max(0, c.listed):
            continue
        rows = start + np.flatnonzero(c.valid[start:end])
        keep = rows >= anchor - first_bar
        if rows.size < 2 or not keep.any():
            continue
        window = c.bars.take(rows)
        found = regimes(window, settings)
        for name, values in window_features(window, found.atr, interval_ns).items():
            features[name][rows[keep]] = values[keep]
        for name, column in extra.items():
            column[rows[keep]] = getattr(found, name)[keep]
    return features, extra
