"""Market time of a venue that moves by itself."""

from __future__ import annotations

from runtime.adapters.ccxt_feed import CcxtFeed
from runtime.adapters.ccxt_link import CcxtLink

_NS_PER_MS = 1_000_000


class MarketClock:
    """What time it is on the market: ``now_ns`` is what the kernel's ``clock_ns`` asks.

    On demo and live the wall clock with the venue's offset; on a local accelerated exchange the
    latest market time that was seen, since its wall clock says nothing of the market.
    """

    def __init__(self, link: CcxtLink, feed: CcxtFeed, wall: bool, start_ns: int = 0) -> None:
        self._link, self._feed, self._wall = link, feed, wall
        self._latest_ns = start_ns

    def now_ns(self) -> int:
        """Market time in nanoseconds; never runs backwards; 0 before anything was heard."""
        if self._wall:
            self.saw(self._link.venue_now_ms * _NS_PER_MS)
            return self._latest_ns
        for symbol in self._feed.symbols:
            mark, touch = self._feed.mark(symbol), self._feed.touch(symbol)
            if mark is not None:
                self.saw(mark.time_ms * _NS_PER_MS)
            if touch is not None:
                self.saw(touch.time_ms * _NS_PER_MS)
        return self._latest_ns

    def saw(self, time_ns: int) -> None:
        """Note a market time that was told (a fill, a bar, a funding row)."""
        self._latest_ns = max(self._latest_ns, time_ns)
