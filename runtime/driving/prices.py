"""Quotes from a feed that moves by itself, in ticks as the kernel reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from envs.core.instrument import Instrument
from runtime.kernel_ports import Quote
from runtime.port_market import FeedHealth
from runtime.ports import MarketFeed

_NS_PER_MS = 1_000_000


class PricedFeed(MarketFeed, Protocol):
    """A feed that also tells the last price, and asks for bars when it is told to."""

    def last(self, symbol: str) -> float | None:
        """Last price, None before the first."""
        ...

    async def collect(self, until_ms: int) -> None:
        """Ask for the bars that close by a market time that has come.

        Raises:
            VenueUnavailable: The venue did not answer.
        """
        ...


def quotes_of(
    feed: PricedFeed, instruments: Mapping[str, Instrument], symbols: Iterable[str],
    max_age_s: float,
) -> dict[str, Quote]:  # fmt: skip
    """Quotes of the contracts whose data are fresh; the others are left out.

    Without a trade yet the last price is the middle of the best prices, then the mark; a contract
    without a mark has its last price for it.
    """
    found: dict[str, Quote] = {}
    for symbol in symbols:
        if feed.health(symbol).age_s > max_age_s:
            continue
        mark, touch, last = feed.mark(symbol), feed.touch(symbol), feed.last(symbol)
        if last is None and touch is not None and not touch.is_crossed:
            last = (touch.bid + touch.ask) / 2.0
        if last is None and mark is not None:
            last = mark.price
        if last is None:
            continue
        tick = instruments[symbol].tick
        at_mark = last if mark is None else mark.price
        time_ms = max(0 if mark is None else mark.time_ms, 0 if touch is None else touch.time_ms)
        found[symbol] = Quote(
            round(last * tick.denominator / tick.numerator),
            at_mark * tick.denominator / tick.numerator, time_ms * _NS_PER_MS,
        )  # fmt: skip
    return found


def why_unusable(health: FeedHealth, max_age_s: float) -> str:
    """Why no entry may be decided on a contract's data, empty where one may."""
    if health.problem:
        return "FEED_FAULTY"
    if health.stale or health.age_s > max_age_s:
        return "FEED_STALE"
    if health.missing:
        return "FEED_GAP"
    return "FEED_CROSSED" if health.crossed else ""
