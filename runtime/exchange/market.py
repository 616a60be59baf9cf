"""The market the venue replays: bars as the core lays them out, addressed by point."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from envs.core.errors import FixData
from envs.core.market_data import MarketData
from envs.core.rules.walk import vertex_ns
from envs.core.series import MarketSeries, prepare
from envs.core.types import NS_PER_SECOND
from envs.market.build import build_market, load_market
from envs.market.report import fingerprint
from envs.market.settings import MarketSettings
from envs.market.sources import interval_ns_of
from envs.market.synthetic import SyntheticSettings, edge_of, generate
from runtime.exchange.matching import Piece
from runtime.exchange.settings import START_BARS, ExchangeSettings
from runtime.exchange.state import Listing

CLOSE = 3


class Point(NamedTuple):
    """Where the market stands: at vertex ``vertex`` of bar ``row``, ``tick`` ticks beyond it.

    Vertices are 0 open, 1 and 2 the extremes, 3 close; ``tick`` counts on the way to the next
    vertex and is 0 at one. The close of a bar and the open of the next share one time.
    """

    row: int
    vertex: int
    tick: int = 0


@dataclass(frozen=True)
class FundingStamp:
    """A funding settlement: rate longs pay and mark in float ticks, at ``time_ns``."""

    symbol: str
    time_ns: int
    rate: float
    mark_ticks: float


class ExchangeMarket:
    """Bars of all symbols by point and symbol name; prices in unsigned ticks.

    Attributes:
        series: columns as the core reads them, slippage, marks and funding included.
        symbols: names, sorted.
        first: point at the first start, a close.
        last_row: the bar whose close ends the market.
        tick_ns: market time between two ticks.
        fingerprint: hash of the data.
    """

    def __init__(
        self, series: MarketSeries, first_row: int, tick_s: float = 1.0,
        last_row: int | None = None,
    ) -> None:  # fmt: skip
        market = series.market
        self.last_row = market.n_bars - 1 if last_row is None else last_row
        if not 0 <= first_row < self.last_row < market.n_bars:
            raise FixData(
                f"market: the start is bar {first_row + 1}, the end bar {self.last_row + 1} of "
                f"{market.n_bars}, but at least one bar must follow the start: start earlier "
                "(--start), end later (--end) or give more bars"
            )
        for s, name in enumerate(market.symbols):
            if not bool(series.series[s].valid[: first_row + 1].any()):
                raise FixData(f"market: {name} has no bar before the start: start later (--start)")
        self.series = series
        self.symbols = market.symbols
        self.interval_ns = market.interval_ns
        self.first = Point(first_row, CLOSE)
        self.tick_ns = max(1, round(tick_s * NS_PER_SECOND))
        self.fingerprint = fingerprint(market)
        self._paths: dict[str, tuple[int, list[tuple[int, float]]]] = {}
        self._most_ticks = -(-self.interval_ns // self.tick_ns) + 1
        self._index = {name: s for s, name in enumerate(market.symbols)}
        self._valid = [one.valid.tolist() for one in series.series]
        self._traded: tuple[int, tuple[str, ...]] = (-1, ())
        self._first_open_ns = int(market.close_ns[0]) - market.interval_ns
        self._offsets = tuple(vertex_ns(0, self.interval_ns, 1, 0, v) for v in range(CLOSE + 2))

    def index(self, symbol: str) -> int:
        """Column of a symbol."""
        return self._index[symbol]

    def open_ns(self, row: int) -> int:
        """Open time of a bar."""
        return self._first_open_ns + row * self.interval_ns

    def close_ns(self, row: int) -> int:
        """Close time of a bar: the open time of the next."""
        return self.open_ns(row + 1)

    def row_of(self, time_ns: int) -> int:
        """Bar that contains a time; may lie outside the data."""
        return (time_ns - self._first_open_ns) // self.interval_ns

    def trades_in(self, symbol: str, row: int) -> bool:
        """Whether a symbol has this bar."""
        return row <= self.last_row and self._valid[self._index[symbol]][row] is True

    def traded_in(self, row: int) -> tuple[str, ...]:
        """Symbols that have this bar, by name; the bar asked last is kept."""
        kept, names = self._traded
        if kept != row:
            names = tuple(name for name in self.symbols if self.trades_in(name, row))
            self._traded = row, names
        return names

    def last_traded_row(self, symbol: str, row: int) -> int:
        """Last bar a symbol has at or before ``row``."""
        valid = self._valid[self._index[symbol]]
        while not valid[row]:
            row -= 1
        return row

    def listings(self) -> dict[str, Listing]:
        """Contracts by name."""
        series = self.series
        return {
            name: Listing(series.market.instruments[s], series.contracts[s], series.brackets[s])
            for s, name in enumerate(self.symbols)
        }

    def slip(self, symbol: str, row: int) -> float:
        """Slippage of fills in a bar, known before it."""
        # The same numbers as the column ``slip``, which is slow to read one by one.
        return self.series.slip_next[self._index[symbol]][row - 1 if row else 0]

    def vertex_time(self, row: int, vertex: int) -> int:
        """Market time of a vertex: thirds of the bar."""
        return self._first_open_ns + row * self.interval_ns + self._offsets[vertex]

    def vertex(self, symbol: str, row: int, vertex: int) -> tuple[int, float]:
        """Last price and mark (float ticks) at a vertex of the ``path`` rule."""
        return self._path(symbol, row)[vertex]

    def _path(self, symbol: str, row: int) -> list[tuple[int, float]]:
        """The four vertices of a bar; the bar asked last is kept, since ticks ask it often."""
        kept = self._paths.get(symbol)
        if kept is not None and kept[0] == row:
            return kept[1]
        s = self._index[symbol]
        o, h, low, c = self.series.bars[s][row]
        mo, mh, ml, mc = self.series.marks[s][row]
        # ``adverse_first`` and ``signed_vertex`` of the rule ``path`` for side 1, written out.
        path = [(o, mo), (low, ml), (h, mh), (c, mc)]
        if c < o:
            path[1], path[2] = path[2], path[1]
        self._paths[symbol] = (row, path)
        return path

    def ticks_after(self, row: int, vertex: int) -> int:
        """Ticks from a vertex to the next one of the same bar, its own included."""
        width = self.vertex_time(row, vertex + 1) - self.vertex_time(row, vertex)
        return max(1, -(-width // self.tick_ns))

    def time_of(self, point: Point) -> int:
        """Market time of a point."""
        start = self.vertex_time(point.row, point.vertex)
        return start + point.tick * self.tick_ns if point.tick else start

    def quote(self, symbol: str, point: Point) -> tuple[int, float]:
        """Last price and mark at a point: linear in time between two vertices."""
        if point.vertex == CLOSE:
            s = self._index[symbol]
            return self.series.bars[s][point.row][3], self.series.marks[s][point.row][3]
        price, mark = self._path(symbol, point.row)[point.vertex]
        if not point.tick:
            return price, mark
        to, mark_to = self.vertex(symbol, point.row, point.vertex + 1)
        start = self.vertex_time(point.row, point.vertex)
        end = self.vertex_time(point.row, point.vertex + 1)
        passed, width = point.tick * self.tick_ns, end - start
        return price + (to - price) * passed // width, mark + (mark_to - mark) * (passed / width)

    def piece(self, symbol: str, start: Point, end: Point, now_ns: int) -> Piece:
        """The straight piece between two neighbouring points, or the open ``end`` begins with.

        ``now_ns`` is ``time_of(end)``.
        """
        slip = self.slip(symbol, end.row)
        if end.vertex == 0 and end.tick == 0:
            b, mark_b = self._path(symbol, end.row)[0]
            return Piece(True, b, b, mark_b, mark_b, slip, now_ns)
        if start.tick or end.tick:
            (a, mark_a), (b, mark_b) = self.quote(symbol, start), self.quote(symbol, end)
        else:
            path = self._path(symbol, end.row)
            (a, mark_a), (b, mark_b) = path[start.vertex], path[end.vertex]
        return Piece(False, a, b, mark_a, mark_b, slip, now_ns)

    def next_vertex(self, point: Point) -> Point:
        """The vertex after a point; the open of the next bar after a close."""
        if point.vertex == CLOSE:
            return Point(point.row + 1, 0)
        return Point(point.row, point.vertex + 1)

    def next_tick(self, point: Point) -> Point:
        """The tick after a point; a vertex is never jumped over."""
        if point.vertex == CLOSE:
            return Point(point.row + 1, 0)
        if point.tick + 1 >= self.ticks_after(point.row, point.vertex):
            return Point(point.row, point.vertex + 1)
        return Point(point.row, point.vertex, point.tick + 1)

    def before(self, point: Point, lockstep: bool) -> Point:
        """The point before: a tick, or a vertex in lockstep."""
        if point.tick:
            return Point(point.row, point.vertex, 0 if lockstep else point.tick - 1)
        if point.vertex == 0:
            return Point(point.row - 1, CLOSE)
        vertex = point.vertex - 1
        return Point(point.row, vertex, 0 if lockstep else self.ticks_after(point.row, vertex) - 1)

    def number(self, point: Point) -> int:
        """Points in their order: a number that grows from each to the next."""
        return (point.row * 4 + point.vertex) * self._most_ticks + point.tick

    def point_at(self, time_ns: int) -> Point:
        """The first point at or after a time, at the latest the end of the data."""
        row = self.row_of(time_ns - 1)
        if row > self.last_row:
            return Point(self.last_row, CLOSE)
        vertex = 0
        while vertex < CLOSE and self.vertex_time(row, vertex + 1) < time_ns:
            vertex += 1
        passed = -(-(time_ns - self.vertex_time(row, vertex)) // self.tick_ns)
        if passed >= self.ticks_after(row, vertex):
            return Point(row, vertex + 1)
        return Point(row, vertex, passed)

    def is_last(self, point: Point) -> bool:
        """Whether the data ends here."""
        return point.vertex == CLOSE and point.row >= self.last_row

    def funding_at(self, symbol: str, row: int) -> FundingStamp | None:
        """Settlement at the instant a bar opens, if there is one."""
        s = self._index[symbol]
        one = self.series.series[s]
        if row > self.last_row or not (one.valid[row] and one.stamp[row]):
            return None
        rate, mark = float(one.funding[row]), self.series.marks[s][row][0]
        return FundingStamp(symbol, self.open_ns(row), rate, mark)

    def next_funding(self, symbol: str, row: int) -> FundingStamp | None:
        """First settlement after the open of bar ``row``; None when the data has no more."""
        one = self.series.series[self._index[symbol]]
        for later in range(row + 1, self.last_row + 1):
            if one.valid[later] and one.stamp[later]:
                return self.funding_at(symbol, later)
        return None


def open_market(settings: ExchangeSettings) -> ExchangeMarket:
    """Read or generate the market of an exchange and find where it starts.

    Raises:
        FixData, FixSettings: Missing or damaged data, or a start outside it.
    """
    data = _market_of(settings)
    # Counted from the bar that the last listed symbol begins with: all have their history then.
    first = max(int(np.argmax(data.valid[:, s])) for s in range(data.n_symbols)) + START_BARS - 1
    if settings.start is not None:
        first = data.row_at(_ns_of(settings.start))
    last = None
    if settings.end is not None:
        last = min(data.row_at(_ns_of(settings.end)), data.n_bars - 1)
    return ExchangeMarket(prepare(data, settings.core), first, settings.tick_s, last)


def _market_of(settings: ExchangeSettings) -> MarketData:
    costs = settings.core.costs
    if settings.is_synthetic:
        drawn = generate(
            SyntheticSettings(
                symbols=settings.symbols,
                n_bars=settings.synthetic_bars,
                interval_ns=interval_ns_of(settings.timeframe),
                seed=settings.seed,
                edge=edge_of(settings.synthetic_edge),
            )
        )
        return build_market(drawn.series, drawn.instruments)[0]
    return load_market(
        Path(settings.data),
        settings.symbols,
        settings.timeframe,
        funding_default=settings.funding_default,
        default_rate=costs.funding_rate,
        default_mmr=costs.default_mmr,
        settings=MarketSettings(),
    )[0]


def _ns_of(moment: datetime) -> int:
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * NS_PER_SECOND + moment.microsecond * 1_000
