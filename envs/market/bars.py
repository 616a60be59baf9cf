"""Raw bars of one symbol, and the report that says whether they can be trusted."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from envs.core.errors import FixData
from envs.core.types import NS_PER_SECOND, BoolArray, Float64Array, Int64Array
from envs.market.funding import check_funding

PRICE_COLUMNS = ("open", "high", "low", "close")


@dataclass(frozen=True)
class RawSeries:
    """One symbol's history as a source gives it; all arrays one-dimensional.

    ``open_ns`` int64 UTC nanoseconds of bar OPENS. Prices in quote, volume in base. Funding stamps
    and rates (fraction paid by longs), and mark OHLC (N, 4) keyed by bar open, are None where the
    source has none. ``finer`` is the same contract at a smaller interval, for detail inside a bar.
    ``rows`` are the source's row numbers, for messages; None: counted from 0.
    """

    symbol: str
    interval_ns: int
    open_ns: Int64Array
    open: Float64Array
    high: Float64Array
    low: Float64Array
    close: Float64Array
    volume: Float64Array
    funding_ns: Int64Array | None = None
    funding_rate: Float64Array | None = None
    mark_open_ns: Int64Array | None = None
    mark: Float64Array | None = None
    finer: RawSeries | None = None
    source: str = ""
    rows: Int64Array | None = None

    def between(self, start_ns: int | None, end_ns: int | None) -> RawSeries:
        """Bars that open at or after ``start_ns`` and close at or before ``end_ns``.

        Funding and marks stay whole: what was known before the start remains known.
        """
        keep = np.ones(self.open_ns.shape[0], dtype=np.bool_)
        if start_ns is not None:
            keep &= self.open_ns >= start_ns
        if end_ns is not None:
            keep &= self.open_ns + self.interval_ns <= end_ns
        rows = np.arange(keep.shape[0], dtype=np.int64) if self.rows is None else self.rows
        return replace(
            self,
            open_ns=self.open_ns[keep],
            open=self.open[keep],
            high=self.high[keep],
            low=self.low[keep],
            close=self.close[keep],
            volume=self.volume[keep],
            finer=None if self.finer is None else self.finer.between(start_ns, end_ns),
            rows=rows[keep],
        )


@dataclass(frozen=True)
class BarReport:
    """What a validation found; errors are raised, these are the facts a user should know.

    The last four are known once the bars lie on a grid: stamps at the default rate, bars whose
    mark is the last price, bars with all their finer bars, bars whose finer bars contradict them.
    """

    symbol: str
    source: str
    bars: int
    first_open_ns: int
    last_open_ns: int
    gaps: int
    missing_bars: int
    longest_gap_bars: int
    zero_volume_bars: int
    flat_bars: int
    default_funding_stamps: int = 0
    bars_without_mark: int = 0
    detailed_bars: int = 0
    contradicted_detail_bars: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary."""
        return asdict(self)


def validate(raw: RawSeries) -> BarReport:
    """Check one series; every defect names source, row and column.

    Raises:
        FixData: Empty, unsorted, duplicate or off-grid timestamps; NaN or non-positive prices;
            high below or low above another price; negative or NaN volume; bad funding or marks.
    """
    where = raw.source or raw.symbol
    n = raw.open_ns.shape[0]
    if n == 0:
        raise FixData(f"{where}: no bars in the period; choose a period the file covers")
    check_stamps(where, raw.open_ns, raw.rows, raw.interval_ns)
    prices = np.stack([raw.open, raw.high, raw.low, raw.close], axis=1)
    check_prices(where, raw.open_ns, raw.rows, prices)
    _refuse(where, raw.open_ns, raw.rows, ~np.isfinite(raw.volume), "column volume is not a number")
    _refuse(where, raw.open_ns, raw.rows, raw.volume < 0.0, "column volume is negative")
    if raw.funding_ns is not None and raw.funding_rate is not None:
        check_funding(f"{raw.symbol} funding", raw.funding_ns, raw.funding_rate)
    if raw.mark_open_ns is not None and raw.mark is not None:
        check_stamps(f"{raw.symbol} mark", raw.mark_open_ns, None, raw.interval_ns)
        check_prices(f"{raw.symbol} mark", raw.mark_open_ns, None, raw.mark)
    missing = np.diff(raw.open_ns) // raw.interval_ns - 1
    return BarReport(
        raw.symbol,
        where,
        n,
        int(raw.open_ns[0]),
        int(raw.open_ns[-1]),
        int(np.count_nonzero(missing > 0)),
        int(missing.sum()) if n > 1 else 0,
        int(missing.max()) if n > 1 else 0,
        int(np.count_nonzero(raw.volume == 0.0)),
        int(np.count_nonzero(raw.high == raw.low)),
    )


def check_stamps(
    where: str, open_ns: Int64Array, rows: Int64Array | None, interval_ns: int
) -> None:
    """Refuse repeated, unsorted or off-grid bar opens."""
    steps = np.diff(open_ns)
    _refuse(where, open_ns, rows, steps == 0, "column timestamp: duplicate timestamp", 1)
    _refuse(
        where, open_ns, rows, steps < 0,
        "column timestamp: earlier than the row before, the file is not sorted", 1,
    )  # fmt: skip
    _refuse(
        where, open_ns, rows, open_ns % interval_ns != 0,
        "column timestamp: not on the grid of the interval",
    )  # fmt: skip


def check_prices(
    where: str, open_ns: Int64Array, rows: Int64Array | None, prices: Float64Array
) -> None:
    """Refuse bars (N, 4: open, high, low, close) that no market can have made."""
    for column, name in zip(prices.T, PRICE_COLUMNS, strict=True):
        _refuse(where, open_ns, rows, ~np.isfinite(column), f"column {name} is NaN or infinite")
        _refuse(where, open_ns, rows, column <= 0.0, f"column {name} is not a positive price")
    first, high, low, last = prices.T
    _refuse(where, open_ns, rows, high < low, "column high is below column low (high < low)")
    _refuse(
        where, open_ns, rows, high < np.maximum(first, last), "column high is below open or close"
    )
    _refuse(
        where, open_ns, rows, low > np.minimum(first, last), "column low is above open or close"
    )


def _refuse(
    where: str, open_ns: Int64Array, rows: Int64Array | None, bad: BoolArray, what: str,
    offset: int = 0,
) -> None:  # fmt: skip
    found = np.flatnonzero(bad)
    if not found.size:
        return
    place = int(found[0]) + offset
    row = place if rows is None else int(rows[place])
    at = np.datetime64(int(open_ns[place]) // NS_PER_SECOND, "s")
    more = f" (and {found.size - 1} more rows)" if found.size > 1 else ""
    raise FixData(f"{where}: row {row} ({at}Z): {what}{more}; mend or drop the row")
