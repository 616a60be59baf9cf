"""Market time of a venue that moves by itself."""

from __future__ import annotations

from runtime.adapters.ccxt_feed import CcxtFeed
from runtime.adapters.ccxt_link import CcxtLink


class MarketClock:
    """What time it is on the market: ``now_ns`` is what the kernel's ``clock_ns`` asks.

    On demo and live the wall clock with the venue's offset; on a local accelerated exchange the
    latest market time that was seen (its wall clock says nothing of the market).
    """

    def __init__(self, link: CcxtLink, feed: CcxtFeed, wall: bool) -> None:
        self._link, self._feed, self._wall = link, feed, wall
        self._latest_ns = 0

    def now_ns(self) -> int:
        """Market time in nanoseconds; never runs backwards; 0 before anything was heard."""
        raise NotImplementedError

    def saw(self, time_ns: int) -> None:
        """Note a market time that was told (a fill, a bar, a funding row)."""
        self._latest_ns = max(self._latest_ns, time_ns)
