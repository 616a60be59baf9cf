"""What every face reads of the market: aligned, validated columns over (bar, symbol)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from envs.core.errors import FixData
from envs.core.instrument import Instrument
from envs.core.types import BoolArray, Float32Array, Float64Array, Int8Array, Int64Array


@dataclass(frozen=True)
class DetailBars:
    """Finer bars inside each bar: ``K`` sub-bars a bar, shape (T, K, S) each.

    ``valid[t, k, s]`` is False where the finer bar is missing; a bar with any missing sub-bar, of
    whichever symbol, is walked as a whole, so that all symbols meet at the same vertices.
    """

    open_ticks: Int64Array
    high_ticks: Int64Array
    low_ticks: Int64Array
    close_ticks: Int64Array
    valid: BoolArray


@dataclass(frozen=True)
class MarketData:
    """Bars, funding, marks, volatility, regimes and features of S symbols on one grid of T bars.

    A row is keyed by the bar's CLOSE time; everything in row t is known at ``close_ns[t]`` except
    ``funding_rate`` and ``funding_stamp``, which belong to the instant the bar OPENS.

    Attributes:
        symbols, instruments: S names and their contracts, in the order of the symbol axis
            (sorted by name).
        interval_ns: bar length.
        close_ns: (T,) int64 UTC nanoseconds, one step of ``interval_ns`` apart without exception.
        open_ticks, high_ticks, low_ticks, close_ticks: (T, S) int64 last prices in ticks; 0 where
            ``valid`` is False.
        volume: (T, S) float64 base volume.
        valid: (T, S) the bar exists.
        mark: (T, S, 4) float64 mark open, high, low, close in quote; equals the last price where
            no mark is given.
        has_mark: (S,) a mark series was given.
        funding_rate: (T, S) float64 rate paid by longs at the instant bar t opens; 0 without stamp.
        funding_stamp: (T, S) a funding stamp falls on that instant.
        atr: (T, S) float64 Wilder ATR(14) in quote at the close of t; NaN while unknown.
        atr_frac: (T, S) float64 ``atr / close``; NaN while unknown.
        regime, sizing_regime, market_state: (T, S) int8, -1 while unknown.
        features: (T, S, F) float64, NaN while unknown; never a raw level.
        feature_names: F names; ``feature_hash`` is the hash of the schema (spec 2).
        complete: (T, S) features, ATR and sizing regime are all known: a decision may be taken.
        detail: finer bars, or none.
        source: one line that names where the data came from.
    """

    symbols: tuple[str, ...]
    instruments: tuple[Instrument, ...]
    interval_ns: int
    close_ns: Int64Array
    open_ticks: Int64Array
    high_ticks: Int64Array
    low_ticks: Int64Array
    close_ticks: Int64Array
    volume: Float64Array
    valid: BoolArray
    mark: Float64Array
    has_mark: BoolArray
    funding_rate: Float64Array
    funding_stamp: BoolArray
    atr: Float64Array
    atr_frac: Float64Array
    regime: Int8Array
    sizing_regime: Int8Array
    market_state: Int8Array
    features: Float64Array
    feature_names: tuple[str, ...]
    feature_hash: str
    complete: BoolArray
    detail: DetailBars | None = None
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        t, s = self.close_ns.shape[0], len(self.symbols)
        if len(self.instruments) != s:
            raise FixData(f"{s} symbols but {len(self.instruments)} instruments")
        if list(self.symbols) != sorted(self.symbols):
            raise FixData(f"symbols must be sorted by name, got {self.symbols}")
        for name in _TS_COLUMNS:
            shape = getattr(self, name).shape[:2]
            if shape != (t, s):
                raise FixData(f"column {name} has shape {shape}, expected {(t, s)}")
        if t > 1 and not bool(np.all(np.diff(self.close_ns) == self.interval_ns)):
            raise FixData("close_ns must advance by exactly one interval a row")

    @property
    def n_bars(self) -> int:
        """Number of rows T."""
        return int(self.close_ns.shape[0])

    @property
    def n_symbols(self) -> int:
        """Number of symbols S."""
        return len(self.symbols)

    def row_at(self, time_ns: int) -> int:
        """Return the first row whose close is at or after ``time_ns`` (may equal ``n_bars``)."""
        return int(np.searchsorted(self.close_ns, time_ns, side="left"))

    @cached_property
    def features_f32(self) -> Float32Array:
        """Observation cast of ``features`` with NaN as 0; shape (T, S, F)."""
        return np.nan_to_num(self.features, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)


_TS_COLUMNS = [
    "open_ticks",
    "high_ticks",
    "low_ticks",
    "close_ticks",
    "volume",
    "valid",
    "mark",
    "funding_rate",
    "funding_stamp",
    "atr",
    "atr_frac",
    "regime",
    "sizing_regime",
    "market_state",
    "features",
    "complete",
]
