"""What leaves ccxt's own fetch ends as it would there: the same values, errors and verdicts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from envs.core.errors import FixSettings
from runtime.adapters.ccxt_errors import Cause, Classified, Verdict, classify, failure_of
from runtime.adapters.ccxt_factory import make_exchange
from runtime.adapters.ccxt_link import CallFailed, CcxtLink
from runtime.adapters.clocks import SystemClock

JSON = {"Content-Type": "application/json"}
LIMIT = '{"code":-1003,"msg":"Too many requests."}'
TROUBLE = "Unknown error, please check your request or try again later."
ANSWERS: list[tuple[int, bytes | str, dict[str, str]]] = [
    (200, '[[1,"2.5"],[3,"4"]]', JSON),
    (200, '{"orderId":12345678901234567890,"price":"1.10"}', JSON),
    (200, '[{"symbol":"A"}]', JSON),
    (200, "{}", JSON),
    (200, "[]", JSON),
    (200, ' \n{"a":1}\n', JSON),
    (200, '{"code":200,"msg":"success"}', JSON),
    (200, '{"code":0,"msg":"success"}', JSON),
    (200, '{"code":-1000,"msg":"An unknown error occurred."}', JSON),
    (200, '{"code":-2013,"msg":"Order does not exist."}', JSON),
    (200, '{"success":false,"msg":"{\\"code\\":-2019,\\"msg\\":\\"Margin.\\"}"}', JSON),
    (200, '{"success":false}', JSON),
    (200, '[{"code":-2011,"msg":"Unknown order sent."}]', JSON),
    (200, '[{"code":-2011,"msg":"Unknown order sent."},{"orderId":1}]', JSON),
    (200, "", JSON),
    (200, "null", JSON),
    (200, '"text"', JSON),
    (200, "12", JSON),
    (200, '{"orderId":12', JSON),
    (200, '{"a":NaN}', JSON),
    (200, b'{"a":"\xff\xfe"}', JSON),
    (200, b"\xef\xbb\xbf{}", JSON),
    (200, "[" * 5_000 + "]" * 5_000, JSON),
    (200, "<html>hello</html>", {"Content-Type": "text/html"}),
    (200, '{"a":"\u00e9"}'.encode("latin-1"), {"Content-Type": "text/plain; charset=latin-1"}),
    (201, '{"orderId":1}', JSON),
    (204, "", {}),
    (302, "", {}),
    (400, '{"code":-2019,"msg":"Margin is insufficient."}', JSON),
    (400, '{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}', JSON),
    (400, '{"code":-4164,"msg":"Order\'s notional must be no smaller than 5"}', JSON),
    (400, "Filter failure: LOT_SIZE", {}),
    (401, '{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}', JSON),
    (403, "<html>forbidden</html>", {"Content-Type": "text/html"}),
    (404, "", {}),
    (408, '{"code":-1007,"msg":"Timeout waiting for response."}', JSON),
    (418, LIMIT, {**JSON, "Retry-After": "90"}),
    (429, LIMIT, {**JSON, "retry-after": "7", "X-MBX-USED-WEIGHT-1M": "2399"}),
    (429, "", {}),
    (500, '{"code":-1001,"msg":"Internal error."}', JSON),
    (502, "Bad Gateway", {}),
    (503, TROUBLE, {}),
    (503, '{"code":-1008,"msg":"Server is overloaded."}', JSON),
    (504, "", {}),
]  # fmt: skip


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a test's coroutine; nothing may hang."""
    return asyncio.run(asyncio.wait_for(work, 20.0))


class Site:
    """A server that answers everything alike, and counts.

    Attributes:
        answer: what it answers with; None cuts the connection in the middle of an answer.
    """

    def __init__(self) -> None:
        self.answer: tuple[int, bytes | str, dict[str, str]] | None = (200, "{}", JSON)
        self.asked: list[str] = []
        self.slow_s = 0.0
        self.url = ""

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path_qs} {await request.text()}")
        await asyncio.sleep(self.slow_s)
        if self.answer is None:
            cut = web.StreamResponse(headers={"Content-Length": "100"})
            await cut.prepare(request)
            await cut.write(b'{"orderId":')
            if request.transport is not None:
                request.transport.close()
            return cut
        status, body, headers = self.answer
        raw = body.encode() if isinstance(body, str) else body
        return web.Response(status=status, body=raw, headers=headers)


@asynccontextmanager
async def serve() -> AsyncIterator[Site]:
    """A site on a free port."""
    site, app = Site(), web.Application()
    app.router.add_route("*", "/{path:.*}", site._handle)
    runner = web.AppRunner(app)
    await runner.setup()
    listening = web.TCPSite(runner, "127.0.0.1", 0)
    await listening.start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield site
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client_of(url: str) -> AsyncIterator[Any]:
    """A client that speaks to a site."""
    client = make_exchange("local", url=url, timeout_ms=2_000)
    try:
        yield client
    finally:
        await client.close()


