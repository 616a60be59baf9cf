"""Market data of the ports: closed bars, mark prices, best prices, and whether to trust them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bar:
    """A closed bar; times in milliseconds, ``close_ms`` the first that does not belong to it."""

    symbol: str
    open_ms: int
    close_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(frozen=True)
class Mark:
    """Mark price and funding of a contract; ``rate`` is a fraction per funding interval."""

    symbol: str
    price: float
    index: float
    rate: float
    next_funding_ms: int
    time_ms: int


@dataclass(frozen=True)
class Touch:
    """Best bid and ask."""

    symbol: str
    bid: float
    bid_qty: float
    ask: float
    ask_qty: float
    time_ms: int

    @property
    def is_crossed(self) -> bool:
        """Whether the best bid is above the best ask; equal prices are no contradiction."""
        return self.bid > self.ask


@dataclass(frozen=True)
class FeedHealth:
    """Whether market data may be traded on.

    ``age_s`` is wall time since the last message; ``missing`` the open times of bars that never
    came.
    """

    symbol: str
    age_s: float
    stale: bool
    missing: tuple[int, ...] = ()
    crossed: bool = False
    problem: str = ""

    @property
    def usable(self) -> bool:
        """Whether entries may be decided on it; exits always may."""
        return not (self.stale or self.missing or self.crossed or self.problem)
