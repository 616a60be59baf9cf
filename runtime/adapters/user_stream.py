"""The user stream: a task of its own that only receives, keeps its key alive and reconnects.

ccxt connects and pings; its handling of the account's messages is bypassed, because it coalesces,
drops what nobody awaits, and stops for ever on a message it cannot digest. Every message is handed
on raw and in order. Losing the stream is normal: after each connection the owner reconciles by
REST before the stream counts as up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from envs.core.errors import FixSettings
from runtime.adapters.ccxt_link import CallFailed, CcxtLink
from runtime.adapters.rate_budget import Urgency

_LOG = logging.getLogger(__name__)
_MOST_PUT_S = 1_800.0
_HASH = "account"


@dataclass(frozen=True)
class StreamSettings:
    """Times of the user stream, wall seconds.

    ``put_s`` between two renewals of the key, at most 1,800; ``silence_s`` without any frame, pongs
    included, after which the socket is given up; ``first_wait_s`` to ``most_wait_s`` between
    attempts to connect.
    """

    put_s: float = 1_200.0
    silence_s: float = 35.0
    check_s: float = 1.0
    first_wait_s: float = 0.25
    most_wait_s: float = 30.0

    def __post_init__(self) -> None:
        if not 0.0 < self.put_s <= _MOST_PUT_S:
            raise FixSettings(f"user stream: put_s in (0, {_MOST_PUT_S}], got {self.put_s}")
        if min(self.silence_s, self.check_s, self.first_wait_s) <= 0.0:
            raise FixSettings(f"user stream: every time must be > 0, got {self}")


class UserStream:
    """Receives the account's messages until it is stopped.

    Attributes:
        is_up: connected and reconciled.
        connections: how often a socket was opened.
    """

    def __init__(
        self, link: CcxtLink, on_message: Callable[[dict[str, Any]], None],
        on_connected: Callable[[], Awaitable[None]], on_lost: Callable[[str], None],
        settings: StreamSettings | None = None,
    ) -> None:  # fmt: skip
        self._link, self._clock = link, link.clock
        self._on_message, self._on_connected, self._on_lost = on_message, on_connected, on_lost
        self.settings = settings or StreamSettings()
        self.is_up = False
        self.connections = 0
        self._heard_s = link.clock.monotonic_s()
        self._client: Any = None
        self._broken: asyncio.Future[str] | None = None
        self._task: asyncio.Task[None] | None = None
        self._waiting_s = self.settings.first_wait_s

    @property
    def silent_s(self) -> float:
        """Seconds since anything was heard on the socket."""
        return self._clock.monotonic_s() - self._heard_s

    def start(self) -> None:
        """Begin; messages on the private socket no longer reach ccxt's own handling."""
        if self._task is None:
            self._tap()
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End and close the socket; the key is left to expire, another program may use it."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self.is_up = False

    def give_up(self, reason: str) -> None:
        """Give the present socket up: connect anew and reconcile."""
        if self._broken is not None and not self._broken.done():
            self._broken.set_result(reason)

    def _tap(self) -> None:
        exchange = self._link.exchange
        before = exchange.handle_message

        def handle(client: Any, message: Any) -> None:
            if client is self._client:
                self._receive(message)
            else:
                before(client, message)

        exchange.handle_message = handle

    def _receive(self, message: Any) -> None:
        self._heard_s = self._clock.monotonic_s()
        if not isinstance(message, dict):
            self.give_up(f"message not understood: {message!r:.80}")
        elif message.get("e") == "listenKeyExpired":
            self.give_up("listen key expired")
        elif "e" in message:
            self._on_message(message)

    async def _run(self) -> None:
        while True:
            reason = await self._session()
            was_up, self.is_up = self.is_up, False
            if was_up:
                self._waiting_s = self.settings.first_wait_s
            self._on_lost(reason)
            _LOG.warning("user stream lost: %s", reason)
            await self._clock.sleep(self._waiting_s)
            self._waiting_s = min(2.0 * self._waiting_s, self.settings.most_wait_s)

    async def _session(self) -> str:
        """One connection, from its key to its end; returns why it ended."""
        self._broken = asyncio.get_running_loop().create_future()
        side_tasks: list[asyncio.Task[None]] = []
        try:
            lost = await self._connect()
            side_tasks = [asyncio.create_task(self._keep()), asyncio.create_task(self._watch())]
            up = asyncio.ensure_future(self._on_connected())
            side_tasks.append(up)
            ends: list[asyncio.Future[Any]] = [lost, self._broken]
            await asyncio.wait([*ends, up], return_when=asyncio.FIRST_COMPLETED)
            if up.done() and not any(e.done() for e in ends):
                up.result()
                self.is_up = True
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return self._broken.result() if self._broken.done() else _reason_of(lost)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if not isinstance(error, CallFailed):
                _LOG.debug("user stream", exc_info=True)
            return f"{type(error).__name__}: {error}"
        finally:
            for task in side_tasks:
                task.cancel()
            await asyncio.gather(*side_tasks, return_exceptions=True)
            await self._disconnect()

    async def _connect(self) -> asyncio.Future[Any]:
        """Open the socket; the future returned fails when it is lost."""
        exchange = self._link.exchange
        body = await self._link.call("fapiPrivatePostListenKey", urgency=Urgency.EXIT)
        url = exchange.get_private_ws_url("linear", str(body["listenKey"]))
        self._client = exchange.client(url)
        lost: asyncio.Future[Any] = exchange.watch(url, _HASH, None, _HASH)
        await asyncio.wait(
            [lost, asyncio.ensure_future(self._client.connected)],
            return_when=asyncio.FIRST_COMPLETED,
        )
        if lost.done():
            raise ConnectionError(_reason_of(lost))
        self.connections += 1
        self._heard_s = self._clock.monotonic_s()
        return lost

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        self._link.exchange.clients.pop(client.url, None)
        with contextlib.suppress(Exception):
            await client.close()

    async def _keep(self) -> None:
        """Renew the key; one the venue does not know any more ends the connection."""
        wait_s = self.settings.put_s
        while True:
            await self._clock.sleep(wait_s)
            try:
                await self._link.call("fapiPrivatePutListenKey", urgency=Urgency.EXIT)
                wait_s = self.settings.put_s
            except CallFailed as error:
                if error.what.is_definite and error.what.failure.code:
                    self.give_up(f"listen key refused: {error}")
                    return
                wait_s = min(60.0, self.settings.put_s / 4.0)

    async def _watch(self) -> None:
        """Give a socket up that has not even answered pings."""
        pong = None
        while True:
            await self._clock.sleep(self.settings.check_s)
            latest = getattr(self._client, "lastPong", None)
            if latest != pong:
                pong = latest
                self._heard_s = self._clock.monotonic_s()
            if self.silent_s > self.settings.silence_s:
                self.give_up(f"silent for {self.silent_s:.0f} s")
                return


def _reason_of(lost: asyncio.Future[Any]) -> str:
    if lost.cancelled():
        return "socket closed"
    error = lost.exception()
    return "socket closed" if error is None else f"{type(error).__name__}: {error}"
