"""Every REST fault as unmodified ccxt meets it: what the client sees and what the venue did."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import ccxt
import pytest

from runtime.exchange.hosting import HostedExchange
from tests.unit.runtime.exchange.live import arm, control, http, live, run, trader

BTC = "BTC/USDT:USDT"
ORDER = "POST /fapi/v1/order"
UNKNOWN = "Unknown error, please check"


async def buy(client: Any, name: str = "one") -> Any:
    """Buy .01 under a client id."""
    return await client.create_order(BTC, "market", "buy", 0.01, None, {"clientOrderId": name})


def orders(exchange: HostedExchange) -> int:
    """Orders the venue knows."""
    return exchange.session.state.next_order_id() - 1


CASES: list[tuple[str, dict[str, Any], type[Exception], str, int]] = [
    ("drop_before", {}, ccxt.ExchangeNotAvailable, "", 0),
    ("drop_after", {}, ccxt.ExchangeNotAvailable, "", 1),
    ("timeout", {}, ccxt.RequestTimeout, "-1007", 0),
    ("timeout", {"executed": True}, ccxt.RequestTimeout, "-1007", 1),
    ("timeout", {"status": 503, "code": -1006, "executed": True}, ccxt.OperationFailed, "", 1),
    ("unknown_error", {}, ccxt.ExchangeNotAvailable, UNKNOWN, 0),
    ("unknown_error", {"executed": True}, ccxt.ExchangeNotAvailable, UNKNOWN, 1),
    ("overloaded", {}, ccxt.OperationFailed, "-1008", 0),
    ("status", {"status": 502, "body": "<html>bad</html>"}, ccxt.ExchangeNotAvailable, "502", 0),
    ("status", {"status": 500, "code": -1001, "executed": True}, ccxt.OperationFailed, "-1001", 1),
    ("refuse", {"code": -2019, "message": "Margin"}, ccxt.InsufficientFunds, "-2019", 0),
    ("refuse", {"code": -2021}, ccxt.OrderImmediatelyFillable, "-2021", 0),
    ("rate_limited", {"retry_after_s": 7}, ccxt.DDoSProtection, "429", 0),
    ("delay_before", {"seconds": 1.0}, ccxt.RequestTimeout, "", 0),
    ("delay_after", {"seconds": 1.0}, ccxt.RequestTimeout, "", 1),
]


@pytest.mark.parametrize(("kind", "fields", "error", "text", "done"), CASES)
def test_an_order_meets_a_fault_once(
    kind: str, fields: dict[str, Any], error: type[Exception], text: str, done: int
) -> None:
    async def work() -> None:
        async with live() as exchange, trader(exchange) as client:
            await client.load_markets()
            await arm(exchange, kind, endpoint=ORDER, **fields)
            client.timeout = 300 if kind.startswith("delay") else 5_000
            with pytest.raises(error) as raised:
                await buy(client)
            assert text in str(raised.value)
            assert orders(exchange) == done
            if kind == "rate_limited":
                assert client.last_response_headers["Retry-After"] == "7"
            client.timeout = 5_000
            found = await client.fetch_orders(BTC)
            assert [o["clientOrderId"] for o in found] == ["one"] * done
            assert (await buy(client, "two"))["status"] == "closed"
            assert orders(exchange) == done + 1
            assert exchange.faults.fired == {kind: 1}

    run(work())


@pytest.mark.parametrize(
    ("kind", "body"), [("empty", ""), ("empty", "{}"), ("truncated", ""), ("garbage", "")]
)
def test_a_broken_answer_looks_like_success_without_an_id(kind: str, body: str) -> None:
    async def work() -> None:
        async with live() as exchange, trader(exchange) as client:
            await client.load_markets()
            await arm(exchange, kind, endpoint=ORDER, body=body)
            order = await buy(client)
            assert order["id"] is None
            assert orders(exchange) == 1
            found = await client.fetch_order(None, BTC, {"clientOrderId": "one"})
            assert found["status"] == "closed"

    run(work())


def test_a_ban_refuses_everything_until_it_ends() -> None:
    async def work() -> None:
        async with live() as exchange, trader(exchange) as client:
            await client.load_markets()
            await arm(exchange, "banned", retry_after_s=1)
            for call in (client.fetch_time, client.fetch_balance):
                with pytest.raises(ccxt.DDoSProtection, match="418"):
                    await call()
            assert client.last_response_headers["Retry-After"] == "1"
            began = time.monotonic()
            while True:
                try:
                    await client.fetch_balance()
                    break
                except ccxt.DDoSProtection:
                    assert time.monotonic() < began + 5
                    await asyncio.sleep(0.1)

    run(work())


def test_a_skewed_clock_refuses_signatures_until_the_client_follows() -> None:
    async def work() -> None:
        async with live() as exchange, trader(exchange) as client:
            await client.load_markets()
            await arm(exchange, "skew", value=30_000)
            with pytest.raises(ccxt.InvalidNonce, match="-1021"):
                await client.fetch_balance()
            client.options["adjustForTimeDifference"] = True
            assert abs(await client.load_time_difference() + 30_000) < 2_000
            assert (await client.fetch_balance())["USDT"]["total"] == 10_000

    run(work())


def test_a_stop_vanishes_and_comes_back() -> None:
    async def work() -> None:
        async with live() as exchange, trader(exchange) as client:
            await client.load_markets()
            await buy(client)
            price = (await client.fetch_ticker(BTC))["last"]
            params = {"stopLossPrice": price * 0.8, "reduceOnly": True, "clientOrderId": "stop"}
            stop = await client.create_order(BTC, "market", "sell", 0.01, None, params)
            armed = await arm(exchange, "vanish_algo", options={"client_id": "stop"})
            trigger = {"trigger": True}
            assert await client.fetch_open_orders(BTC, params=trigger) == []
            assert (await client.fetch_order(stop["id"], BTC, trigger))["status"] == "open"
            await arm(exchange, "vanish_algo", options={"client_id": "stop", "query": True})
            with pytest.raises(ccxt.OrderNotFound):
                await client.fetch_order(stop["id"], BTC, trigger)
            await control(exchange, "DELETE", "faults")
            assert armed["id"] == 1
            (found,) = await client.fetch_open_orders(BTC, params=trigger)
            assert found["id"] == stop["id"]

    run(work())


def test_positions_fail_and_are_empty_once() -> None:
    async def work() -> None:
        async with live() as exchange, trader(exchange) as client:
            await client.load_markets()
            await buy(client)
            assert len(await client.fetch_positions([BTC])) == 1
            await arm(exchange, "positions_fail")
            with pytest.raises(ccxt.OperationFailed):
                await client.fetch_positions([BTC])
            await arm(exchange, "positions_empty")
            assert await client.fetch_positions([BTC]) == []
            assert len(await client.fetch_positions([BTC])) == 1

    run(work())


def test_a_delisted_contract_takes_no_entry_but_an_exit() -> None:
    async def work() -> None:
        async with live() as exchange, trader(exchange) as client:
            await client.load_markets()
            await buy(client)
            await arm(exchange, "delist", symbol="BTCUSDT")
            assert (await client.load_markets(True))[BTC]["active"] is False
            with pytest.raises(ccxt.BaseError, match="-4140"):
                await buy(client, "two")
            reduce = {"reduceOnly": True}
            sold = await client.create_order(BTC, "market", "sell", 0.01, None, reduce)
            assert sold["status"] == "closed"
            assert not exchange.session.state.holdings

    run(work())


def test_filters_change_under_the_client() -> None:
    async def work() -> None:
        async with live() as exchange, trader(exchange) as client:
            await client.load_markets()
            await arm(exchange, "filters", symbol="BTCUSDT", options={"stepSize": "0.1"})
            with pytest.raises(ccxt.BaseError, match="-1111"):
                await buy(client)
            assert orders(exchange) == 0
            market = (await client.load_markets(True))[BTC]
            assert market["precision"]["amount"] == 0.1

    run(work())


def test_candles_stale_missing_and_revised() -> None:
    async def work() -> None:
        async with live(speed="lockstep") as exchange, trader(exchange) as client:
            await client.load_markets()
            await exchange.session.advance(5)
            true = await client.fetch_ohlcv(BTC, "1h", limit=4)
            armed = await arm(exchange, "revised_kline", symbol="BTCUSDT", value=0.01)
            revised = await client.fetch_ohlcv(BTC, "1h", limit=4)
            changed = [a[0] for a, b in zip(true, revised, strict=True) if a != b]
            assert changed == [armed["options"]["open_ms"]]
            await control(exchange, "DELETE", "faults")
            await arm(exchange, "missing_kline", symbol="BTCUSDT")
            await exchange.session.advance(1)
            now = exchange.session.now_ms
            missing = await client.fetch_ohlcv(BTC, "1h", limit=4)
            assert now - 2 * 3_600_000 not in [row[0] for row in missing]
            await control(exchange, "DELETE", "faults")
            await arm(exchange, "stale_kline")
            last = now - 3_600_000
            await exchange.session.advance(3)
            assert (await client.fetch_ohlcv(BTC, "1h", limit=9))[-1][0] == last
            await control(exchange, "DELETE", "faults")
            assert (await client.fetch_ohlcv(BTC, "1h", limit=9))[-1][0] >= last + 3 * 3_600_000

    run(work())


def test_a_crossed_book() -> None:
    async def work() -> None:
        async with live() as exchange, trader(exchange) as client:
            await client.load_markets()
            await arm(exchange, "crossed_book", symbol="BTCUSDT")
            async with http(exchange.addresses.rest) as raw:
                async with raw.get("/fapi/v1/depth?symbol=BTCUSDT&limit=5") as answer:
                    book = await answer.json()
                assert float(book["bids"][0][0]) > float(book["asks"][0][0])
                async with raw.get("/fapi/v1/ticker/bookTicker") as answer:
                    rows = {row["symbol"]: row for row in await answer.json()}
            assert float(rows["BTCUSDT"]["bidPrice"]) > float(rows["BTCUSDT"]["askPrice"])
            assert float(rows["ETHUSDT"]["bidPrice"]) < float(rows["ETHUSDT"]["askPrice"])
            best = (await client.watch_bids_asks([BTC]))[BTC]
            assert best["bid"] > best["ask"]

    run(work())


def test_a_random_schedule_never_loses_count() -> None:
    async def work() -> None:
        async with live() as exchange, trader(exchange) as client:
            await client.load_markets()
            client.timeout = 300
            kinds = ["drop_before", "drop_after", "timeout", "truncated", "unknown_error"]
            await control(exchange, "POST", "schedule", seed=4, rate=0.5, kinds=kinds)
            for i in range(40):
                with contextlib.suppress(ccxt.NetworkError):
                    await buy(client, f"n{i}")
            fired = dict(exchange.faults.fired)
            await control(exchange, "DELETE", "schedule")
            ledger = exchange.session.state.ledger
            assert sum(fired.values()) > 10
            assert set(fired) <= set(kinds)
            assert orders(exchange) == len(ledger.trades) < 40
            assert exchange.session.state.holdings["BTCUSDT"].book.qty == 10 * orders(exchange)
            assert orders(exchange) >= 40 - sum(fired.values())

    run(work())
