"""The sockets of market data: ccxt connects, subscribes and pings; messages are read raw.

Its own handling rebuilds the list of all contracts for every message, coalesces updates and drops
the flag that a candle is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from envs.core.errors import FixSettings
from runtime.adapters.ccxt_link import CcxtLink
from runtime.adapters.ccxt_poison import PoisonWatch

_LOG = logging.getLogger(__name__)
_PRIVATE = "listenKey"
CANDLE, MARK, TOUCH = "kline", "markPriceUpdate", "bookTicker"
"""Events of the three streams."""
Take = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class SocketSettings:
    """Wall seconds; ``silence_s`` without a message of a stream makes its socket be opened anew.

    ``math.inf`` where a lockstep market may stand still.
    """

    silence_s: float = 30.0
    first_wait_s: float = 0.25
    most_wait_s: float = 30.0

    def __post_init__(self) -> None:
        if min(self.silence_s, self.first_wait_s) <= 0.0:
            raise FixSettings(f"market stream: every time must be > 0, got {self}")


class MarketStream:
    """Candles, mark prices and best prices of some contracts, as the venue words them.

    Args:
        link: its client may be the one of orders; the private socket is another.
        takers: what reads the messages of each event. What one raises breaks the socket, which is
            then opened anew.
    """

    def __init__(
        self, link: CcxtLink, takers: Mapping[str, Take], settings: SocketSettings | None = None
    ) -> None:
        self._link, self._takers = link, takers
        self.settings = settings or SocketSettings()
        self._heard_s: dict[str, float] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._poison = PoisonWatch()
        self._tapped = self._is_open = False

    def start(self, names: Sequence[str], interval: str) -> None:
        """Subscribe; ``names`` are ccxt's unified ones."""
        exchange = self._link.exchange
        self._tap()
        self._is_open = True
        self._poison.start()
        many = list(names)
        watches: dict[str, Callable[[], Awaitable[Any]]] = {
            MARK: lambda: exchange.watch_mark_prices(many),
            TOUCH: lambda: exchange.watch_bids_asks(many),
            # One subscription: the venue closes a socket that asks more than ten times a second.
            CANDLE: lambda: exchange.watch_ohlcv_for_symbols([[n, interval] for n in many]),
        }
        self._tasks = [
            asyncio.create_task(self._keep(event, watch)) for event, watch in watches.items()
        ]

    async def close(self) -> None:
        """End; the client itself stays open."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._poison.stop()
        self._is_open = False
        await self._drop_sockets()

    def _tap(self) -> None:
        """Stand before ccxt's handling of messages; sockets opened later hear of it."""
        if self._tapped:
            return
        self._tapped = True
        exchange, before = self._link.exchange, self._link.exchange.handle_message

        def handle(client: Any, message: Any) -> None:
            told = message if isinstance(message, dict) else {}
            if "stream" in told:
                # A socket of several streams puts the name of each around its messages.
                told = told["data"]
            event = told.get("e", "")
            take = self._takers.get(event) if self._is_open else None
            if take is None:
                before(client, message)
                return
            self._heard_s[event] = self._link.clock.monotonic_s()
            take(told)

        exchange.handle_message = handle

    async def _keep(self, event: str, watch: Callable[[], Awaitable[Any]]) -> None:
        """Keep one subscription up; a lost or silent socket is opened anew."""
        wait_s, settings = self.settings.first_wait_s, self.settings
        while True:
            begun_s = self._heard_s[event] = self._link.clock.monotonic_s()
            # It ends with the socket only: its messages are read before ccxt sees them.
            subscribed = asyncio.ensure_future(_of(watch))
            try:
                await self._until_lost(event, subscribed)
            finally:
                subscribed.cancel()
                await asyncio.gather(subscribed, return_exceptions=True)
            if self._heard_s[event] > begun_s:
                wait_s = settings.first_wait_s
            await self._link.clock.sleep(wait_s)
            wait_s = min(2.0 * wait_s, settings.most_wait_s)

    async def _until_lost(self, event: str, subscribed: asyncio.Future[Any]) -> None:
        silence_s = self.settings.silence_s
        while True:
            left_s = self._heard_s[event] + silence_s - self._link.clock.monotonic_s()
            if left_s <= 0.0:
                _LOG.warning("feed: %s: silent for %.0f s, connecting anew", event, silence_s)
                await self._drop_sockets()
                return
            ended, _ = await asyncio.wait(
                {subscribed}, timeout=None if math.isinf(left_s) else left_s
            )
            if ended:
                _LOG.warning("feed: %s: %s", event, _reason_of(subscribed))
                return

    async def _drop_sockets(self) -> None:
        """Close the sockets of market data; the user stream's is another."""
        clients = self._link.exchange.clients
        for url, client in list(clients.items()):
            if "://" in url and _PRIVATE not in url:
                clients.pop(url, None)
                with contextlib.suppress(Exception):
                    await client.close()


def _reason_of(ended: asyncio.Future[Any]) -> str:
    error = None if ended.cancelled() else ended.exception()
    return "socket closed" if error is None else f"{type(error).__name__}: {error}"


async def _of(watch: Callable[[], Awaitable[Any]]) -> Any:
    return await watch()
