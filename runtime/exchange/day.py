"""What a contract did in the last 24 hours of market time, for tickers."""

from __future__ import annotations

from dataclasses import dataclass

from envs.core.types import NS_PER_DAY
from runtime.exchange.klines import Kline, Klines
from runtime.exchange.market import CLOSE, Point


@dataclass(frozen=True)
class Day:
    """Open, high, low and last in ticks; volumes in base and quote; times in nanoseconds."""

    symbol: str
    open: float
    high: float
    low: float
    last: float
    volume: float
    quote_volume: float
    trades: int
    open_ns: int
    close_ns: int


@dataclass(frozen=True)
class _Closed:
    """Candles of a day that have closed, up to a row."""

    row: int
    parts: tuple[Kline, ...]
    high: float
    low: float
    volume: float
    quote_volume: float


class DayStats:
    """Rolling 24 hours by whole candles of the base interval, the forming one included."""

    def __init__(self, klines: Klines) -> None:
        self._klines = klines
        self._closed: dict[str, _Closed] = {}

    def of(self, symbol: str, at: Point) -> Day | None:
        """The last 24 hours at a point; None before a contract's first candle."""
        market = self._klines.market
        forming = self._klines.forming(symbol, self._klines.base, at)
        closed = self._closed_before(symbol, at.row)
        if forming is None:
            if not closed.parts:
                return None
            high, low, last = closed.high, closed.low, closed.parts[-1].close
            volume, quote = closed.volume, closed.quote_volume
        else:
            high, low, last = forming.high, forming.low, forming.close
            volume, quote = forming.volume, forming.quote_volume
            if closed.parts:
                high, low = max(high, closed.high), min(low, closed.low)
                volume, quote = volume + closed.volume, quote + closed.quote_volume
        first = closed.parts[0] if closed.parts else forming
        if first is None:
            return None
        return Day(
            symbol, first.open, high, low, last, volume, quote, int(volume) + 1, first.open_ns,
            market.time_of(at),
        )  # fmt: skip

    def _closed_before(self, symbol: str, row: int) -> _Closed:
        """Candles before a row that still belong to its day; kept until the row changes."""
        known = self._closed.get(symbol)
        if known is not None and known.row == row:
            return known
        market = self._klines.market
        limit = max(0, NS_PER_DAY // market.interval_ns - 1)
        parts: list[Kline] = []
        if row > 0 and limit > 0:
            end_ns = market.open_ns(row) - 1
            start_ns = market.open_ns(row) - limit * market.interval_ns
            at = Point(row - 1, CLOSE)
            parts = self._klines.between(symbol, self._klines.base, at, start_ns, end_ns, limit)
        found = _Closed(
            row, tuple(parts), max((k.high for k in parts), default=0.0),
            min((k.low for k in parts), default=0.0), sum(k.volume for k in parts),
            sum(k.quote_volume for k in parts),
        )  # fmt: skip
        self._closed[symbol] = found
        return found
