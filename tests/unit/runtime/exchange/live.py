"""An exchange that serves on free ports of loopback, and unmodified clients for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from runtime.exchange.hosting import HostedExchange
from runtime.exchange.settings import ExchangeSettings

SMALL = ExchangeSettings(
    symbols=("BTCUSDT", "ETHUSDT"), synthetic_bars=400, port=0, speed=600.0,
    start=datetime(2019, 11, 5, tzinfo=UTC),
)  # fmt: skip
"""A week of bars before the start; ten market minutes a second."""
TIMEOUT_S = 25.0


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a test's coroutine; nothing may hang."""
    return asyncio.run(asyncio.wait_for(work, TIMEOUT_S))


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something holds; it must within five seconds."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError("what was waited for did not come")


async def forever(call: Callable[[], Coroutine[Any, Any, Any]], seconds: float) -> None:
    """Repeat a call until it fails or the time is over (``TimeoutError``)."""
    async with asyncio.timeout(seconds):
        while True:
            await call()


@asynccontextmanager
async def live(**changes: Any) -> AsyncIterator[HostedExchange]:
    """A small exchange."""
    async with HostedExchange(replace(SMALL, **changes)) as exchange:
        yield exchange


def demo_urls(exchange: HostedExchange) -> dict[str, Any]:
    """Every address ccxt may use in demo mode, on loopback."""
    http, ws = exchange.addresses.rest, exchange.addresses.streams
    urls: dict[str, Any] = {
        f"{name}{suffix}": f"{http}/{path}"
        for name, root in (("fapiPublic", "fapi"), ("fapiPrivate", "fapi"), ("dapiPublic", "none"),
                           ("dapiPrivate", "none"))
        for suffix, path in (("", f"{root}/v1"), ("V2", f"{root}/v2"), ("V3", f"{root}/v3"))
    }  # fmt: skip
    urls |= dict.fromkeys(("public", "private", "v1"), f"{http}/none")
    none = dict.fromkeys(("spot", "margin", "inverse"), f"{ws}/none")
    api = {"linear": f"{ws}/ws-fapi/v1", "spot": f"{ws}/none", "inverse": f"{ws}/none"}
    return urls | {"ws": {"linear": f"{ws}/ws", **none, "ws-api": api}}


@asynccontextmanager
async def trader(exchange: HostedExchange, **config: Any) -> AsyncIterator[Any]:
    """ccxt.pro as the contract says, pointed at loopback."""
    import ccxt.pro

    client = ccxt.pro.binanceusdm(
        {
            "apiKey": "local", "secret": "local", "timeout": 5_000,
            "rateLimiterAlgorithm": "rollingWindow", "urls": {"demo": demo_urls(exchange)},
            "options": {"fetchOpenOrders": {"warnWithoutSymbol": False}}, **config,
        }
    )  # fmt: skip
    client.enable_demo_trading(True)
    exact = client.exceptions
    exact["exact"] = {**exact["exact"], **exact["linear"]["exact"]}
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def http(base: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A plain client."""
    async with aiohttp.ClientSession(base) as session:
        yield session


async def control(exchange: HostedExchange, method: str, path: str, **body: Any) -> Any:
    """Ask the control API; returns status and answer."""
    async with http(exchange.addresses.control) as session:
        data = {"json": body} if method == "POST" else {}
        async with session.request(method, f"/control/{path}", **data) as answer:
            return answer.status, await answer.json()


async def arm(exchange: HostedExchange, kind: str, **fields: Any) -> Any:
    """Arm a fault, or let it happen; it must be accepted."""
    status, answer = await control(exchange, "POST", "faults", kind=kind, **fields)
    if status != 200:
        raise RuntimeError(f"fault {kind}: {answer}")
    return answer


class Listener:
    """A raw WebSocket client that keeps what it hears."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def ask(self, method: str, *params: Any, id_: Any = 1) -> dict[str, Any]:
        """Send a request and return its reply; messages before it are skipped."""
        await self.socket.send_json({"method": method, "params": list(params), "id": id_})
        return await self.until(lambda m: isinstance(m, dict) and "id" in m)

    async def hear(self) -> Any:
        """The next message."""
        message = await self.socket.receive(timeout=10)
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise ConnectionError(f"{message.type!r} {message.data!r}")
        return json.loads(message.data)

    async def until(self, wanted: Callable[[Any], bool]) -> Any:
        """The next message that is wanted."""
        while not wanted(message := await self.hear()):
            pass
        return message

    async def event(self, name: str) -> Any:
        """The next event of a name."""
        return await self.until(lambda m: isinstance(m, dict) and m.get("e") == name)


@asynccontextmanager
async def listener(exchange: HostedExchange, path: str, **options: Any) -> AsyncIterator[Listener]:
    """A raw client of a stream path."""
    async with (
        http(exchange.addresses.rest) as session,
        session.ws_connect(path, **options) as socket,
    ):
        yield Listener(socket)


@asynccontextmanager
async def user_stream(exchange: HostedExchange) -> AsyncIterator[Listener]:
    """A raw client of the account's stream, its key asked for first."""
    async with http(exchange.addresses.rest) as session:
        headers = {"X-MBX-APIKEY": "local"}
        async with session.post("/fapi/v1/listenKey", headers=headers) as answer:
            key = (await answer.json())["listenKey"]
        async with session.ws_connect(f"/private/ws?listenKey={key}") as socket:
            yield Listener(socket)


def state_file(tmp_path: Path) -> Path:
    """A journal of its own."""
    return tmp_path / "exchange.journal"
