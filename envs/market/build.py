"""From raw series to ``MarketData``: one grid, anchored features, regimes, funding and marks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from envs.core.errors import FixData
from envs.core.instrument import Instrument
from envs.core.market_data import DetailBars, MarketData
from envs.core.types import BoolArray, Float64Array, Int64Array
from envs.market.bars import BarReport, RawSeries, validate
from envs.market.contracts import instrument_for, to_ticks
from envs.market.features import (
    REFERENCE,
    calendar_features,
    market_features,
    schema_hash,
    window_features,
)
from envs.market.funding import funding_columns, last_known
from envs.market.indicators import ANCHOR_BARS, WARMUP_BARS, Window, anchor_of, gap_free
from envs.market.regime import regimes
from envs.market.settings import MarketSettings
from envs.market.sources import read_folder, read_instruments

_INT8_COLUMNS = ("regime", "sizing", "state")


@dataclass(frozen=True)
class MarketReport:
    """Validation reports of all symbols, the data's fingerprint and how many rows are usable."""

    bars: tuple[BarReport, ...]
    fingerprint: str
    complete_rows: int

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary."""
        return {
            "fingerprint": self.fingerprint,
            "complete_rows": self.complete_rows,
            "bars": [b.to_json() for b in self.bars],
        }


def load_market(
    folder: Path,
    symbols: Sequence[str],
    timeframe: str = "1h",
    start_ns: int | None = None,
    end_ns: int | None = None,
    *,
    funding_default: bool = False,
    default_rate: float = 0.0001,
    settings: MarketSettings | None = None,
    detail: str | None = None,
) -> tuple[MarketData, MarketReport]:
    """Read symbols from a folder and build the market.

    Raises:
        FixData: Missing or damaged files, bad rows, or a symbol without bars in the period.
    """
    known = read_instruments(folder)
    series = []
    for symbol in sorted(set(symbols)):
        raw = read_folder(folder, symbol, timeframe, funding_default=funding_default, detail=detail)
        cut = raw.between(start_ns, end_ns)
        if cut.open_ns.size == 0:
            span = f"{np.datetime64(int(raw.open_ns[0]), 'ns')} to {np.datetime64(int(raw.open_ns[-1]), 'ns')}"
            raise FixData(f"{symbol}: no bars in the period; {raw.source} covers {span}")
        series.append(cut)
    instruments = [known.get(r.symbol) or instrument_for(r) for r in series]
    return build_market(series, instruments, settings=settings, default_rate=default_rate)


def build_market(
    series: Sequence[RawSeries],
    instruments: Sequence[Instrument],
    *,
    settings: MarketSettings | None = None,
    default_rate: float = 0.0001,
) -> tuple[MarketData, MarketReport]:
    """Validate and align series (sorted by symbol), and compute features and regimes."""
    settings = settings or MarketSettings()
    order = sorted(range(len(series)), key=lambda i: series[i].symbol)
    series, instruments = [series[i] for i in order], [instruments[i] for i in order]
    reports = [validate(r) for r in series]
    if len({r.interval_ns for r in series}) != 1:
        raise FixData("all symbols must have the same timeframe")
    interval = series[0].interval_ns
    first = min(int(r.open_ns[0]) for r in series)
    last = max(int(r.open_ns[-1]) for r in series)
    n_bars = (last - first) // interval + 1
    close_ns = np.int64(first) + interval * np.arange(1, n_bars + 1, dtype=np.int64)
    columns = [_columns(r, i, close_ns, default_rate) for r, i in zip(series, instruments, strict=True)]
    reports = [
        replace(b, default_funding_stamps=int(c["default_stamps"]))
        for b, c in zip(reports, columns, strict=True)
    ]
    own = [_windows(c, close_ns, interval, settings) for c in columns]
    names = [r.symbol for r in series]
    related = market_features([o[0] for o in own], names.index(REFERENCE) if REFERENCE in names else -1)
    calendar = calendar_features(close_ns)
    tables = [{**o[0], **r, **calendar} for o, r in zip(own, related, strict=True)]
    feature_names = tuple(tables[0])
    features = np.stack([np.stack([t[n] for n in feature_names], axis=1) for t in tables], axis=1)
    usable = np.stack([gap_free(c["valid"], settings.max_gap_bars) for c in columns], axis=1)
    extra = {k: np.stack([o[1][k] for o in own], axis=1) for k in own[0][1]}
    valid = _stack(columns, "valid")
    complete = valid & usable & np.isfinite(features).all(axis=2)
    complete &= (extra["sizing"] >= 0) & (extra["regime"] >= 0) & np.isfinite(extra["atr"])
    market = MarketData(
        tuple(names),
        tuple(instruments),
        interval,
        close_ns,
        _stack(columns, "open"),
        _stack(columns, "high"),
        _stack(columns, "low"),
        _stack(columns, "close"),
        _stack(columns, "volume"),
        valid,
        _stack(columns, "mark"),
        np.array([r.mark is not None for r in series]),
        _stack(columns, "funding"),
        _stack(columns, "stamp"),
        extra["atr"],
        extra["atr_frac"],
        *(extra[k].astype(np.int8) for k in _INT8_COLUMNS),
        features,
        feature_names,
        schema_hash(feature_names),
        complete,
        _detail(series, instruments, close_ns, interval),
        ", ".join(r.source for r in series),
    )
    return market, MarketReport(tuple(reports), fingerprint(market), int(complete.sum()))


def fingerprint(market: MarketData) -> str:
    """SHA-256 over the prices, funding and marks a run used."""
    h = hashlib.sha256(repr((market.symbols, market.interval_ns)).encode())
    for name in ("close_ns", "open_ticks", "high_ticks", "low_ticks", "close_ticks", "volume",
                 "mark", "funding_rate", "funding_stamp", "valid"):  # fmt: skip
        h.update(np.ascontiguousarray(getattr(market, name)).tobytes())
    return h.hexdigest()


def _columns(
    raw: RawSeries, instrument: Instrument, close_ns: Int64Array, default_rate: float
) -> dict[str, Any]:
    """One symbol on the grid; prices in ticks, and the same prices as floats for indicators."""
    n = close_ns.shape[0]
    interval = raw.interval_ns
    at = (raw.open_ns + interval - int(close_ns[0])) // interval
    valid = np.zeros(n, dtype=np.bool_)
    valid[at] = True
    out: dict[str, Any] = {"valid": valid}
    for name in ("open", "high", "low", "close"):
        ticks = np.zeros(n, dtype=np.int64)
        ticks[at] = to_ticks(getattr(raw, name), instrument.tick)
        out[name] = ticks
        out[f"{name}_price"] = ticks * instrument.tick.numerator / instrument.tick.denominator
    volume = np.zeros(n)
    volume[at] = raw.volume
    out["volume"] = volume
    mark = np.stack([out[f"{c}_price"] for c in ("open", "high", "low", "close")], axis=1)
    if raw.mark is not None and raw.mark_open_ns is not None:
        place = (raw.mark_open_ns + interval - int(close_ns[0])) // interval
        inside = (place >= 0) & (place < n)
        mark[place[inside]] = raw.mark[inside]
    out["mark"] = mark
    basis = np.zeros(n)
    basis[valid] = mark[valid, 3] / out["close_price"][valid] - 1.0
    out["basis"] = basis
    rate, stamp, n_default = funding_columns(
        raw.funding_ns, raw.funding_rate, close_ns - interval, default_rate
    )
    out.update(funding=rate, stamp=stamp, default_stamps=n_default)
    out["funding_known"] = last_known(raw.funding_ns, raw.funding_rate, close_ns, default_rate)
    return out


def _windows(
    c: dict[str, Any], close_ns: Int64Array, interval: int, settings: MarketSettings
) -> tuple[dict[str, Float64Array], dict[str, Float64Array]]:
    """Own features and regimes of one symbol, block by block over anchored windows."""
    n = close_ns.shape[0]
    first_bar = int(close_ns[0]) // interval
    features: dict[str, Float64Array] = {}
    extra = {k: np.full(n, -1.0) for k in _INT8_COLUMNS}
    extra.update({k: np.full(n, np.nan) for k in ("atr", "atr_frac", "risk_score")})
    for anchor in range(anchor_of(first_bar), first_bar + n, ANCHOR_BARS):
        start, end = anchor - WARMUP_BARS - first_bar, min(n, anchor + ANCHOR_BARS - first_bar)
        if start < 0:
            continue
        rows = start + np.flatnonzero(c["valid"][start:end])
        if rows.size < 2:
            continue
        window = window_of(c, close_ns, rows)
        reg = regimes(window, settings)
        own = window_features(window, reg.atr, interval)
        keep = rows >= anchor - first_bar
        for name, values in own.items():
            features.setdefault(name, np.full(n, np.nan))[rows[keep]] = values[keep]
        blocks = {
            "regime": reg.runtime, "sizing": reg.sizing, "state": reg.state, "atr": reg.atr,
            "atr_frac": reg.atr_frac, "risk_score": reg.risk_score,
        }  # fmt: skip
        for name, column in blocks.items():
            extra[name][rows[keep]] = column[keep]
    if not features:
        raise FixData(
            f"{n} bars are too few: features need {WARMUP_BARS + ANCHOR_BARS} bars of warm-up; "
            "start earlier"
        )
    return features, extra


def window_of(c: dict[str, Any], close_ns: Int64Array, rows: Int64Array) -> Window:
    """Window over the given rows of one symbol's columns."""
    return Window(
        c["open_price"][rows],
        c["high_price"][rows],
        c["low_price"][rows],
        c["close_price"][rows],
        c["volume"][rows],
        c["funding_known"][rows],
        c["basis"][rows],
        close_ns[rows],
    )


