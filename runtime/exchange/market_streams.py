"""Market streams: who is subscribed to what, and the messages of each step of the market."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from envs.core.errors import FixInput
from runtime.exchange import market_payloads as m
from runtime.exchange.connections import Connection
from runtime.exchange.day import DayStats
from runtime.exchange.fault_data import crossed_ticker, hides_kline
from runtime.exchange.fault_kinds import FaultKind
from runtime.exchange.faults import Faults
from runtime.exchange.klines import INTERVALS, kline_interval_ns
from runtime.exchange.market import CLOSE
from runtime.exchange.market_books import MarketBooks
from runtime.exchange.moving import MarketMove, SymbolMove
from runtime.exchange.numbers import Scale, scale_for
from runtime.exchange.prints import print_at
from runtime.exchange.session import ExchangeSession
from runtime.exchange.stream_names import StreamName, parse_stream

_MS = 1_000_000
_FUNDING_NS = 8 * 3_600 * 1_000_000_000


@dataclass
class _Stream:
    """A stream somebody hears: its clients and when it last spoke."""

    name: StreamName
    clients: dict[Connection, None] = field(default_factory=dict)
    last_ns: int | None = None


class MarketStreams:
    """Turns steps of the market into messages; without subscribers it does nothing."""

    def __init__(self, session: ExchangeSession, faults: Faults) -> None:
        self._session, self._faults = session, faults
        self._market = session.market
        self._scales: dict[str, Scale] = {
            name: scale_for(listing.contract) for name, listing in session.state.listings.items()
        }
        self._served = frozenset(i for i in INTERVALS if session.klines.serves(i))
        self._streams: dict[str, _Stream] = {}
        self._days = DayStats(session.klines)
        self._books = MarketBooks(session, self._scales)
        self._funding: dict[str, tuple[int, float, int]] = {}
        self._makers: dict[str, Callable[[StreamName, MarketMove], Iterator[tuple[str, Any]]]] = {
            "kline": self._klines_of, "miniTicker": self._minis, "ticker": self._tickers,
            "bookTicker": self._best, "markPrice": self._marks, "trade": self._trades,
            "aggTrade": self._trades, "depth": self._depth,
        }  # fmt: skip

    def check(self, name: str, category: str) -> StreamName:
        """Read a stream's name as asked for on a path.

        Raises:
            FixInput: No such stream, or the path of another category.
        """
        parsed = parse_stream(name, self._scales, self._served)
        if category and parsed.category != category:
            raise FixInput(f"invalid stream {name!r}: it is served under /{parsed.category}")
        return parsed

    def subscribe(self, parsed: StreamName, client: Connection) -> None:
        """Let a client hear a stream."""
        stream = self._streams.get(parsed.name)
        if stream is None:
            stream = self._streams[parsed.name] = _Stream(parsed)
            if parsed.kind == "depth" and not parsed.levels:
                self._books.follow(parsed.name, parsed.symbol)
        stream.clients[client] = None
        client.names[parsed.name] = None

    def unsubscribe(self, name: str, client: Connection) -> None:
        """End that; a stream nobody hears is forgotten."""
        client.names.pop(name, None)
        stream = self._streams.get(name)
        if stream is None:
            return
        stream.clients.pop(client, None)
        if not stream.clients:
            del self._streams[name]
            self._books.forget(name)

    def drop(self, client: Connection) -> None:
        """Forget a client."""
        for name in list(client.names):
            self.unsubscribe(name, client)

    def on_move(self, move: MarketMove) -> None:
        """Send what a step of the market means to every stream that is due."""
        if not self._streams:
            return
        self._books.on_move(move)
        for stream in list(self._streams.values()):
            name = stream.name
            at_close = move.point.vertex == CLOSE
            due = stream.last_ns is None or move.now_ns - stream.last_ns >= name.period_ns
            if not (due or (at_close and name.kind == "kline")):
                continue
            stream.last_ns = move.now_ns
            for symbol, payload in self._makers[name.kind](name, move):
                text = json.dumps(payload, separators=(",", ":"))
                for client in list(stream.clients):
                    client.send(name.name, symbol, text)

    def _meant(self, name: StreamName, move: MarketMove) -> list[SymbolMove]:
        return [one for one in move.moves if name.symbol in ("", one.symbol)]

    def _klines_of(self, name: StreamName, move: MarketMove) -> Iterator[tuple[str, Any]]:
        """The forming candle; at the end of its span also when no bar traded there."""
        ends = move.point.vertex == CLOSE and move.now_ns % kline_interval_ns(name.interval) == 0
        if not self._meant(name, move) and not ends:
            return
        kline = self._session.klines.forming(name.symbol, name.interval, move.point)
        if kline is None:
            return
        open_ms, close_ms = kline.open_ns // _MS, kline.close_ns // _MS - 1
        if self._faults.active and hides_kline(name.symbol, open_ms, close_ms, self._faults):
            return
        scale = self._scales[name.symbol]
        yield name.symbol, m.kline_update(kline, scale, move.now_ns // _MS, move.number)

    def _minis(self, name: StreamName, move: MarketMove) -> Iterator[tuple[str, Any]]:
        rows = [
            m.mini_ticker(day, self._scales[one.symbol], move.now_ns // _MS)
            for one in self._meant(name, move)
            if (day := self._days.of(one.symbol, move.point)) is not None
        ]
        yield from _joined(name, rows)

    def _tickers(self, name: StreamName, move: MarketMove) -> Iterator[tuple[str, Any]]:
        rows = [
            m.ticker(day, self._scales[one.symbol], move.now_ns // _MS, move.number)
            for one in self._meant(name, move)
            if (day := self._days.of(one.symbol, move.point)) is not None
        ]
        yield from _joined(name, rows)

    def _marks(self, name: StreamName, move: MarketMove) -> Iterator[tuple[str, Any]]:
        rows = []
        for one in self._meant(name, move):
            rate, next_ns = self._funding_of(one.symbol, move.point.row)
            scale, now_ms = self._scales[one.symbol], move.now_ns // _MS
            rows.append(
                m.mark_price(one.symbol, one.mark_ticks, scale, rate, next_ns // _MS, now_ms)
            )
        yield from _joined(name, rows)

    def _best(self, name: StreamName, move: MarketMove) -> Iterator[tuple[str, Any]]:
        for one in self._meant(name, move):
            bid, ask = self._books.best(one, move)
            row = m.book_ticker(one.symbol, bid, ask, move.now_ns // _MS, move.number)
            if self._faults.active and self._faults.lasting(FaultKind.CROSSED_BOOK, one.symbol):
                row = crossed_ticker(row, {"b": "a", "B": "A"})
            yield one.symbol, row

    def _trades(self, name: StreamName, move: MarketMove) -> Iterator[tuple[str, Any]]:
        make = m.trade if name.kind == "trade" else m.agg_trade
        for one in self._meant(name, move):
            yield one.symbol, make(self._print_of(one, move), move.now_ns // _MS)

    def _depth(self, name: StreamName, move: MarketMove) -> Iterator[tuple[str, Any]]:
        moved = self._meant(name, move)
        row = self._books.update(name, move) if moved else None
        if row is not None:
            if self._faults.active and self._faults.lasting(FaultKind.CROSSED_BOOK, name.symbol):
                row = crossed_ticker(row, {"b": "a"})
            yield name.symbol, row

    def _print_of(self, one: SymbolMove, move: MarketMove) -> m.Traded:
        """The step's trade as REST tells it, at the price of the step."""
        market, lockstep = self._market, self._session.settings.lockstep
        done, scale = print_at(market, one.symbol, move.point, lockstep), self._scales[one.symbol]
        price = scale.price(one.price_ticks)
        quantity = scale.quantity(done.qty_steps)
        return m.Traded(one.symbol, price, quantity, done.number, done.buyer_is_maker)

    def _funding_of(self, symbol: str, row: int) -> tuple[float, int]:
        """Rate of the last settlement and time of the next; without one in the data, 8 h on."""
        known = self._funding.get(symbol)
        if known is not None and known[0] == row:
            return known[1], known[2]
        market = self._market
        rate = 0.0
        for earlier in range(row, max(-1, row - 200_000), -1):
            stamp = market.funding_at(symbol, earlier)
            if stamp is not None:
                rate = stamp.rate
                break
        following = market.next_funding(symbol, row)
        now_ns = market.close_ns(row)
        next_ns = (
            -(-now_ns // _FUNDING_NS) * _FUNDING_NS if following is None else following.time_ns
        )
        self._funding[symbol] = (row, rate, next_ns)
        return rate, next_ns


def _joined(name: StreamName, rows: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """One array for all contracts, or one message."""
    if name.symbol:
        yield from ((name.symbol, row) for row in rows)
    elif rows:
        yield "", rows
