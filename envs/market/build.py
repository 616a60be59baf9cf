"""From raw series to ``MarketData``: one grid, anchored features, regimes, funding and marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from envs.core.errors import FixData
from envs.core.instrument import Instrument
from envs.core.market_data import MarketData
from envs.market.bars import RawSeries, check_prices, validate
from envs.market.contracts import holds, instrument_for
from envs.market.detail import detail_bars
from envs.market.features import feature_names, schema_hash
from envs.market.grid import derive, on_common_grid
from envs.market.indicators import ANCHOR_BARS, WARMUP_BARS
from envs.market.report import MarketReport, fingerprint, occupancy_of
from envs.market.settings import MarketSettings
from envs.market.sources import read_folder, read_instruments

__all__ = ["MarketReport", "build_market", "load_market"]


def load_market(
    folder: Path,
    symbols: Sequence[str],
    timeframe: str = "1h",
    start_ns: int | None = None,
    end_ns: int | None = None,
    *,
    funding_default: bool = False,
    default_rate: float = 0.0001,
    default_mmr: float = 0.004,
    settings: MarketSettings | None = None,
    detail: str | None = None,
) -> tuple[MarketData, MarketReport]:
    """Read symbols from a folder and build the market.

    ``detail`` names the timeframe of finer bars to walk inside each bar (``5m``).

    Raises:
        FixData: Missing or damaged files, bad rows, or a symbol without bars in the period.
    """
    given = read_instruments(folder)
    series, instruments = [], []
    for symbol in sorted(set(symbols)):
        raw = read_folder(folder, symbol, timeframe, funding_default=funding_default, detail=detail)
        cut = raw.between(start_ns, end_ns)
        if cut.open_ns.size == 0:
            raise FixData(f"{symbol}: no bars in the period; {_covers(raw)}")
        series.append(cut)
        # From the whole file, so that the tick does not depend on the period.
        prices = np.stack([raw.open, raw.high, raw.low, raw.close], axis=1)
        check_prices(raw.source or symbol, raw.open_ns, raw.rows, prices)
        instrument = given.get(symbol) or instrument_for(raw, default_mmr)
        if not holds(raw, instrument.tick):
            raise FixData(
                f"instruments.json: tick {instrument.tick} of {symbol} does not represent the "
                f"prices of {raw.source}: give the finest tick the contract has had"
            )
        instruments.append(instrument)
    return build_market(series, instruments, settings=settings, default_rate=default_rate)


def build_market(
    series: Sequence[RawSeries],
    instruments: Sequence[Instrument],
    *,
    settings: MarketSettings | None = None,
    default_rate: float = 0.0001,
) -> tuple[MarketData, MarketReport]:
    """Validate and align series (sorted by symbol), and compute features and regimes.

    ``default_rate`` is the funding rate where a series has no stamps for more than 24 h.

    Raises:
        FixData: Bad rows, different timeframes, a symbol given twice, or too few bars.
    """
    settings = settings or MarketSettings()
    order = sorted(range(len(series)), key=lambda i: series[i].symbol)
    series, instruments = [series[i] for i in order], [instruments[i] for i in order]
    names = tuple(r.symbol for r in series)
    if not names or len(set(names)) != len(names):
        raise FixData(f"each symbol once, and at least one: got {', '.join(names) or 'none'}")
    reports = [validate(r) for r in series]
    if len({r.interval_ns for r in series}) != 1:
        raise FixData("all symbols must have the same timeframe")
    interval = series[0].interval_ns
    first = min(int(r.open_ns[0]) for r in series)
    last = max(int(r.open_ns[-1]) for r in series)
    n_bars = (last - first) // interval + 1
    close_ns = np.int64(first) + interval * np.arange(1, n_bars + 1, dtype=np.int64)
    columns = [
        on_common_grid(r, i, close_ns, default_rate)
        for r, i in zip(series, instruments, strict=True)
    ]
    found = derive(columns, close_ns, interval, settings)
    for i, name in enumerate(names):
        if not np.isfinite(found.atr[:, i]).any():
            raise FixData(
                f"{name}: {int(columns[i].valid.sum())} bars are too few: features need up to "
                f"{WARMUP_BARS + ANCHOR_BARS} bars of warm-up; start earlier"
            )
    ticks = np.stack([c.ticks for c in columns], axis=1)
    detail, inside = detail_bars(series, instruments, first, ticks)
    valid = np.stack([c.valid for c in columns], axis=1)
    features = feature_names()
    o, h, low, c = (np.ascontiguousarray(ticks[:, :, k]) for k in range(4))
    market = MarketData(
        names,
        tuple(instruments),
        interval,
        close_ns,
        o,
        h,
        low,
        c,
        np.stack([c.bars.volume for c in columns], axis=1),
        valid,
        np.stack([c.mark for c in columns], axis=1),
        np.array([c.marked.size > 0 for c in columns]),
        np.stack([c.funding_rate for c in columns], axis=1),
        np.stack([c.funding_stamp for c in columns], axis=1),
        found.atr,
        found.atr_frac,
        found.runtime,
        found.sizing,
        found.state,
        found.features,
        features,
        schema_hash(features),
        found.complete,
        detail,
        ", ".join(r.source for r in series),
    )
    reports = [
        replace(
            b,
            default_funding_stamps=c.default_stamps,
            bars_without_mark=int(c.valid.sum() - c.valid[c.marked].sum()),
            detailed_bars=detailed,
            contradicted_detail_bars=contradicted,
        )
        for b, c, (detailed, contradicted) in zip(reports, columns, inside, strict=True)
    ]
    occupancy = occupancy_of(market)
    rows = int(market.complete.sum())
    return market, MarketReport(tuple(reports), fingerprint(market), rows, occupancy)


def _covers(raw: RawSeries) -> str:
    if raw.open_ns.size == 0:
        return f"{raw.source} is empty"
    first, last = (
        np.datetime64(int(x), "ns").astype("datetime64[s]") for x in raw.open_ns[[0, -1]]
    )
    return f"{raw.source} covers {first}Z to {last}Z"
