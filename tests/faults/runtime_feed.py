"""The market of an exchange of this process, for bars of a few seconds.

ccxt knows no candles shorter than a minute; what a run needs many closes for takes them from here.
What the real feed does with faulty data is tested with the real feed.
"""

from __future__ import annotations

import asyncio

from runtime.adapters.sim_feed import SimFeed
from runtime.exchange.market import CLOSE
from runtime.exchange.moving import MarketMove
from runtime.exchange.session import ExchangeSession


class DirectFeed(SimFeed):
    """A feed of the exchange itself that can be waited for."""

    def __init__(self, session: ExchangeSession) -> None:
        super().__init__(session)
        self._wake = asyncio.Event()
        session.on_market(self._moved)

    async def wait(self, timeout_s: float) -> bool:
        """Wait until a bar has closed."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            return False
        self._wake.clear()
        return True

    def _moved(self, move: MarketMove) -> None:
        if move.point.vertex == CLOSE and not move.point.tick:
            self._wake.set()


class SessionClock:
    """Market time of an exchange of this process."""

    def __init__(self, session: ExchangeSession) -> None:
        self._session = session

    def now_ns(self) -> int:
        """Market time."""
        return self._session.now_ns

    def saw(self, time_ns: int) -> None:
        """Nothing can be seen that it does not know."""
