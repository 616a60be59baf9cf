"""Candles of the replayed market: closed ones, larger ones made of them, and the forming one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.core.errors import FixData
from envs.core.rules.booking import price_of
from envs.core.types import NS_PER_DAY
from envs.market.sources import interval_ns_of
from runtime.exchange.market import CLOSE, ExchangeMarket, Point

INTERVALS = (
    "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w",
)  # fmt: skip
_MONDAY_NS = 4 * NS_PER_DAY
"""1970-01-01 was a Thursday: weeks begin on the Monday after it."""


@dataclass(frozen=True)
class Kline:
    """One candle; prices in ticks: whole ones of last prices, float ones of marks.

    ``volume`` in base and ``quote_volume`` in quote units; a mark candle has neither.
    ``trades`` is made up from the volume. ``close_ns`` is the end of the candle's span.
    """

    symbol: str
    interval: str
    open_ns: int
    close_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float
    trades: int
    closed: bool


def kline_interval_ns(interval: str) -> int:
    """Length of an interval as the dialect names it.

    Raises:
        FixData: No such interval.
    """
    if interval not in INTERVALS:
        raise FixData(f"interval {interval!r} is none of {', '.join(INTERVALS)}")
    if interval == "1w":
        return 7 * NS_PER_DAY
    return interval_ns_of(interval)


class Klines:
    """Candles known at a point of the market; nothing beyond it is ever shown."""

    def __init__(self, market: ExchangeMarket) -> None:
        self.market = market
        self.base = next(
            (i for i in INTERVALS if kline_interval_ns(i) == market.interval_ns), INTERVALS[0]
        )

    def serves(self, interval: str) -> bool:
        """Whether an interval can be made of whole bars."""
        return interval in INTERVALS and kline_interval_ns(interval) % self.market.interval_ns == 0

    def between(
        self, symbol: str, interval: str, at: Point, start_ns: int | None, end_ns: int | None,
        limit: int, mark: bool = False,
    ) -> list[Kline]:  # fmt: skip
        """Candles that open in [start, end], oldest first, the forming one included.

        With a start the first ``limit`` of them, without it the last.

        Raises:
            FixData: The interval is not a multiple of the bars'.
        """
        if not self.serves(interval):
            raise FixData(f"interval {interval!r} is no multiple of the bars of {self.base}")
        market, width = self.market, kline_interval_ns(interval)
        # A close is the open of the next candle too, which has not begun.
        first_ns = _floor(market.open_ns(0), width)
        last_ns = market.time_of(at) - (1 if at.vertex == CLOSE else 0)
        low = first_ns if start_ns is None else max(start_ns, first_ns)
        high = last_ns if end_ns is None else min(end_ns, last_ns)
        if limit < 1 or high < low:
            return []
        opens = self._opens(low, high, width, limit, start_ns is not None)
        return [k for x in opens if (k := self._candle(symbol, interval, x, at, mark)) is not None]

    def closed_at(self, symbol: str, row: int) -> Kline | None:
        """The candle of the base interval that closes with a bar; None in a gap."""
        open_ns = self.market.open_ns(row)
        return self._candle(symbol, self.base, open_ns, Point(row, CLOSE), False)

    def forming(self, symbol: str, interval: str, at: Point) -> Kline | None:
        """The candle a point lies in; at a close the one that closes there."""
        market, width = self.market, kline_interval_ns(interval)
        inside = market.time_of(at) - (1 if at.vertex == CLOSE else 0)
        return self._candle(symbol, interval, _floor(inside, width), at, False)

    def _opens(self, low: int, high: int, width: int, limit: int, from_start: bool) -> range:
        first = _floor(low, width)
        if first < low:
            first += width
        last = _floor(high, width)
        if last < first:
            return range(0)
        count = min((last - first) // width + 1, limit)
        if not from_start:
            first = last - (count - 1) * width
        return range(first, first + count * width, width)

    def _candle(
        self, symbol: str, interval: str, open_ns: int, at: Point, mark: bool
    ) -> Kline | None:
        """One candle as far as it is known; None while no bar of it traded."""
        market, width = self.market, kline_interval_ns(interval)
        s = market.index(symbol)
        first = max(0, market.row_of(open_ns))
        end = min(market.row_of(open_ns + width), at.row + (1 if at.vertex == CLOSE else 0))
        one = market.series.series[s]
        rows = first + np.flatnonzero(one.valid[first:end]) if end > first else np.zeros(0, int)
        bars = (one.mark if mark else one.ohlc)[rows].tolist()
        volumes = market.series.market.volume[rows, s].tolist()
        in_bar = at.vertex != CLOSE and market.row_of(open_ns) <= at.row
        in_bar = in_bar and market.open_ns(at.row) < open_ns + width
        if in_bar and market.trades_in(symbol, at.row):
            bars.append(self._partial(symbol, at, mark))
            volumes.append(self._volume_so_far(s, at))
        if not bars:
            return None
        contract = market.series.contracts[s]
        volume = quote = 0.0
        for (o, h, low, c), v in zip(bars, volumes, strict=True):
            volume += v
            quote += v * price_of((o + h + low + c) / 4.0, contract)
        if mark:
            volume = quote = 0.0
        return Kline(
            symbol, interval, open_ns, open_ns + width, bars[0][0], max(b[1] for b in bars),
            min(b[2] for b in bars), bars[-1][3], volume, quote, 0 if mark else int(volume) + 1,
            open_ns + width <= market.time_of(at) and not in_bar,
        )  # fmt: skip

    def _partial(self, symbol: str, at: Point, mark: bool) -> tuple[float, float, float, float]:
        """Open, high, low and present price of the bar the market is in."""
        k = 1 if mark else 0
        seen = [self.market.vertex(symbol, at.row, v)[k] for v in range(at.vertex + 1)]
        seen.append(self.market.quote(symbol, at)[k])
        return seen[0], max(seen), min(seen), seen[-1]

    def _volume_so_far(self, s: int, at: Point) -> float:
        market = self.market
        share = (market.time_of(at) - market.open_ns(at.row)) / market.interval_ns
        return float(market.series.market.volume[at.row, s]) * share


def _floor(time_ns: int, width: int) -> int:
    offset = _MONDAY_NS if width == 7 * NS_PER_DAY else 0
    return (time_ns - offset) // width * width + offset