def _stack(columns: list[dict[str, Any]], name: str) -> Any:
    return np.ascontiguousarray(np.stack([c[name] for c in columns], axis=1))


def _detail(
    series: Sequence[RawSeries], instruments: Sequence[Instrument], close_ns: Int64Array, interval: int
) -> DetailBars | None:
    if all(r.finer is None for r in series):
        return None
    widths = {r.finer.interval_ns for r in series if r.finer is not None}
    if len(widths) != 1 or interval % next(iter(widths)) != 0 or interval <= next(iter(widths)):
        raise FixData("detail bars must have one interval that divides the timeframe")
    width = widths.pop()
    parts, n, s = interval // width, close_ns.shape[0], len(series)
    shape = (n, parts, s)
    ticks = [np.zeros(shape, dtype=np.int64) for _ in range(4)]
    valid: BoolArray = np.zeros(shape, dtype=np.bool_)
    for i, (raw, instrument) in enumerate(zip(series, instruments, strict=True)):
        if raw.finer is None:
            continue
        validate(raw.finer)
        number = (raw.finer.open_ns - (int(close_ns[0]) - interval)) // width
        inside = (number >= 0) & (number < n * parts)
        t, k = number[inside] // parts, number[inside] % parts
        for column, name in zip(ticks, ("open", "high", "low", "close"), strict=True):
            column[t, k, i] = to_ticks(getattr(raw.finer, name), instrument.tick)[inside]
        valid[t, k, i] = True
    return DetailBars(ticks[0], ticks[1], ticks[2], ticks[3], valid)
