"""What every endpoint's rule is given: the session, its state and the clocks."""

from __future__ import annotations

import hashlib

from runtime.exchange.day import DayStats
from runtime.exchange.faults import Faults
from runtime.exchange.listen_keys import ListenKeys
from runtime.exchange.numbers import Scale, scale_for
from runtime.exchange.rest.limits import Limits, RateLimiter
from runtime.exchange.session import ExchangeSession
from runtime.exchange.state import VenueState


class Desk:
    """One exchange as the REST endpoints see it.

    Attributes:
        session, state: the exchange; changed by commands only.
        limiter: request weights and order counts.
        listen_keys: keys of the user stream.
        days: the last 24 hours.
    """

    def __init__(
        self, session: ExchangeSession, limits: Limits, listen_keys: ListenKeys,
        faults: Faults | None,
    ) -> None:  # fmt: skip
        self.session = session
        self.limiter = RateLimiter(limits)
        self.listen_keys = listen_keys
        self.days = DayStats(session.klines)
        self._faults = faults
        self._named = 0

    @property
    def state(self) -> VenueState:
        """The account and its orders."""
        return self.session.state

    @property
    def wall_ms(self) -> int:
        """Wall time as the server tells it; a fault may skew it."""
        skew = self._faults.skew_ms if self._faults is not None else 0
        return self.session.clock.now_ms() + skew

    @property
    def true_wall_ms(self) -> int:
        """Wall time for limits, which no fault moves."""
        return self.session.clock.now_ms()

    @property
    def market_ms(self) -> int:
        """Market time."""
        return self.session.now_ms

    def scale(self, symbol: str) -> Scale:
        """Decimal texts of a contract.

        Raises:
            VenueError: -1121, there is none.
        """
        return scale_for(self.state.listing(symbol).contract)

    def symbols(self, symbol: str | None) -> list[str]:
        """One contract or all.

        Raises:
            VenueError: -1121, there is none.
        """
        if symbol is None:
            return list(self.session.market.symbols)
        self.state.listing(symbol)
        return [symbol]

    def client_id(self) -> str:
        """A name for an order whose client gave none."""
        self._named += 1
        key = (self.session.settings.seed, self.session.now_ns, self.state.next_order_id())
        return hashlib.sha256(f"{key}/{self._named}".encode()).hexdigest()[:22]
