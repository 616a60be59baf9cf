"""The exchange over a real socket: every answer is JSON of the dialect."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from runtime.exchange.faults import Fault, FaultKind, Faults
from runtime.exchange.listen_keys import LISTEN_KEYS
from runtime.exchange.market import ExchangeMarket, open_market
from runtime.exchange.server import MAX_BODY_BYTES, create_app
from runtime.exchange.session import ExchangeSession
from runtime.exchange.settings import ExchangeSettings
from runtime.exchange.streams import Streams
from tests.unit.runtime.exchange.rest.asking import digest, sign

SETTINGS = ExchangeSettings(speed="lockstep", synthetic_bars=1_700)
Work = Callable[["Place"], Awaitable[None]]


@pytest.fixture(scope="module")
def market() -> ExchangeMarket:
    return open_market(SETTINGS)


class Place:
    """A listening exchange and an HTTP client."""

    def __init__(
        self, session: ExchangeSession, http: aiohttp.ClientSession, app: web.Application, port: int
    ) -> None:
        self.session, self.http, self.app, self.port = session, http, app, port

    async def send(self, method: str, path: str, **how: Any) -> tuple[int, Any]:
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.http.request(method, url, **how) as answer:
            text = await answer.text()
            if method != "HEAD":
                assert answer.content_type == "application/json", text
            return answer.status, json.loads(text) if text else None

    async def signed(self, method: str, path: str) -> tuple[int, Any]:
        text = f"timestamp={self.session.clock.now_ms()}"
        target = f"{path}?{text}&signature={sign(text)}"
        return await self.send(method, target, headers={"X-MBX-APIKEY": "local"})


def run(market: ExchangeMarket, work: Work, faults: Faults | None = None) -> None:
    async def all_of_it() -> None:
        session = ExchangeSession.open(SETTINGS, market=market)
        app = create_app(session, SETTINGS, faults)
        if faults is not None:
            Streams(session, app[LISTEN_KEYS], faults).add_routes(app)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession() as http:
            await work(Place(session, http, app, runner.addresses[0][1]))
        await runner.cleanup()
        await session.close()

    asyncio.run(asyncio.wait_for(all_of_it(), 30))


def test_a_signed_request_over_the_socket(market: ExchangeMarket) -> None:
    async def work(p: Place) -> None:
        status, body = await p.signed("GET", "/fapi/v3/account")
        assert (status, body["totalWalletBalance"]) == (200, "10000.00000000")
        assert await p.send("GET", "/fapi/v1/ping") == (200, {})

    run(market, work)


@pytest.mark.parametrize(
    "path", ["/", "/fapi", "/fapi/", "/sapi/v1/x", "/fapi/v1/%00", "/fapi/v1/a?b=%zz"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "OPTIONS", "TRACE"])
def test_whatever_path_or_method_the_answer_is_json(
    market: ExchangeMarket, method: str, path: str
) -> None:
    async def work(p: Place) -> None:
        status, body = await p.send(method, path)
        assert status == 404
        assert body["code"] == -5000

    run(market, work)


@pytest.mark.parametrize("with_faults", [False, True])
def test_oversized_bodies_are_refused_and_the_connection_lives(
    market: ExchangeMarket, with_faults: bool
) -> None:
    faults = Faults() if with_faults else None
    if faults is not None:
        faults.arm(Fault(FaultKind.REFUSE, endpoint="GET /none", code=-1))

    async def work(p: Place) -> None:
        before = digest(p.session)
        body = b"a" * (MAX_BODY_BYTES + 1)
        status, told = await p.send("POST", "/fapi/v1/order", data=body)
        assert (status, told["code"]) == (413, -1101)
        status, told = await p.send("POST", "/fapi/v1/order", data=b"a=" + b"a" * 9_000)
        assert (status, told["code"]) == (401, -2014)
        assert digest(p.session) == before
        assert await p.send("GET", "/fapi/v1/ping") == (200, {})

    run(market, work, faults)


def test_bytes_that_are_no_http_do_not_stop_the_server(market: ExchangeMarket) -> None:
    async def work(p: Place) -> None:
        for junk in (b"\x00\xff\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9\r\n\r\n",
                     b"POST /fapi/v1/order HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
                     b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n"):  # fmt: skip
            reader, writer = await asyncio.open_connection("127.0.0.1", p.port)
            writer.write(junk)
            answer = await reader.read(200)
            assert b" 400 " in answer.split(b"\r\n")[0]
            assert b"Traceback" not in answer
            writer.close()
        assert await p.send("GET", "/fapi/v1/ping") == (200, {})

    run(market, work)


def test_many_connections_at_once(market: ExchangeMarket) -> None:
    async def work(p: Place) -> None:
        found = await asyncio.gather(*(p.send("GET", "/fapi/v1/ping") for _ in range(300)))
        assert {status for status, _ in found} == {200}

    run(market, work)


def test_faults_act_before_and_after_and_skew_moves_the_time_told(market: ExchangeMarket) -> None:
    faults = Faults()

    async def work(p: Place) -> None:
        faults.arm(Fault(FaultKind.REFUSE, endpoint="GET /fapi/v3/account", code=-1001))
        assert (await p.signed("GET", "/fapi/v3/account"))[1]["code"] == -1001
        assert (await p.signed("GET", "/fapi/v3/account"))[0] == 200
        skew = faults.arm(Fault(FaultKind.SKEW, value=-30_000.0))
        told = (await p.send("GET", "/fapi/v1/time"))[1]["serverTime"]
        assert abs(told + 30_000 - p.session.clock.now_ms()) < 5_000
        assert (await p.signed("GET", "/fapi/v3/account"))[1]["code"] == -1021
        faults.disarm(skew.id)
        assert (await p.signed("GET", "/fapi/v3/account"))[0] == 200

    run(market, work, faults)


def test_streams_take_the_keys_that_rest_hands_out(market: ExchangeMarket) -> None:
    async def work(p: Place) -> None:
        headers = {"X-MBX-APIKEY": "local"}
        _, body = await p.send("POST", "/fapi/v1/listenKey", headers=headers)
        assert p.app[LISTEN_KEYS].is_alive(body["listenKey"])
        url = f"ws://127.0.0.1:{p.port}/private/ws?listenKey={body['listenKey']}"
        async with p.http.ws_connect(url) as socket:
            await p.send("DELETE", "/fapi/v1/listenKey", headers=headers)
            message = await socket.receive_json(timeout=5)
        assert message["e"] == "listenKeyExpired"

    run(market, work, Faults())
