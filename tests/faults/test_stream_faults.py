"""Every stream fault as a client meets it."""

from __future__ import annotations

import asyncio
from typing import Any

import ccxt
import pytest

from runtime.exchange.commands import SetLeverage
from runtime.exchange.hosting import HostedExchange
from tests.unit.runtime.exchange.live import (
    Listener,
    arm,
    control,
    eventually,
    forever,
    listener,
    live,
    run,
    trader,
    user_stream,
)

BTC = "BTC/USDT:USDT"


async def lever(exchange: HostedExchange, *values: int) -> None:
    """One message of the user stream each."""
    for value in values:
        await exchange.session.submit(SetLeverage("BTCUSDT", value))


async def heard(client: Listener, n: int) -> list[int]:
    """Leverages told by the next messages."""
    return [(await client.event("ACCOUNT_CONFIG_UPDATE"))["ac"]["l"] for _ in range(n)]


async def is_silent(client: Listener, seconds: float = 0.2) -> bool:
    """Whether nothing comes for a while."""
    try:
        await client.socket.receive(timeout=seconds)
    except TimeoutError:
        return True
    return False


def test_mute_duplicate_reorder_and_delay() -> None:
    async def work() -> None:
        async with live(speed="lockstep") as exchange, user_stream(exchange) as client:
            await arm(exchange, "mute", stream="user", count=2)
            await lever(exchange, 2, 3, 4)
            assert await heard(client, 1) == [4]
            await arm(exchange, "duplicate", stream="user")
            await lever(exchange, 5, 6)
            assert await heard(client, 3) == [5, 5, 6]
            await arm(exchange, "reorder", stream="user")
            await lever(exchange, 7, 8, 9)
            assert await heard(client, 3) == [8, 7, 9]
            await arm(exchange, "delay_message", stream="user", seconds=0.3)
            await lever(exchange, 10, 11)
            assert await heard(client, 2) == [11, 10]
            await arm(exchange, "reorder", stream="user")
            await lever(exchange, 12)
            assert await heard(client, 1) == [12]

    run(work())


def test_a_muted_stream_leaves_the_others_alone() -> None:
    async def work() -> None:
        path = "/stream?streams=btcusdt@trade/ethusdt@trade"
        async with live() as exchange, listener(exchange, path) as client:
            await arm(exchange, "mute", stream="btcusdt@*", seconds=60)
            alone = 0
            while alone < 5:  # What was on its way when the stream fell silent still arrives.
                alone = alone + 1 if (await client.hear())["stream"] == "ethusdt@trade" else 0
            names = {(await client.hear())["stream"] for _ in range(50)}
            assert names == {"ethusdt@trade"}
            await control(exchange, "DELETE", "faults")
            await client.until(lambda m: m["stream"] == "btcusdt@trade")

    run(work())


def test_poison_is_one_broken_message_before_the_true_one() -> None:
    async def work() -> None:
        async with live(speed="lockstep") as exchange, user_stream(exchange) as client:
            await arm(exchange, "poison", stream="user")
            await lever(exchange, 2)
            message = await client.socket.receive(timeout=5)
            with pytest.raises(ValueError, match=r"char \d+"):
                message.json()
            assert await heard(client, 1) == [2]

    run(work())


def test_poison_kills_the_receive_loop_of_ccxt() -> None:
    async def work() -> None:
        async with live() as exchange, trader(exchange) as client:
            await client.load_markets()
            await client.watch_trades(BTC)
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)
            await arm(exchange, "poison", stream="btcusdt@trade")
            await asyncio.sleep(0.1)
            with pytest.raises(asyncio.TimeoutError):
                await forever(lambda: client.watch_trades(BTC), 0.5)

    run(work())


@pytest.mark.parametrize("variant", ["no_fee", "unknown_asset"])
def test_orders_with_a_poisoned_fee(variant: str) -> None:
    async def work() -> None:
        async with (
            live() as exchange, trader(exchange) as client, user_stream(exchange) as user
        ):  # fmt: skip
            await client.load_markets()
            options = {"variant": variant}
            await arm(exchange, "poison", stream="user:ORDER_TRADE_UPDATE", skip=1, options=options)
            await client.create_order(BTC, "market", "buy", 0.01)
            told = [(await user.event("ORDER_TRADE_UPDATE"))["o"] for _ in range(3)]
            assert [o["x"] for o in told] == ["NEW", "TRADE", "TRADE"]
            assert told[1].get("N") == (None if variant == "no_fee" else "ZZZ")
            assert told[2]["N"] == "USDT"

    run(work())


