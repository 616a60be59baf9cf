"""The live face: one row of features and regimes from what is known at one close.

It runs the functions of the batch over the row's own anchored window, so both are equal bit for
bit (property test).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from envs.core.errors import FixData
from envs.core.instrument import Instrument
from envs.core.types import BoolArray, Float64Array, Int8Array
from envs.market.bars import RawSeries
from envs.market.grid import derive, on_common_grid
from envs.market.indicators import WARMUP_BARS, anchor_of
from envs.market.settings import MarketSettings


@dataclass(frozen=True)
class MarketRow:
    """Everything known of S symbols at ``close_ns``; columns as in ``MarketData`` without T."""

    close_ns: int
    features: Float64Array
    atr: Float64Array
    atr_frac: Float64Array
    regime: Int8Array
    sizing_regime: Int8Array
    market_state: Int8Array
    risk_score: Float64Array
    complete: BoolArray


def features_at(
    series: Sequence[RawSeries],
    instruments: Sequence[Instrument],
    close_ns: int,
    *,
    settings: MarketSettings | None = None,
    default_rate: float = 0.0001,
) -> MarketRow:
    """Compute the row of the bars that close at ``close_ns``; later bars are never read.

    Series and instruments in symbol order. Each series should hold at least
    ``WARMUP_BARS + ANCHOR_BARS`` bars and ``QT_MAX_GAP_BARS + 1`` more; one that begins after its
    window does gives NaN, -1 and ``complete`` False.

    Raises:
        FixData: Symbols out of order or without bars, or a time off the interval's grid.
    """
    settings = settings or MarketSettings()
    names = [r.symbol for r in series]
    for r in series:
        if r.open_ns.size == 0:
            raise FixData(f"{r.symbol}: no bars")
    if names != sorted(names):
        raise FixData(f"symbols must be sorted by name, got {names}")
    interval = series[0].interval_ns
    if close_ns % interval != 0:
        raise FixData(f"{close_ns} is no close of a bar of {interval} ns")
    bar = close_ns // interval
    # A gap that reaches into the window from before it must be seen whole.
    start = anchor_of(bar) - WARMUP_BARS - settings.max_gap_bars - 1
    grid = interval * np.arange(start, bar + 1, dtype=np.int64)
    columns = [
        on_common_grid(
            _known(r, int(grid[0]) - interval, close_ns), i, grid, default_rate, int(r.open_ns[0])
        )
        for r, i in zip(series, instruments, strict=True)
    ]
    found = derive(columns, grid, interval, settings)
    return MarketRow(
        close_ns,
        found.features[-1],
        found.atr[-1],
        found.atr_frac[-1],
        found.runtime[-1],
        found.sizing[-1],
        found.state[-1],
        found.risk_score[-1],
        found.complete[-1],
    )


def _known(raw: RawSeries, start_ns: int, close_ns: int) -> RawSeries:
    """Bars that open from ``start_ns`` and close by ``close_ns``, funding and marks known then."""
    out = raw.between(start_ns, close_ns)
    if raw.funding_ns is not None and raw.funding_rate is not None:
        settled = raw.funding_ns <= close_ns
        out = replace(
            out, funding_ns=raw.funding_ns[settled], funding_rate=raw.funding_rate[settled]
        )
    if raw.mark_open_ns is not None and raw.mark is not None:
        closed = raw.mark_open_ns + raw.interval_ns <= close_ns
        out = replace(out, mark_open_ns=raw.mark_open_ns[closed], mark=raw.mark[closed])
    return out
