"""A lockstep exchange on a free port of loopback, and unmodified clients of its dialect."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
from aiohttp import web

from runtime.exchange.commands import Place
from runtime.exchange.faults import Faults
from runtime.exchange.orders import OrderRequest, OrderType
from runtime.exchange.rest.limits import NO_LIMITS, Limits
from runtime.exchange.server import GATE, create_app
from runtime.exchange.session import ExchangeSession
from runtime.exchange.settings import ExchangeSettings


class LocalExchange:
    """One exchange in a thread of its own, so that clients which block can talk to it."""

    def __init__(self, limits: Limits = NO_LIMITS, **settings: Any) -> None:
        chosen: dict[str, Any] = {"speed": "lockstep", "synthetic_bars": 2_000, **settings}
        self.settings = ExchangeSettings(**chosen)
        self.limits = limits
        self.faults = Faults()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.call(self._start())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def advance(self, n: int = 1) -> Any:
        return self.call(self.session.advance(n))

    def to_vertex(self) -> None:
        """Leave the close, so that market orders fill at once; needs something open."""
        quote = self.session.state.quotes["BTCUSDT"]
        far = OrderRequest("far", "BTCUSDT", 1, OrderType.LIMIT, 1_000, quote.last_ticks // 2)
        self.call(self.session.submit(Place(far)))
        self.advance()

    def close(self) -> None:
        self.call(self._stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    async def _start(self) -> None:
        self.session = ExchangeSession.open(self.settings)
        app = create_app(self.session, self.settings, self.faults, self.limits)
        self.desk = app[GATE].desk
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        self._market = None if self.settings.lockstep else asyncio.create_task(self.session.run())

    async def _stop(self) -> None:
        if self._market is not None:
            self._market.cancel()
        await self._runner.cleanup()
        await self.session.close()


@pytest.fixture
def exchange() -> Iterator[LocalExchange]:
    """Stands at the close of a bar: market orders wait for the next open."""
    found = LocalExchange()
    yield found
    found.close()


@pytest.fixture
def open_exchange(exchange: LocalExchange) -> LocalExchange:
    """Stands at the open of a bar: market orders fill at once. A far order ``far`` rests."""
    exchange.to_vertex()
    return exchange


def demo_urls(http: str) -> dict[str, Any]:
    """Every address ccxt could use in demo mode, on loopback."""
    ws = http.replace("http", "ws")
    rest = {
        f"fapi{kind}{suffix}": f"{http}/fapi/{version}"
        for kind in ("Public", "Private")
        for suffix, version in (("", "v1"), ("V2", "v2"), ("V3", "v3"))
    }
    dapi = {
        f"dapi{kind}{suffix}": f"{http}/none"
        for kind in ("Public", "Private")
        for suffix in ("", "V2")
    }
    streams = {
        "linear": f"{ws}/ws",
        "spot": f"{ws}/none",
        "margin": f"{ws}/none",
        "inverse": f"{ws}/none",
        "ws-api": {"linear": f"{ws}/ws-fapi/v1", "spot": f"{ws}/none", "inverse": f"{ws}/none"},
    }
    rest |= dict.fromkeys(("public", "private", "v1"), f"{http}/none")
    return rest | dapi | {"ws": streams}


def ccxt_client(exchange: LocalExchange, **config: Any) -> Any:
    """Unmodified ccxt in demo mode; errors of the futures table in force, as on the real host."""
    import ccxt

    client = ccxt.binanceusdm(
        {
            "apiKey": "local",
            "secret": "local",
            "enableRateLimit": False,
            "timeout": 10_000,
            "options": {
                "adjustForTimeDifference": True,
                "fetchOpenOrders": {"warnWithoutSymbol": False},
            },
            "urls": {"demo": demo_urls(exchange.url)},
            **config,
        }
    )
    client.enable_demo_trading(True)
    exact = client.exceptions
    exact["exact"] = {**exact["exact"], **exact["linear"]["exact"]}
    return client


@pytest.fixture
def ccxt_exchange(open_exchange: LocalExchange) -> Any:
    """Unmodified ccxt with markets loaded, at an exchange that stands at an open."""
    client = ccxt_client(open_exchange)
    client.load_markets()
    return client
