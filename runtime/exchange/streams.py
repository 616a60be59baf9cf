"""The WebSocket side of the exchange: paths, clients, the user stream and its listen key."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from aiohttp import WSMsgType, web

from runtime.exchange.connections import Backlog, Connection
from runtime.exchange.events import VenueEvent
from runtime.exchange.faults import Faults
from runtime.exchange.listen_keys import ListenKeys
from runtime.exchange.market_streams import MarketStreams
from runtime.exchange.moving import MarketMove
from runtime.exchange.payloads import listen_key_expired, margin_call, margin_ratio, user_payload
from runtime.exchange.session import ExchangeSession
from runtime.exchange.stream_commands import Refusal, answer, subscribe

MOST_CONNECTIONS = 1_000
MOST_REQUESTS_PER_S = 10
_MOST_BYTES = 64 << 10
_PING_S = 180.0
_CLOSE_S = 2.0
_CALL_AT, _CALM_AT = 0.8, 0.7
"""Margin ratios at which a call is sent, and below which the next one may be."""


class Streams:
    """All clients of the streams of one exchange.

    Market streams live under ``/public``, ``/market`` and the legacy paths without a category, the
    account under ``/private``; ``/ws`` sends bare messages, ``/stream`` wraps them with their name.
    """

    def __init__(self, session: ExchangeSession, keys: ListenKeys, faults: Faults) -> None:
        self.markets = MarketStreams(session, faults)
        self.clients: set[Connection] = set()
        self.cut_off = 0
        self.backlog = Backlog()
        self._session, self._keys, self._faults = session, keys, faults
        self._called: set[str] = set()
        self._ends = [session.listen(self._on_events), session.on_market(self._on_move)]
        keys.on_expired(self._on_expired)

    def add_routes(self, app: web.Application) -> None:
        """Serve the streams in an application; they end with it."""
        for category in ("", "/public", "/market", "/private"):
            for base in ("ws", "stream"):
                app.router.add_get(f"{category}/{base}", self._serve)
                app.router.add_get(f"{category}/{base}/{{tail:.*}}", self._serve)
        app.on_shutdown.append(self._shutdown)

    def close_matching(self, pattern: str, code: int) -> int:
        """Close clients by label or stream; code 1006 cuts them off. Returns how many."""
        found = self._matching(pattern)
        for client in found:
            if code == 1006:
                client.abort()
            else:
                client.close(code, "closed by an armed fault")
        return len(found)

    def half_open(self, pattern: str) -> int:
        """Let clients hear nothing more, not even pongs, their sockets open."""
        found = self._matching(pattern)
        for client in found:
            client.is_dead = True
        return len(found)

    def _matching(self, pattern: str) -> list[Connection]:
        return [
            c for c in self.clients
            if pattern in ("*", c.label) or any(fnmatchcase(n, pattern) for n in c.names)
        ]  # fmt: skip

    async def _shutdown(self, app: web.Application) -> None:
        for end in self._ends:
            end()
        ending = [client.close(1001, "going away") for client in self.clients]
        if ending:
            await asyncio.wait(ending)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        """One client, from its upgrade to its end."""
        if len(self.clients) >= MOST_CONNECTIONS:
            return _refused(429, -1003, "Too many connections.")
        parts = request.path.strip("/").split("/")
        category = parts[0] if parts[0] in ("public", "market", "private") else ""
        combined = "stream" in parts[: 2 if category else 1]
        tail = [part for part in parts[2 if category else 1 :] if part]
        names = [n for n in request.query.get("streams", "").split("/") if n]
        names += [part for part in tail if "@" in part or part.startswith("!")]
        key = request.query.get("listenKey", "") or next(
            (p for p in tail if p not in names and not p.isdigit()), ""
        )
        if key and (category in ("public", "market") or not self._keys.is_alive(key)):
            return _refused(400, -1125, "This listenKey does not exist.")
        if category == "private" and not key:
            return _refused(400, -1105, "Parameter 'listenKey' was empty.")
        socket = web.WebSocketResponse(
            timeout=_CLOSE_S, autoping=False, heartbeat=_PING_S, max_msg_size=_MOST_BYTES,
            compress=False,
        )  # fmt: skip
        if not socket.can_prepare(request).ok:
            return _refused(400, -1000, "A WebSocket upgrade is expected here.")
        client = Connection(
            socket, request, self._faults, backlog=self.backlog, category=category,
            combined=combined, key=key,
        )  # fmt: skip
        try:
            if names:
                subscribe(names, client, self.markets)
        except Refusal as refusal:
            return _refused(400, -1000, refusal.text)
        await socket.prepare(request)
        await self._talk(client)
        return socket

    async def _talk(self, client: Connection) -> None:
        self.clients.add(client)
        writer = asyncio.create_task(client.write())
        try:
            await self._read(client)
            if client.closing is not None:
                await client.closing
        finally:
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writer
            client.forget()
            self.clients.discard(client)
            self.markets.drop(client)
            self.cut_off += client.cut_off

    async def _read(self, client: Connection) -> None:
        times: deque[float] = deque(maxlen=MOST_REQUESTS_PER_S)
        async for message in client.socket:
            now_s = self._session.clock.monotonic_s()
            if len(times) == MOST_REQUESTS_PER_S and now_s - times[0] < 1.0:
                client.close(1008, "Too many requests")
                return
            times.append(now_s)
            if client.is_dead:
                continue
            if message.type is WSMsgType.PING:
                await client.socket.pong(message.data)
            elif message.type is WSMsgType.TEXT:
                client.put(answer(message.data, client, self.markets))
            elif message.type is WSMsgType.BINARY:
                error = {"code": 3, "msg": "Invalid JSON: a text frame is expected"}
                client.put(json.dumps({"error": error, "id": None}))

    def _on_events(self, events: Sequence[VenueEvent]) -> None:
        heard = [c for c in self.clients if c.key]
        if heard:
            for event in events:
                self._tell(user_payload(event, self._session.state, self._session.now_ms), heard)

    def _on_move(self, move: MarketMove) -> None:
        self._keys.expire_due()
        self.markets.on_move(move)
        if self._session.state.holdings or self._called:
            self._watch_margins()

    def _watch_margins(self) -> None:
        """Send a margin call once, when a position comes near its liquidation."""
        state = self._session.state
        ratios = {name: margin_ratio(name, state) for name in state.holdings}
        self._called = {n for n in self._called if ratios.get(n, 0.0) >= _CALM_AT}
        new = tuple(n for n, r in ratios.items() if r >= _CALL_AT and n not in self._called)
        if new:
            self._called.update(new)
            self._tell(
                margin_call(new, state, self._session.now_ms), [c for c in self.clients if c.key]
            )

    def _on_expired(self, key: str) -> None:
        """Tell those who hear by a key that it has ended; they hear nothing more."""
        heard = [c for c in self.clients if c.key == key]
        self._tell(listen_key_expired(key, self._session.now_ms), heard)
        for client in heard:
            client.key = ""

    def _tell(self, payload: dict[str, Any], heard: list[Connection]) -> None:
        order = payload.get("o")
        symbol = str(order.get("s", "")) if isinstance(order, dict) else ""
        text = json.dumps(payload, separators=(",", ":"))
        for client in heard:
            client.send(f"user:{payload['e']}", symbol, text)


def _refused(status: int, code: int, text: str) -> web.Response:
    return web.json_response({"code": code, "msg": text}, status=status)
