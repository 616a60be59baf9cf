"""Raw bars of one symbol, and the report that says whether they can be trusted."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from envs.core.errors import FixData
from envs.core.types import Float64Array, Int64Array

PRICE_COLUMNS = ("open", "high", "low", "close")


@dataclass(frozen=True)
class RawSeries:
    """One symbol's history as a source gives it; all arrays one-dimensional.

    ``open_ns`` int64 UTC nanoseconds of bar OPENS. Prices in quote, volume in base. Funding stamps
    and rates (fraction paid by longs), and mark OHLC keyed by bar open, are None where the source
    has none. ``finer`` is the same contract at a smaller interval, for detail inside a bar.
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

    def between(self, start_ns: int | None, end_ns: int | None) -> RawSeries:
        """Bars that open at or after ``start_ns`` and close at or before ``end_ns``."""
        keep = np.ones(self.open_ns.shape[0], dtype=np.bool_)
        if start_ns is not None:
            keep &= self.open_ns >= start_ns
        if end_ns is not None:
            keep &= self.open_ns + self.interval_ns <= end_ns
        return RawSeries(
            self.symbol,
            self.interval_ns,
            self.open_ns[keep],
            self.open[keep],
            self.high[keep],
            self.low[keep],
            self.close[keep],
            self.volume[keep],
            self.funding_ns,
            self.funding_rate,
            self.mark_open_ns,
            self.mark,
            None if self.finer is None else self.finer.between(start_ns, end_ns),
            self.source,
        )


@dataclass(frozen=True)
class BarReport:
    """What a validation found; errors are raised, these are the facts a user should know."""

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

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary."""
        return asdict(self)


def validate(raw: RawSeries) -> BarReport:
    """Check one series; every defect names source, row and column.

    Raises:
        FixData: Empty, unsorted, duplicate or off-grid timestamps; NaN or non-positive prices;
            high below or low above another price; negative or NaN volume.
    """
    where = raw.source or raw.symbol
    n = raw.open_ns.shape[0]
    if n == 0:
        raise FixData(f"{where}: no bars in the period; choose a period the file covers")
    steps = np.diff(raw.open_ns)
    _refuse(where, raw, steps == 0, "duplicate timestamp", 1)
    _refuse(where, raw, steps < 0, "timestamp earlier than the row before: sort the file", 1)
    _refuse(where, raw, raw.open_ns % raw.interval_ns != 0, "timestamp off the interval's grid")
    for name in PRICE_COLUMNS:
        column: Float64Array = getattr(raw, name)
        _refuse(where, raw, ~np.isfinite(column), f"column {name} is NaN or infinite")
        _refuse(where, raw, column <= 0.0, f"column {name} is not a positive price")
    _refuse(where, raw, raw.high < raw.low, "high < low")
    body_high, body_low = np.maximum(raw.open, raw.close), np.minimum(raw.open, raw.close)
    _refuse(where, raw, raw.high < body_high, "high is below open or close")
    _refuse(where, raw, raw.low > body_low, "low is above open or close")
    _refuse(where, raw, ~(raw.volume >= 0.0), "column volume is NaN or negative")
    missing = steps // raw.interval_ns - 1
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


def _refuse(where: str, raw: RawSeries, bad: Any, what: str, offset: int = 0) -> None:
    rows = np.flatnonzero(bad)
    if rows.size:
        row = int(rows[0]) + offset
        at = np.datetime64(int(raw.open_ns[row]), "ns")
        more = f" (and {rows.size - 1} more rows)" if rows.size > 1 else ""
        raise FixData(f"{where}: row {row} ({at}Z): {what}{more}; mend or drop the row")
