"""Streams over real sockets, by unmodified ccxt.pro and by a plain client."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from runtime.exchange.commands import SetLeverage
from runtime.exchange.connections import Connection
from runtime.exchange.hosting import HostedExchange
from runtime.exchange.streams import Streams
from tests.unit.runtime.exchange.live import (
    eventually,
    forever,
    http,
    listener,
    live,
    run,
    trader,
    user_stream,
)

BTC = "BTC/USDT:USDT"
FIELDS = {
    "btcusdt@kline_1h": {"e", "E", "s", "k"},
    "btcusdt@miniTicker": set("eEscohlvq"),
    "btcusdt@ticker": set("eEspPwcQohlvqOCFLn"),
    "btcusdt@markPrice@1s": {"e", "E", "s", "p", "ap", "P", "i", "r", "T"},
    "btcusdt@aggTrade": set("eEsapqflTm"),
    "btcusdt@trade": set("eETstpqXm"),
    "btcusdt@bookTicker": set("eusbBaATE"),
    "btcusdt@depth@100ms": {"e", "E", "T", "s", "U", "u", "pu", "b", "a"},
}


def test_ccxt_hears_every_market_stream() -> None:
    async def work() -> None:
        async with live() as exchange, trader(exchange) as client:
            await client.load_markets()
            candles = await client.watch_ohlcv(BTC, "1h")
            assert candles[-1][0] % 3_600_000 == 0
            assert (await client.watch_trades(BTC))[-1]["amount"] > 0
            assert (await client.watch_trades(BTC, params={"name": "aggTrade"}))[-1]["price"] > 0
            assert (await client.watch_ticker(BTC))["high"] >= (await client.watch_ticker(BTC))[
                "low"
            ]
            assert set(await client.watch_tickers()) == {BTC, "ETH/USDT:USDT"}
            best = (await client.watch_bids_asks([BTC]))[BTC]
            assert best["bid"] < best["ask"]
            assert (await client.watch_mark_price(BTC))["markPrice"] > 0
            assert len(await client.watch_mark_prices()) == 2
            for _ in range(20):
                book = await client.watch_order_book(BTC)
                assert book["bids"][0][0] < book["asks"][0][0]
                assert len(book["bids"]) == len(book["asks"]) == 20

    run(work())


@pytest.mark.parametrize("name", list(FIELDS))
def test_fields_of_market_messages(name: str) -> None:
    async def work() -> None:
        async with live() as exchange, listener(exchange, f"/ws/{name}") as client:
            message = await client.hear()
            assert set(message) == FIELDS[name]
            assert message["s"] == "BTCUSDT"
            if name.endswith("kline_1h"):
                assert set(message["k"]) == set("tTsifLochlvnxqVQB")

    run(work())


def test_ccxt_hears_of_its_account() -> None:
    async def work() -> None:
        async with live() as exchange, trader(exchange) as client:
            await client.load_markets()
            hearing = [
                asyncio.create_task(c)
                for c in (client.watch_orders(), client.watch_my_trades(),
                          client.watch_positions(), client.watch_balance())
            ]  # fmt: skip
            await eventually(lambda: any(c.key for c in exchange.streams.clients))
            await asyncio.sleep(0.05)
            order = await client.create_order(BTC, "market", "buy", 0.01)
            orders, trades, positions, balance = await asyncio.gather(*hearing)
            assert orders[-1]["id"] == order["id"]
            assert (trades[-1]["amount"], trades[-1]["fee"]["currency"]) == (0.01, "USDT")
            assert positions[-1]["contracts"] == 0.01
            assert balance["USDT"]["total"] < 10_000
            found = client.orders[0] if isinstance(client.orders, list) else order
            assert found["id"] == order["id"]

    run(work())


def test_closed_candles_equal_those_of_rest() -> None:
    async def work() -> None:
        async with (
            live(speed=20_000.0, tick_s=60.0) as exchange,
            listener(exchange, "/market/ws/ethusdt@kline_1h") as client,
            http(exchange.addresses.rest) as rest,
        ):
            for _ in range(3):
                k = (await client.until(lambda m: m["k"]["x"]))["k"]
                path = f"/fapi/v1/klines?symbol=ETHUSDT&interval=1h&startTime={k['t']}&limit=1"
                async with rest.get(path) as answer:
                    (row,) = await answer.json()
                assert row[:7] == [k[x] for x in "tohlcvT"]
                assert (row[7], row[8]) == (k["q"], k["n"])

    run(work())


def test_changes_of_the_book_are_continuous_and_lead_to_its_snapshot() -> None:
    async def work() -> None:
        async with (
            live(speed="lockstep") as exchange,
            listener(exchange, "/public/ws/btcusdt@depth@100ms") as client,
            http(exchange.addresses.rest) as rest,
        ):
            await exchange.session.submit(SetLeverage("BTCUSDT", 10))
            sides: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}
            async with rest.get("/fapi/v1/depth?symbol=BTCUSDT&limit=1000") as answer:
                snapshot = await answer.json()
            last = snapshot["lastUpdateId"]
            for side in sides:
                sides[side] = dict(snapshot[side])
            for _ in range(5):
                await exchange.session.advance()
                change = await client.hear()
                assert change["pu"] == last == change["U"] - 1
                last = change["u"]
                for side, key in (("bids", "b"), ("asks", "a")):
                    sides[side].update(change[key])
                    sides[side] = {p: q for p, q in sides[side].items() if float(q) > 0}
                async with rest.get("/fapi/v1/depth?symbol=BTCUSDT&limit=1000") as answer:
                    snapshot = await answer.json()
                assert snapshot["lastUpdateId"] == last
                assert sides == {side: dict(snapshot[side]) for side in sides}

    run(work())


def test_subscribe_list_unsubscribe() -> None:
    async def work() -> None:
        async with live(speed="lockstep") as exchange, listener(exchange, "/market/ws/1") as client:
            names = ["btcusdt@markPrice@1s", "!miniTicker@arr"]
            assert await client.ask("SUBSCRIBE", *names, id_=7) == {"result": None, "id": 7}
            assert await client.ask("LIST_SUBSCRIPTIONS", id_=8) == {"result": names, "id": 8}
            await exchange.session.advance()
            heard = [await client.hear(), await client.hear()]
            assert sorted("array" if isinstance(m, list) else m["e"] for m in heard) == [
                "array", "markPriceUpdate",
            ]  # fmt: skip
            await client.ask("UNSUBSCRIBE", names[0])
            await client.ask("SET_PROPERTY", "combined", True)
            assert (await client.ask("GET_PROPERTY", "combined"))["result"] is True
            await exchange.session.advance()
            wrapped = await client.hear()
            assert wrapped["stream"] == "!miniTicker@arr"
            assert {row["s"] for row in wrapped["data"]} == {"BTCUSDT", "ETHUSDT"}

    run(work())


def test_combined_paths_and_several_streams() -> None:
    async def work() -> None:
        path = "/stream?streams=btcusdt@trade/ethusdt@markPrice"
        async with live() as exchange, listener(exchange, path) as client:
            seen = {(await client.hear())["stream"] for _ in range(20)}
            assert seen == {"btcusdt@trade", "ethusdt@markPrice"}

    run(work())


BAD_FRAMES: list[tuple[str, int, Any]] = [
    ("{", 3, None),
    ("[]", 2, None),
    ("[" * 5_000, 3, None),
    ('{"id":1}', 2, 1),
    ('{"method":"SUBSCRIBE","id":-1}', 2, None),
    ('{"method":"SUBSCRIBE","id":[1]}', 2, None),
    ('{"method":"SUBSCRIBE","id":2}', 2, 2),
    ('{"method":"SUBSCRIBE","params":[],"id":2}', 2, 2),
    ('{"method":"SUBSCRIBE","params":[1],"id":2}', 2, 2),
]


def test_malformed_frames_are_answered_and_change_nothing() -> None:
    async def work() -> None:
        async with live(speed="lockstep") as exchange, listener(exchange, "/market/ws/1") as client:
            for text, code, id_ in BAD_FRAMES:
                await client.socket.send_str(text)
                answer = await client.hear()
                assert (answer["error"]["code"], answer["id"]) == (code, id_), text
            await asyncio.sleep(1.1)
            for params in (["btcusdt@nothing"], ["btcusdt@trade"], ["btcusdt@kline_1m"]):
                answer = await client.ask("SUBSCRIBE", "btcusdt@kline_1h", *params, id_=3)
                assert answer["error"]["code"] == 2
            assert (await client.ask("FLY", "x"))["error"]["code"] == 2
            assert (await client.ask("SET_PROPERTY", "combined", 1))["error"]["code"] == 1
            assert (await client.ask("SET_PROPERTY", "other", True))["error"]["code"] == 0
            await client.socket.send_bytes(b"\x00\xff")
            assert (await client.hear())["error"]["code"] == 3
            assert (await client.ask("LIST_SUBSCRIPTIONS"))["result"] == []

    run(work())


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/private/ws", -1105), ("/private/ws?listenKey=no", -1125), ("/ws/" + "a" * 64, -1125),
        ("/ws/btcusdt@nothing", -1000), ("/public/ws/btcusdt@markPrice", -1000),
    ],
)  # fmt: skip
def test_refused_paths(path: str, code: int) -> None:
    async def work() -> None:
        async with live(speed="lockstep") as exchange, http(exchange.addresses.rest) as client:
            headers = {
                "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            }  # fmt: skip
            async with client.get(path, headers=headers) as answer:
                assert answer.status == 400
                assert (await answer.json())["code"] == code
            async with client.get("/ws") as answer:
                assert (answer.status, (await answer.json())["code"]) == (400, -1000)

    run(work())


def test_too_many_requests_and_too_large_ones_end_the_connection() -> None:
    async def work() -> None:
        async with live(speed="lockstep") as exchange:
            async with listener(exchange, "/ws") as client:
                for i in range(11):
                    await client.socket.send_json({"method": "LIST_SUBSCRIPTIONS", "id": i})
                with pytest.raises(ConnectionError):
                    await forever(client.hear, 5.0)
                assert client.socket.close_code == 1008
            async with listener(exchange, "/ws") as client:
                await client.socket.send_str("x" * 70_000)
                with pytest.raises(ConnectionError):
                    await client.hear()
                assert client.socket.close_code == 1009
            assert not exchange.streams.clients

    run(work())


def test_a_client_is_pinged_and_its_pings_are_answered() -> None:
    async def work() -> None:
        async with (
            live(speed="lockstep") as exchange,
            listener(exchange, "/ws", autoping=False) as client,
        ):
            await client.socket.ping(b"hello")
            message = await client.socket.receive(timeout=5)
            assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"hello")

    run(work())


def test_an_expired_key_is_told_and_then_silent() -> None:
    async def work() -> None:
        async with live(speed="lockstep") as exchange, user_stream(exchange) as client:
            await exchange.session.submit(SetLeverage("BTCUSDT", 10))
            assert (await client.hear())["e"] == "ACCOUNT_CONFIG_UPDATE"
            key = exchange.keys.key
            await exchange.session.advance(2)
            assert exchange.keys.key == key, "in lockstep a step may be longer than a key's life"
            exchange.keys.expire()
            message = await client.hear()
            assert (message["e"], message["listenKey"]) == ("listenKeyExpired", key)
            await exchange.session.submit(SetLeverage("BTCUSDT", 11))
            with pytest.raises(asyncio.TimeoutError):
                await client.socket.receive(timeout=0.2)

    run(work())


def test_a_margin_call_is_sent_once() -> None:
    async def work() -> None:
        async with (
            live(speed=0.01) as exchange, trader(exchange) as client, user_stream(exchange) as user
        ):  # fmt: skip
            await client.load_markets()
            await client.set_leverage(50, BTC)
            await client.create_order(BTC, "market", "buy", 0.01)
            held = exchange.session.state.holdings["BTCUSDT"]
            near = held.book.liq + (held.entry - held.book.liq) * 0.04
            quote = exchange.session.state.quotes["BTCUSDT"]
            streams: Streams = exchange.streams
            for _ in range(3):
                quote.mark_ticks = near
                streams._watch_margins()
            call = await user.event("MARGIN_CALL")
            assert call["p"][0]["s"] == "BTCUSDT"
            with pytest.raises(asyncio.TimeoutError):
                await user.socket.receive(timeout=0.2)

    run(work())


async def flood(exchange: HostedExchange, client: Connection, size: int) -> tuple[int, int]:
    """Send to a client that does not read until it is cut off; the most messages and bytes."""
    most = most_bytes = 0
    for i in range(200_000):
        client.send("x", "", "x" * size)
        most = max(most, client.waiting)
        most_bytes = max(most_bytes, exchange.streams.backlog.bytes)
        if client.cut_off:
            break
        if i % 500 == 0:
            await asyncio.sleep(0)
    return most, most_bytes


@pytest.mark.parametrize("size", [400, 50_000])
def test_a_slow_reader_is_cut_off(size: int) -> None:
    async def work() -> None:
        async with live(speed="lockstep") as exchange:
            reader, writer = await asyncio.open_connection("127.0.0.1", _port(exchange))
            writer.write(
                b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            await reader.readuntil(b"\r\n\r\n")
            (client,) = exchange.streams.clients
            most, most_bytes = await flood(exchange, client, size)
            assert client.cut_off
            assert most <= 10_000
            assert most_bytes <= (8 << 20) + size
            await eventually(lambda: not exchange.streams.clients)
            assert exchange.streams.cut_off == 1
            assert exchange.streams.backlog.bytes == 0
            writer.close()

    run(work())


def test_all_slow_readers_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.exchange.connections.MOST_BYTES_OF_ALL", 300_000)

    async def work() -> None:
        async with live(speed="lockstep") as exchange, AsyncExitStack() as stack:
            for _ in range(5):
                await stack.enter_async_context(listener(exchange, "/ws"))
            clients = list(exchange.streams.clients)
            for _ in range(1_000):
                for client in clients:
                    client.send("x", "", "y" * 1_000)
                assert exchange.streams.backlog.bytes <= 300_000 + 5 * 66_000
            assert any(c.cut_off for c in clients)
            assert all(c.cut_off or c.waiting <= 300 for c in clients)

    run(work())


def test_streams_end_with_1001_when_the_exchange_stops() -> None:
    async def work() -> None:
        exchange_context = live(speed="lockstep")
        exchange = await exchange_context.__aenter__()
        async with listener(exchange, "/ws") as client:
            closing = asyncio.create_task(exchange_context.__aexit__(None, None, None))
            message = await client.socket.receive(timeout=5)
            assert message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING)
            assert client.socket.close_code == 1001
            await closing

    run(work())


def _port(exchange: HostedExchange) -> int:
    return int(exchange.addresses.rest.rsplit(":", 1)[1])
