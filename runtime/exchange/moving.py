"""The market moves from point to point: funding, then every symbol's piece in name order.

The order inside a bar is that of ``envs.core.world``: funding stamps at the open, then at each
vertex all symbols by name. Symbols without business only get their quote.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtime.exchange.engine import Engine
from runtime.exchange.klines import Kline, Klines
from runtime.exchange.market import CLOSE, ExchangeMarket, Point
from runtime.exchange.state import Quote

VERTEX_NAMES = ("open", "first", "second", "close")


@dataclass(frozen=True)
class SymbolMove:
    """Where a symbol stands after a step: last price in ticks, mark in float ticks."""

    symbol: str
    price_ticks: int
    mark_ticks: float


@dataclass(frozen=True)
class MarketMove:
    """One step of the market.

    ``number`` grows with every point of the market, the same in every run. ``moves`` leaves out
    symbols without a bar; ``klines`` are the base-interval candles that closed here.
    """

    number: int
    point: Point
    now_ns: int
    moves: tuple[SymbolMove, ...]
    klines: tuple[Kline, ...]


class MarketWalk:
    """Moves an engine through a market; ``lockstep`` by vertices, else by ticks.

    Attributes:
        point, now_ns: where the market stands, and its time there.
        ended: whether the data is used up.
    """

    def __init__(self, engine: Engine, market: ExchangeMarket, lockstep: bool) -> None:
        self.engine, self.market, self.lockstep = engine, market, lockstep
        self.klines = Klines(market)
        self.point = market.first
        self.now_ns, self.ended = 0, False
        self._jump(market.first)

    @property
    def next_point(self) -> Point:
        """Where the next step leads."""
        if self.lockstep:
            return self.market.next_vertex(self.point)
        return self.market.next_tick(self.point)

    def step(self) -> MarketMove:
        """Go to the next point."""
        self.go()
        return self.report()

    def skip_to_close(self) -> MarketMove:
        """Go to the close of the present bar at once, or of the next; nothing may be open."""
        self.leap()
        return self.report()

    def leap(self) -> None:
        """As ``skip_to_close``, without the report."""
        row = self.point.row + (1 if self.point.vertex == CLOSE else 0)
        self._jump(Point(row, CLOSE))

    def move_to(self, target: Point) -> None:
        """Go to a point ahead, step by step where anything is open, else at once."""
        end = self.market.number(target)
        while self.market.number(self.point) < end:
            if self.engine.state.has_business():
                self.go()
            else:
                self._jump(target)

    def go(self) -> None:
        """As ``step``, without the report."""
        engine, market, start = self.engine, self.market, self.point
        end = self.next_point
        state, now_ns = engine.state, market.time_of(end)
        traded, begins = market.traded_in(end.row), end.vertex == 0 and end.tick == 0
        if begins:
            for name in traded:
                stamp = market.funding_at(name, end.row) if name in state.holdings else None
                if stamp is not None:
                    engine.fund(name, stamp.mark_ticks, stamp.rate, stamp.time_ns)
        for name in traded:
            if state.has_business(name):
                engine.walk(name, market.piece(name, start, end, now_ns))
            elif begins:
                self._set_quote(name, end)
            else:
                # Slippage is that of the bar, which has begun.
                quote = state.quotes[name]
                quote.last_ticks, quote.mark_ticks = market.quote(name, end)
        self._arrive(end, now_ns)

    def _jump(self, target: Point) -> None:
        market = self.market
        for name in market.symbols:
            row = market.last_traded_row(name, target.row)
            self._set_quote(name, target if row == target.row else Point(row, CLOSE))
        self._arrive(target, market.time_of(target))

    def _set_quote(self, name: str, point: Point) -> None:
        price, mark = self.market.quote(name, point)
        slip = self.market.slip(name, point.row)
        quote = self.engine.state.quotes.get(name)
        if quote is None:
            self.engine.state.quotes[name] = Quote(price, mark, slip)
        else:
            quote.last_ticks, quote.mark_ticks, quote.slip = price, mark, slip

    def _arrive(self, point: Point, now_ns: int) -> None:
        self.point, self.now_ns = point, now_ns
        # After the last close there is no open to wait for: the core closes there too.
        self.ended = ends = self.market.is_last(point)
        self.engine.at_close = self.lockstep and point.vertex == CLOSE and not ends
        if ends:
            for name, quote in self.engine.state.quotes.items():
                # What a fill would slip by in this row, also where it is a gap.
                quote.slip = self.market.slip(name, point.row)

    def report(self) -> MarketMove:
        """The last step as a value."""
        market, point, quotes = self.market, self.point, self.engine.state.quotes
        traded = market.traded_in(point.row)
        moves = tuple(
            SymbolMove(name, quotes[name].last_ticks, quotes[name].mark_ticks) for name in traded
        )
        klines: tuple[Kline, ...] = ()
        if point.vertex == CLOSE:
            found = (self.klines.closed_at(name, point.row) for name in traded)
            klines = tuple(k for k in found if k is not None)
        return MarketMove(market.number(point), point, self.now_ns, moves, klines)
