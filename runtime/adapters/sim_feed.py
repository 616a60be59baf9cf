"""``ports.MarketFeed`` on an exchange session of this process."""

from __future__ import annotations

import math
from collections.abc import Sequence

from envs.core.errors import FixInput
from runtime.exchange.market import CLOSE
from runtime.exchange.numbers import scale_for
from runtime.exchange.session import ExchangeSession
from runtime.port_market import Bar, FeedHealth, Mark, Touch

_MS = 1_000_000
_DECIMALS = 8
"""Marks and volumes are sent with as many."""


class SimFeed:
    """Bars, marks and best prices as the session has them; nothing is ever late.

    Prices are rounded as on the wire, so that this feed and ``CcxtFeed`` tell equal bars. Bars are
    those of the market's own interval. Unlike there, the bar that closes at the present point is
    closed already: nothing has to begin first.
    """

    def __init__(self, session: ExchangeSession) -> None:
        self.session = session
        self._symbols: tuple[str, ...] = ()
        self._told_row = -1

    async def open(self, symbols: Sequence[str], interval: str) -> None:
        """Begin to receive; the bars closed so far count as known.

        Raises:
            FixInput: A contract or an interval the exchange does not have.
        """
        market = self.session.market
        unknown = [s for s in symbols if s not in market.symbols]
        if unknown or not symbols:
            raise FixInput(f"feed: not listed: {', '.join(unknown) or 'no contract was given'}")
        if interval != self.session.klines.base:
            raise FixInput(
                f"feed: bars of {self.session.klines.base} are simulated, got {interval!r}"
            )
        self._symbols, self._told_row = tuple(sorted(symbols)), self._closed_row

    async def close(self) -> None:
        """Stop receiving."""
        self._symbols = ()

    async def history(self, symbol: str, bars: int) -> tuple[Bar, ...]:
        """The last closed bars, oldest first."""
        if bars < 1:
            raise FixInput(f"history: at least one bar, got {bars}")
        found: list[Bar] = []
        row = self._closed_row
        while row >= 0 and len(found) < bars:
            if self.session.market.trades_in(symbol, row):
                found.append(self._bar(symbol, row))
            row -= 1
        return tuple(reversed(found))

    async def wait(self, timeout_s: float) -> bool:
        """Whether there is a bar to take; never waits."""
        return self._told_row < self._closed_row

    async def collect(self, until_ms: int) -> None:
        """Nothing needs asking for here."""

    def take_bars(self) -> tuple[Bar, ...]:
        """Bars closed since the last call, by close and name."""
        last, market = self._closed_row, self.session.market
        rows = range(self._told_row + 1, last + 1)
        self._told_row = last
        return tuple(
            self._bar(name, row)
            for row in rows
            for name in self._symbols
            if market.trades_in(name, row)
        )

    def mark(self, symbol: str) -> Mark | None:
        """Mark price, the last settled funding rate and the next stamp."""
        session = self.session
        market, row = session.market, session.point.row
        scale = scale_for(session.state.listings[symbol].contract)
        price = float(scale.fine_price(session.state.quotes[symbol].mark_ticks))
        past = (market.funding_at(symbol, r) for r in range(row, -1, -1))
        stamp = next((x for x in past if x is not None), None)
        following = market.next_funding(symbol, row)
        return Mark(
            symbol, price, price, 0.0 if stamp is None else round(stamp.rate, _DECIMALS),
            0 if following is None else following.time_ns // _MS, session.now_ms,
        )  # fmt: skip

    def touch(self, symbol: str) -> Touch | None:
        """Best bid and ask of the synthetic book."""
        session = self.session
        levels = session.book.levels(symbol, session.state.quotes[symbol], session.point)
        scale = scale_for(session.state.listings[symbol].contract)
        bid, ask = levels.bids[0], levels.asks[0]
        return Touch(
            symbol, float(scale.price(bid.price_ticks)), float(scale.quantity(bid.qty_steps)),
            float(scale.price(ask.price_ticks)), float(scale.quantity(ask.qty_steps)),
            session.now_ms,
        )  # fmt: skip

    def last(self, symbol: str) -> float | None:
        """Last price."""
        state = self.session.state
        return float(scale_for(state.listings[symbol].contract).price(
            state.quotes[symbol].last_ticks
        ))  # fmt: skip

    def health(self, symbol: str) -> FeedHealth:
        """Fit to trade for a contract that was opened."""
        if symbol not in self._symbols:
            return FeedHealth(symbol, math.inf, True, problem="not subscribed")
        return FeedHealth(symbol, 0.0, False)

    @property
    def _closed_row(self) -> int:
        point = self.session.point
        return point.row if point.vertex == CLOSE else point.row - 1

    def _bar(self, symbol: str, row: int) -> Bar:
        market = self.session.market
        s = market.index(symbol)
        o, h, low, c = market.series.bars[s][row]
        contract = market.series.contracts[s]
        num, den = contract.tick_num, contract.tick_den
        open_ms = market.open_ns(row) // _MS
        # Division of whole numbers rounds once, as reading the exact decimal text does.
        return Bar(
            symbol, open_ms, open_ms + market.interval_ns // _MS, o * num / den, h * num / den,
            low * num / den, c * num / den,
            round(float(market.series.market.volume[row, s]), _DECIMALS),
        )  # fmt: skip
