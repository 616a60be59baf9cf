"""One exchange process: session, REST, streams and control put together and served."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from dataclasses import dataclass
from types import TracebackType

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from envs.core.errors import FixInput
from runtime.exchange.control import Control
from runtime.exchange.fault_acts import FaultActs
from runtime.exchange.faults import Faults
from runtime.exchange.listen_keys import LISTEN_KEYS
from runtime.exchange.server import create_app
from runtime.exchange.session import ExchangeSession
from runtime.exchange.settings import ExchangeSettings
from runtime.exchange.streams import Streams

_LOG = logging.getLogger("runtime.exchange.http")


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a line tells of a defect here, not of a client that hangs up or talks no HTTP."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, (HttpProcessingError, ConnectionError))


_LOG.addFilter(_is_ours)


@dataclass(frozen=True)
class Addresses:
    """Where an exchange answers."""

    rest: str
    streams: str
    control: str


class HostedExchange:
    """An exchange that serves while it is entered: ``async with HostedExchange(settings) as x``.

    Attributes:
        session, faults, keys, streams, control: its parts.
        addresses: URLs, known once it is entered.
        moving: the task that moves the market; None in lockstep.
    """

    addresses: Addresses

    def __init__(
        self, settings: ExchangeSettings, host: str = "127.0.0.1",
        session: ExchangeSession | None = None,
    ) -> None:  # fmt: skip
        self.settings, self.host = settings, host
        self.session = session or ExchangeSession.open(settings)
        self.faults = Faults(settings.seed, self.session.clock)
        self._app = create_app(self.session, settings, self.faults)
        self.keys = self._app[LISTEN_KEYS]
        self.streams = Streams(self.session, self.keys, self.faults)
        self.streams.add_routes(self._app)
        acts = FaultActs(self.session, self.faults, self.streams, self.keys)
        self.control = Control(self.session, self.faults, self.streams, acts)
        self.moving: asyncio.Task[None] | None = None
        self._runners: list[web.AppRunner] = []

    async def __aenter__(self) -> HostedExchange:
        """Listen and let the market move.

        Raises:
            FixInput: A port is taken or the host is not this machine's.
        """
        try:
            port = await self._listen(self._app, self.settings.port, "--port")
            wanted = self.settings.control_port
            if wanted is None:
                wanted = port + 1 if self.settings.port and port < 65_535 else 0
            control = await self._listen(self.control.application(), wanted, "--control-port")
        except BaseException:
            await self.close()
            raise
        shown = f"[{self.host}]" if ":" in self.host else self.host
        self.addresses = Addresses(
            f"http://{shown}:{port}", f"ws://{shown}:{port}", f"http://{shown}:{control}"
        )
        if not self.settings.lockstep:
            self.moving = asyncio.create_task(self.session.run())
        else:
            await self.session.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        """Stop serving; the journal is on disk afterwards."""
        await self.close()

    async def close(self) -> None:
        """Stop the market, close every client and bring the journal to disk."""
        if self.moving is not None:
            self.moving.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self.moving
            self.moving = None
        for runner in reversed(self._runners):
            await runner.cleanup()
        self._runners.clear()
        await self.session.close()

    async def _listen(self, app: web.Application, port: int, option: str) -> int:
        runner = web.AppRunner(app, access_log=None, logger=_LOG, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(runner, self.host, port)
        try:
            await site.start()
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            why = "is taken by another program" if taken else f"cannot be used ({error.strerror})"
            raise FixInput(f"{option} {port}: {self.host}:{port} {why}; choose another") from error
        return int(runner.addresses[0][1])
