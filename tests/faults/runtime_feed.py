"""``ports.MarketFeed`` straight from an exchange of this process, for bars of a few seconds.

ccxt knows no candles shorter than a minute; what a run needs many closes for takes them from here.
What the real feed does with faulty data is tested with the real feed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from runtime.exchange.market import CLOSE
from runtime.exchange.moving import MarketMove
from runtime.exchange.session import ExchangeSession
from runtime.port_market import Bar, FeedHealth, Mark, Touch

_NS_PER_MS = 1_000_000


class DirectFeed:
    """Bars, marks and touches of a session, as soon as the market has moved."""

    def __init__(self, session: ExchangeSession) -> None:
        self._session = session
        self._bars: deque[Bar] = deque()
        self._wake = asyncio.Event()
        self._end = session.on_market(self._moved)

    async def open(self, symbols: Sequence[str], interval: str) -> None:
        """It receives already."""

    async def close(self) -> None:
        """Stop receiving."""
        self._end()

    async def history(self, symbol: str, bars: int) -> tuple[Bar, ...]:
        """The last closed bars."""
        point, market = self._session.point, self._session.market
        last = point.row if point.vertex == CLOSE else point.row - 1
        rows = [r for r in range(last + 1) if market.trades_in(symbol, r)]
        return tuple(self._bar(symbol, row) for row in rows[-bars:])

    async def wait(self, timeout_s: float) -> bool:
        """Wait until there is a bar to take."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True

    def take_bars(self) -> tuple[Bar, ...]:
        """Bars closed since the last call."""
        taken = tuple(sorted(self._bars, key=lambda b: (b.close_ms, b.symbol)))
        self._bars.clear()
        self._wake.clear()
        return taken

    def mark(self, symbol: str) -> Mark | None:
        """The mark as it is now."""
        quote, contract = self._quote(symbol)
        price = quote.mark_ticks * contract.tick_num / contract.tick_den
        return Mark(symbol, price, price, 0.0, 0, self._session.now_ms)

    def touch(self, symbol: str) -> Touch | None:
        """Best prices: both the last one."""
        quote, contract = self._quote(symbol)
        price = quote.last_ticks * contract.tick_num / contract.tick_den
        return Touch(symbol, price, 1.0, price, 1.0, self._session.now_ms)

    def health(self, symbol: str) -> FeedHealth:
        """Always fresh."""
        return FeedHealth(symbol, 0.0, False)

    def _quote(self, symbol: str):  # type: ignore[no-untyped-def]
        state = self._session.state
        return state.quotes[symbol], state.listings[symbol].contract

    def _moved(self, move: MarketMove) -> None:
        if move.point.vertex != CLOSE or move.point.tick:
            return
        market = self._session.market
        for symbol in market.symbols:
            if market.trades_in(symbol, move.point.row):
                self._bars.append(self._bar(symbol, move.point.row))
        self._wake.set()

    def _bar(self, symbol: str, row: int) -> Bar:
        market = self._session.market
        s = market.index(symbol)
        contract = market.series.contracts[s]
        ohlc = [x * contract.tick_num / contract.tick_den for x in market.series.bars[s][row]]
        return Bar(
            symbol, market.open_ns(row) // _NS_PER_MS, market.close_ns(row) // _NS_PER_MS, *ohlc,
            float(market.series.market.volume[row, s]),
        )  # fmt: skip
