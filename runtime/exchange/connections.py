"""One WebSocket client: a bounded queue, a writer, and what armed faults make of its messages."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass

from aiohttp import web

from runtime.exchange.fault_kinds import FaultKind
from runtime.exchange.fault_messages import poisoned
from runtime.exchange.faults import Faults

MOST_WAITING = 10_000
MOST_WAITING_BYTES = 8 << 20
MOST_BYTES_OF_ALL = 64 << 20
FAIR_BYTES = 64 << 10
"""What every client may have waiting even while others use up what all may have together."""
_HELD_S = 1.0
K = FaultKind


@dataclass
class Backlog:
    """Bytes that wait for all clients together."""

    bytes: int = 0


class Connection:
    """A client of the streams; whoever reads too slowly is cut off, memory never grows.

    Attributes:
        socket: the open WebSocket.
        label: ``user`` or ``market``, for faults that name it.
        category: public, market or private; empty on the legacy paths, which serve all.
        combined: whether messages are wrapped with their stream's name.
        key: listen key it hears the account by, empty without.
        names: market streams it is subscribed to, in order.
        is_dead: half open: it takes what comes and answers nothing.
        closing: the task that closes it, if somebody does.
    """

    def __init__(
        self, socket: web.WebSocketResponse, request: web.Request, faults: Faults, *,
        backlog: Backlog, category: str = "", combined: bool = False, key: str = "",
    ) -> None:  # fmt: skip
        self.socket, self.category, self.combined, self.key = socket, category, combined, key
        self.label = "user" if key else "market"
        self.names: dict[str, None] = {}
        self.is_dead = False
        self.sent = 0
        self.cut_off = False
        self.closing: asyncio.Task[None] | None = None
        self._request, self._faults = request, faults
        self._backlog = backlog
        self._waiting: deque[str] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._held: str | None = None

    @property
    def waiting(self) -> int:
        """Messages not written yet."""
        return len(self._waiting)

    def send(self, stream: str, symbol: str, text: str) -> None:
        """Queue a message of a stream, after what armed faults make of it."""
        if self.combined:
            text = f'{{"stream":"{stream.partition(":")[0]}","data":{text}}}'
        if self._faults.active or self._held is not None:
            self._send_faulted(stream, symbol, text)
        else:
            self.put(text)

    def put(self, text: str) -> None:
        """Queue a text as it is; a full queue cuts the client off."""
        if self.is_dead or self.cut_off:
            return
        if self._is_full():
            self.cut_off = True
            self.abort()
            return
        self._waiting.append(text)
        self._count(len(text))
        self._wake.set()

    async def write(self) -> None:
        """Write what is queued until the socket closes."""
        with contextlib.suppress(ConnectionError):
            while not self.socket.closed:
                while self._waiting:
                    text = self._waiting.popleft()
                    self._count(-len(text))
                    await self.socket.send_str(text)
                    self.sent += 1
                self._wake.clear()
                await self._wake.wait()

    def abort(self) -> None:
        """Cut the connection without a closing frame: the client sees 1006."""
        self.forget()
        if self._request.transport is not None:
            self._request.transport.abort()

    def forget(self) -> None:
        """Drop what is queued."""
        self._waiting.clear()
        self._count(-self._bytes)

    def close(self, code: int, reason: str) -> asyncio.Task[None]:
        """Close with a frame; the task ends with the client's answer or after a while."""
        if self.closing is None:
            self.closing = asyncio.create_task(self._close(code, reason))
        return self.closing

    def _is_full(self) -> bool:
        if len(self._waiting) >= MOST_WAITING or self._bytes >= MOST_WAITING_BYTES:
            return True
        return self._backlog.bytes >= MOST_BYTES_OF_ALL and self._bytes >= FAIR_BYTES

    def _count(self, change: int) -> None:
        self._bytes += change
        self._backlog.bytes += change

    async def _close(self, code: int, reason: str) -> None:
        with contextlib.suppress(ConnectionError):
            await self.socket.close(code=code, message=reason.encode())

    def _send_faulted(self, stream: str, symbol: str, text: str) -> None:
        held, self._held = self._held, None
        delay_s, copies, poison = 0.0, 1, []
        for fault in self._faults.for_message(stream, symbol):
            if fault.kind is K.MUTE:
                copies = 0
            elif fault.kind is K.DUPLICATE:
                copies += 1
            elif fault.kind is K.DELAY_MESSAGE:
                delay_s += fault.seconds
            elif fault.kind is K.POISON:
                poison.append(poisoned(text, fault))
            elif held is None and copies:
                self._held, copies = text, 0
                asyncio.get_running_loop().call_later(_HELD_S, self._release, text)
        for one in [*poison, *([text] * copies)]:
            if delay_s:
                asyncio.get_running_loop().call_later(delay_s, self.put, one)
            else:
                self.put(one)
        if held is not None:
            self.put(held)

    def _release(self, text: str) -> None:
        """Send a message held back for the next one, if none came."""
        if self._held is text:
            self._held = None
            self.put(text)
