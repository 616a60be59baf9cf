"""A message that ccxt cannot digest kills its receive loop for ever, with the socket still open.

The exception reaches nobody but the event loop's exception handler. This one finds the socket it
happened on and breaks it, so that whoever waits there reconnects.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Any

_LOG = logging.getLogger(__name__)
Handler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]
_MOST_FRAMES = 100


class PoisonWatch:
    """Breaks sockets of ccxt whose message handling failed; others' errors are handed on.

    Attributes:
        broken: how many sockets were broken.
    """

    def __init__(self) -> None:
        self.broken = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._before: Handler | None = None

    def start(self) -> None:
        """Stand before the running loop's handler."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._before = self._loop.get_exception_handler()
            self._loop.set_exception_handler(self._handle)

    def stop(self) -> None:
        """Step aside, unless somebody has put another handler in front."""
        if self._loop is not None and self._loop.get_exception_handler() == self._handle:
            self._loop.set_exception_handler(self._before)
        self._loop = None

    def _handle(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        client = _client_in(error.__traceback__) if isinstance(error, Exception) else None
        if client is None or error is None:
            if self._before is not None:
                self._before(loop, context)
            else:
                loop.default_exception_handler(context)
            return
        self.broken += 1
        _LOG.warning("a message broke a socket of %s: %r", _path_of(client.url), error)
        client.on_error(_as_network_error(error))


def _client_in(trace: TracebackType | None) -> Any:
    """The ccxt socket among the frames of a traceback."""
    for _ in range(_MOST_FRAMES):
        if trace is None:
            return None
        owner = trace.tb_frame.f_locals.get("self")
        if type(owner).__module__.startswith("ccxt.async_support.base.ws"):
            return owner
        trace = trace.tb_next
    return None


def _as_network_error(error: BaseException) -> Exception:
    from ccxt.base.errors import NetworkError

    made: Exception = NetworkError(f"message not understood: {error!r}")
    return made


def _path_of(url: str) -> str:
    """The address without its query, which may hold a listen key."""
    return url.partition("?")[0]