@pytest.mark.parametrize(("code", "seen"), [(0, 1006), (1001, 1001)])
def test_a_socket_is_closed(code: int, seen: int) -> None:
    async def work() -> None:
        async with (
            live(speed="lockstep") as exchange, user_stream(exchange) as user,
            listener(exchange, "/ws/btcusdt@trade") as market,
        ):  # fmt: skip
            done = await arm(exchange, "close_socket", stream="user", code=code)
            assert done == {"done": {"closed": 1}}
            message = await user.socket.receive(timeout=5)
            assert (message.data if code else user.socket.close_code) == seen
            assert user.socket.closed
            assert not market.socket.closed
            done = await arm(exchange, "close_socket", stream="btcusdt@*")
            assert done == {"done": {"closed": 1}}

    run(work())


def test_ccxt_sees_a_dropped_socket_and_reconnects_without_the_gap() -> None:
    async def work() -> None:
        async with live() as exchange, trader(exchange) as client:
            await client.load_markets()
            waiting = asyncio.create_task(client.watch_orders())
            await eventually(lambda: any(c.key for c in exchange.streams.clients))
            await asyncio.sleep(0.05)
            await arm(exchange, "close_socket", stream="user")
            with pytest.raises(ccxt.NetworkError):
                await waiting
            lost = await client.create_order(BTC, "market", "buy", 0.01)
            waiting = asyncio.create_task(client.watch_orders())
            await eventually(lambda: any(c.key for c in exchange.streams.clients))
            await asyncio.sleep(0.05)
            kept = await client.create_order(BTC, "market", "buy", 0.01)
            ids = {order["id"] for order in await waiting}
            assert kept["id"] in ids
            assert lost["id"] not in ids

    run(work())


def test_half_open_hears_nothing_and_gets_no_pong() -> None:
    async def work() -> None:
        async with live(speed="lockstep") as exchange, user_stream(exchange) as client:
            assert await arm(exchange, "half_open", stream="user") == {"done": {"half_open": 1}}
            await lever(exchange, 2)
            await client.socket.ping()
            assert await is_silent(client)
            assert not client.socket.closed
            async with user_stream(exchange) as other:
                await lever(exchange, 3)
                assert await heard(other, 1) == [3]
            assert await is_silent(client, 0.05)

    run(work())


def test_ccxt_notices_a_half_open_socket_by_its_missing_pong() -> None:
    async def work() -> None:
        config: dict[str, Any] = {"streaming": {"keepAlive": 300}}
        async with live() as exchange, trader(exchange, **config) as client:
            await client.load_markets()
            await client.watch_trades(BTC)
            await arm(exchange, "half_open", stream="market")
            with pytest.raises(ccxt.NetworkError):
                await forever(lambda: client.watch_trades(BTC), 8.0)

    run(work())


def test_a_listen_key_is_ended() -> None:
    async def work() -> None:
        async with live(speed="lockstep") as exchange, user_stream(exchange) as client:
            key = exchange.keys.key
            done = await arm(exchange, "expire_listen_key")
            assert done == {"done": {"expired": key}}
            assert (await client.hear())["listenKey"] == key
            await lever(exchange, 2)
            assert await is_silent(client)
            assert (await arm(exchange, "expire_listen_key"))["done"] == {"expired": None}

    run(work())


def test_candles_are_left_out_of_the_stream() -> None:
    async def work() -> None:
        path = "/market/ws/btcusdt@kline_1h"
        async with (
            live(speed="lockstep") as exchange, listener(exchange, path) as client
        ):  # fmt: skip
            await exchange.session.advance()
            last = (await client.hear())["k"]["t"]
            await arm(exchange, "stale_kline")
            await exchange.session.advance(2)
            assert await is_silent(client)
            await control(exchange, "DELETE", "faults")
            options = {"open_ms": last + 4 * 3_600_000}
            await arm(exchange, "missing_kline", options=options)
            await exchange.session.advance(3)
            times = [(await client.hear())["k"]["t"] for _ in range(2)]
            assert times == [last + 3 * 3_600_000, last + 5 * 3_600_000]

    run(work())
