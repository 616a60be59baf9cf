"""Funding, marks and bars of a history, as a live process reads them bar by bar."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from envs.core.errors import FixData
from envs.core.types import Float64Array, Int64Array
from envs.market.bars import RawSeries
from envs.market.funding import LARGEST_RATE, funding_columns, last_known, whole_minutes
from runtime.port_market import Bar
from runtime.signals.bar_ticks import NS_PER_MS

Prices = tuple[float, float, float, float]


class Funding:
    """Settled funding rates of one symbol."""

    def __init__(
        self,
        stamps: Int64Array | None,
        rates: Float64Array | None,
        interval_ns: int,
        default_rate: float,
    ) -> None:
        self._stamps = np.zeros(0, dtype=np.int64) if stamps is None else stamps
        self._rates = np.zeros(0) if rates is None else rates
        self._interval_ns, self._default = interval_ns, default_rate

    def note(self, stamp_ns: int, rate: float) -> None:
        """Add a rate; one that is known already is kept.

        Raises:
            FixData: No sensible rate.
        """
        if not abs(rate) <= LARGEST_RATE:
            raise FixData(f"funding rate {rate!r}: give a fraction within +-{LARGEST_RATE}")
        stamp = int(whole_minutes(np.array([stamp_ns], dtype=np.int64))[0])
        place = int(np.searchsorted(self._stamps, stamp))
        if place < self._stamps.size and self._stamps[place] == stamp:
            return
        self._stamps = np.insert(self._stamps, place, stamp)
        self._rates = np.insert(self._rates, place, rate)

    def at(self, close_ns: int) -> tuple[float, float, bool]:
        """Of the bar that closes then: last rate known, rate charged at its open, and whether."""
        known_to = int(np.searchsorted(self._stamps, close_ns, side="right"))
        # The rules look back a day at most; the stamps before tell nothing more.
        first = max(0, known_to - 64)
        stamps, rates = self._stamps[first:known_to], self._rates[first:known_to]
        open_ns = np.array([close_ns - self._interval_ns], dtype=np.int64)
        rate, stamp, _ = funding_columns(stamps, rates, open_ns, self._interval_ns, self._default)
        known = last_known(stamps, rates, open_ns + self._interval_ns, self._default)
        return float(known[0]), float(rate[0]), bool(stamp[0])


class Marks:
    """Closed bars of the mark price by symbol and open."""

    def __init__(self, history: Sequence[RawSeries]) -> None:
        self._held: list[dict[int, Prices]] = [{} for _ in history]
        for held, raw in zip(self._held, history, strict=True):
            if raw.mark_open_ns is not None and raw.mark is not None:
                for open_ns, row in zip(raw.mark_open_ns.tolist(), raw.mark.tolist(), strict=True):
                    held[open_ns] = (row[0], row[1], row[2], row[3])

    def note(self, s: int, bar: Bar) -> None:
        """Keep one bar.

        Raises:
            FixData: No prices.
        """
        prices = (bar.open, bar.high, bar.low, bar.close)
        if not all(0.0 < p < np.inf for p in prices):
            raise FixData(f"{bar.symbol}: mark closing at {bar.close_ms} ms: no prices {prices}")
        self._held[s][bar.open_ms * NS_PER_MS] = prices

    def at(self, s: int, open_ns: int) -> Prices | None:
        """The bar that opens then, if it is known."""
        return self._held[s].get(open_ns)

    def forget(self, before_ns: int) -> None:
        """Drop bars that open before."""
        for s, held in enumerate(self._held):
            self._held[s] = {t: p for t, p in held.items() if t >= before_ns}


def pending_bars(history: Sequence[RawSeries], after_ns: int) -> dict[int, list[Bar]]:
    """Bars of a history that close after a time, by their close."""
    out: dict[int, list[Bar]] = {}
    for raw in history:
        for k in np.flatnonzero(raw.open_ns + raw.interval_ns > after_ns).tolist():
            open_ns = int(raw.open_ns[k])
            prices = (raw.open[k], raw.high[k], raw.low[k], raw.close[k], raw.volume[k])
            bar = Bar(
                raw.symbol, open_ns // NS_PER_MS, (open_ns + raw.interval_ns) // NS_PER_MS,
                *(float(x) for x in prices),
            )  # fmt: skip
            out.setdefault(open_ns + raw.interval_ns, []).append(bar)
    return out


def series_of(
    symbol: str,
    bars: Sequence[Bar],
    interval_ns: int,
    funding: Sequence[tuple[int, float]] = (),
    marks: Sequence[Bar] = (),
) -> RawSeries:
    """A feed's closed bars as a series; funding as (stamp in ns, rate)."""

    def column(of: Sequence[Bar], name: str) -> Float64Array:
        return np.array([getattr(bar, name) for bar in of], dtype=np.float64)

    names = ("open", "high", "low", "close")
    stamps = whole_minutes(np.array([t for t, _ in funding], dtype=np.int64))
    return RawSeries(
        symbol,
        interval_ns,
        np.array([bar.open_ms * NS_PER_MS for bar in bars], dtype=np.int64),
        column(bars, "open"),
        column(bars, "high"),
        column(bars, "low"),
        column(bars, "close"),
        column(bars, "volume"),
        stamps if funding else None,
        np.array([rate for _, rate in funding]) if funding else None,
        np.array([bar.open_ms * NS_PER_MS for bar in marks], dtype=np.int64) if marks else None,
        np.stack([column(marks, name) for name in names], axis=1) if marks else None,
        source=f"{symbol} from the venue",
    )