async def told(client: Any, fetch: Any, *asked: Any) -> tuple[Any, ...]:
    """A value, or everything that is made of an error."""
    try:
        return "value", await fetch(*asked)
    except Exception as error:
        what = classify(failure_of(error, dict(client.last_response_headers or {})))
        cause = type(error.__cause__).__name__
        return type(error), str(error), cause, what.verdict, what.advice, what.failure


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("answer", ANSWERS, ids=lambda a: f"{a[0]} {a[1][:24]!r}")
def test_every_answer_ends_as_with_ccxt(answer: Any, method: str) -> None:
    async def scene() -> None:
        async with serve() as site, client_of(site.url) as client:
            site.answer = answer
            body = "a=1&b=2" if method == "POST" else None
            asked = (f"{site.url}/fapi/v1/order?x=%20y", method, {"X-MBX-APIKEY": "k"}, body)
            theirs = await told(client, type(client).fetch.__get__(client), *asked)
            headers, client.last_response_headers = dict(client.last_response_headers), None
            ours = await told(client, client.fetch, *asked)
            assert ours == theirs
            assert site.asked[0] == site.asked[1]
            for name in ("Retry-After", "X-MBX-USED-WEIGHT-1M"):
                assert client.last_response_headers.get(name) == (
                    {k.upper(): v for k, v in headers.items()}.get(name.upper())
                )

    run(scene())


@pytest.mark.parametrize(
    ("how", "cause"), [("refused", Cause.NOT_SENT), ("slow", Cause.LOST), ("cut", Cause.LOST)]
)
def test_a_connection_that_fails_is_judged_as_with_ccxt(how: str, cause: Cause) -> None:
    async def scene() -> None:
        async with serve() as site, client_of(site.url) as client:
            url = site.url
            if how == "refused":
                url = "http://127.0.0.1:1"
            elif how == "slow":
                site.slow_s, client.timeout = 1.0, 200
            else:
                site.answer = None
            asked: tuple[Any, ...] = (f"{url}/fapi/v1/order", "POST", {}, "a=1")
            theirs = await told(client, type(client).fetch.__get__(client), *asked)
            ours = await told(client, client.fetch, *asked)
            assert ours == theirs
            assert ours[-1].cause is cause
            assert len(site.asked) == (0 if how == "refused" else 2)

    run(scene())


def test_a_redirect_is_not_followed_and_proves_nothing() -> None:
    async def scene() -> Classified:
        async with serve() as site, serve() as elsewhere, client_of(site.url) as client:
            link = CcxtLink(client, SystemClock())
            site.answer = (307, "", {"Location": f"{elsewhere.url}/fapi/v1/order"})
            with pytest.raises(CallFailed) as raised:
                await link.call("fapiPrivatePostOrder", {"symbol": "A"}, orders=1)
            assert elsewhere.asked == []
            return raised.value.what

    assert run(scene()).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "other",
    [
        "http://127.0.0.1:{port}@example.com/",
        "http://example.com/127.0.0.1:{port}/",
        "http://example.com?http://127.0.0.1:{port}/",
    ],
)
def test_a_host_that_was_allowed_opens_no_other(other: str) -> None:
    async def scene() -> None:
        async with serve() as site, client_of(site.url) as client:
            assert await client.fetch(f"{site.url}/fapi/v1/time") == {}
            with pytest.raises(FixSettings, match="refusing"):
                await client.fetch(other.format(port=site.url.rpartition(":")[2]))

    run(scene())


@pytest.mark.parametrize("body", ["{}", '{"serverTime":"soon"}', '{"serverTime":null}'])
def test_a_time_that_is_none_holds_nothing_up(body: str) -> None:
    async def scene() -> None:
        async with serve() as site, client_of(site.url) as client:
            site.answer = (200, body, JSON)
            link = CcxtLink(client, SystemClock())
            with pytest.raises(CallFailed):
                await link.measure_offset()
            # It is asked for before the order, and the order is sent all the same.
            await link.call("fapiPrivatePostOrder", {"symbol": "A"}, orders=1)
            assert [a.split("?")[0].split()[0] for a in site.asked] == ["GET", "GET", "POST"]

    run(scene())


def test_a_call_does_not_wait_for_the_limiter_of_ccxt() -> None:
    async def scene() -> None:
        async with serve() as site, client_of(site.url) as client:
            site.answer = (200, '{"serverTime":1}', JSON)
            client.throttler.config["maxWeight"] = 0.5
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.fapiPublicGetTime(), 0.2)
            link = CcxtLink(client, SystemClock())
            assert await link.call("fapiPublicGetTime") == {"serverTime": 1}

    run(scene())
