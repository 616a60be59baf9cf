"""Order books of the streams: best prices, snapshots of a few levels and continuous changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runtime.exchange.liquidity import slipped
from runtime.exchange.market_payloads import Level, changed_levels, depth_update
from runtime.exchange.moving import MarketMove, SymbolMove
from runtime.exchange.numbers import Scale
from runtime.exchange.orders import BUY, SELL
from runtime.exchange.session import ExchangeSession
from runtime.exchange.state import Quote
from runtime.exchange.stream_names import StreamName

_MS = 1_000_000
Side = dict[str, str]


@dataclass
class _Followed:
    """A book whose changes are sent: both sides as last seen, and what changed since ``sent``."""

    symbol: str
    bids: Side
    asks: Side
    sent: int
    bid_changes: Side = field(default_factory=dict)
    ask_changes: Side = field(default_factory=dict)


class MarketBooks:
    """Books of the present step; update ids are the numbers of the market's points."""

    def __init__(self, session: ExchangeSession, scales: dict[str, Scale]) -> None:
        self._session, self._scales = session, scales
        self._followed: dict[str, _Followed] = {}
        self._now: dict[str, tuple[Side, Side]] = {}

    def follow(self, name: str, symbol: str) -> None:
        """Keep track of the changes of a book, from now on."""
        session = self._session
        quote = session.state.quotes[symbol]
        bids, asks = self._levels(symbol, quote, session.now_ns)
        self._followed[name] = _Followed(symbol, bids, asks, session.market.number(session.point))

    def forget(self, name: str) -> None:
        """End that."""
        self._followed.pop(name, None)

    def on_move(self, move: MarketMove) -> None:
        """Note what a step changed in the books that are followed."""
        self._now = {}
        if not self._followed:
            return
        moved = {one.symbol: one for one in move.moves}
        for followed in self._followed.values():
            one = moved.get(followed.symbol)
            if one is None:
                continue
            bids, asks = self._sides(one, move)
            zero = self._scales[one.symbol].quantity(0)
            followed.bid_changes.update(changed_levels(followed.bids, bids, zero))
            followed.ask_changes.update(changed_levels(followed.asks, asks, zero))
            followed.bids, followed.asks = bids, asks

    def update(self, name: StreamName, move: MarketMove) -> dict[str, Any] | None:
        """Message of a depth stream: the changes since its last one, or the first levels."""
        if name.levels:
            one = next(x for x in move.moves if x.symbol == name.symbol)
            bids, asks = (list(side.items())[: name.levels] for side in self._sides(one, move))
            ids = (move.number, move.number, move.number - 1)
            return depth_update(name.symbol, bids, asks, ids, move.now_ns // _MS)
        followed = self._followed[name.name]
        if move.number <= followed.sent:
            return None
        ids = (followed.sent + 1, move.number, followed.sent)
        row = depth_update(
            name.symbol, list(followed.bid_changes.items()), list(followed.ask_changes.items()),
            ids, move.now_ns // _MS,
        )  # fmt: skip
        followed.sent = move.number
        followed.bid_changes, followed.ask_changes = {}, {}
        return row

    def best(self, one: SymbolMove, move: MarketMove) -> tuple[Level, Level]:
        """Best bid and best ask with their quantities."""
        bids, asks = self._sides(one, move)
        return _first(bids), _first(asks)

    def _sides(self, one: SymbolMove, move: MarketMove) -> tuple[Side, Side]:
        found = self._now.get(one.symbol)
        if found is None:
            slip = self._session.market.slip(one.symbol, move.point.row)
            quote = Quote(one.price_ticks, one.mark_ticks, slip)
            found = self._now[one.symbol] = self._levels(one.symbol, quote, move.now_ns)
        return found

    def _levels(self, symbol: str, quote: Quote, now_ns: int) -> tuple[Side, Side]:
        book, scale = self._session.book, self._scales[symbol]
        bids, asks = (
            {
                scale.price(level.price_ticks): scale.quantity(level.qty_steps)
                for level in book.side(symbol, side, quote.last_ticks, quote.slip, now_ns)
            }
            for side in (SELL, BUY)
        )
        if not bids:
            lowest = max(1, slipped(quote.last_ticks, SELL, quote.slip))
            bids = {scale.price(lowest): scale.quantity(1)}
        return bids, asks


def _first(side: Side) -> Level:
    return next(iter(side.items()))
