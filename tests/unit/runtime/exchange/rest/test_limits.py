from __future__ import annotations

import pytest

from runtime.exchange.rest.limits import Limits, RateLimiter, RateRefusal
from tests.unit.runtime.exchange.rest.asking import NOW_MS, Asker, run

SMALL = Limits(weight_1m=10, orders_1m=5, orders_10s=3, patience=2, ban_ms=90_000)
START = NOW_MS - NOW_MS % 60_000


def _refused(limiter: RateLimiter, now_ms: int, address: str = "a") -> tuple[int, int, int] | None:
    try:
        limiter.charge(address, 4, now_ms)
    except RateRefusal as error:
        return error.http, error.code, error.retry_after_s
    return None


def test_weight_counts_by_minute_and_address() -> None:
    limiter = RateLimiter(SMALL)
    assert [_refused(limiter, START + i) for i in range(3)] == [None, None, (429, -1003, 60)]
    assert _refused(limiter, START, "b") is None
    assert _refused(limiter, START + 59_000) == (429, -1003, 1)
    assert _refused(limiter, START + 60_000) is None


def test_who_goes_on_is_banned_and_longer_the_next_time() -> None:
    limiter = RateLimiter(SMALL)
    answers = [_refused(limiter, START) for _ in range(6)]
    assert answers[2:] == [(429, -1003, 60)] * 2 + [(418, -1003, 90)] * 2
    assert _refused(limiter, START + 89_999) == (418, -1003, 1)
    again = START + 120_000
    assert _refused(limiter, again) is None
    answers = [_refused(limiter, again) for _ in range(4)]
    assert answers[-1] == (418, -1003, 180)


def test_orders_count_by_ten_seconds_and_by_minute() -> None:
    limiter = RateLimiter(SMALL)
    limiter.charge_orders(3, START)
    with pytest.raises(RateRefusal) as refused:
        limiter.charge_orders(1, START + 4_000)
    assert (refused.value.code, refused.value.retry_after_s) == (-1015, 6)
    limiter.charge_orders(2, START + 10_000)
    with pytest.raises(RateRefusal) as refused:
        limiter.charge_orders(1, START + 20_000)
    assert refused.value.retry_after_s == 40
    assert limiter.orders_1m.used(START + 20_000) == 5


def test_the_addresses_remembered_do_not_grow_without_end() -> None:
    limiter = RateLimiter(SMALL)
    for i in range(3_000):
        limiter.charge(f"{i}", 1, START)
    assert len(limiter._clients) <= 1_024


def test_headers_and_refusals_on_the_wire() -> None:
    async def work(a: Asker) -> None:
        await a.get("v1/klines", symbol="BTCUSDT", interval="1h", limit=500)
        assert a.last is not None
        assert a.last.headers["X-MBX-USED-WEIGHT-1M"] == "5"
        await a.order()
        assert a.last.headers["X-MBX-ORDER-COUNT-10S"] == "2"
        assert a.last.headers["X-MBX-ORDER-COUNT-1M"] == "2"
        await a.order()
        orders = len(a.session.state.orders)
        assert (await a.order())["code"] == -1015
        assert a.last.status == 429
        assert int(a.last.headers["Retry-After"]) > 0
        assert len(a.session.state.orders) == orders
        assert await a.code("POST", "v1/batchOrders", batchOrders="[1,2,3,4]") == -1015
        assert (await a.get("v1/ticker/24hr"))["code"] == -1003
        assert a.last.status == 429
        a.wall.ms += 60_000
        assert (await a.get("v1/time"))["serverTime"] == a.wall.ms

    limits = Limits(weight_1m=40, orders_1m=5, orders_10s=3, patience=2)
    run(work, Asker(limits))


def test_weights_of_the_contract() -> None:
    asked = {
        ("GET", "v1/depth", "limit=1000"): 20, ("GET", "v1/depth", "limit=5"): 2,
        ("GET", "v1/klines", "limit=99"): 1, ("GET", "v1/klines", "limit=100"): 2,
        ("GET", "v1/klines", "limit=1500"): 10, ("GET", "v1/klines", "limit=x"): 5,
        ("GET", "v1/openOrders", ""): 40, ("GET", "v1/openOrders", "symbol=BTCUSDT"): 1,
        ("GET", "v1/ticker/24hr", ""): 40, ("GET", "v1/income", ""): 30,
        ("GET", "v1/positionSide/dual", ""): 30, ("POST", "v1/countdownCancelAll", ""): 10,
        ("POST", "v1/order", ""): 0, ("GET", "v1/nowhere", ""): 1,
    }  # fmt: skip

    async def work(a: Asker) -> None:
        used = 0
        for (method, path, query), weight in asked.items():
            await a.raw(method, f"/fapi/{path}?{query}")
            assert a.last is not None
            now = int(a.last.headers["X-MBX-USED-WEIGHT-1M"])
            assert now - used == weight, path
            used = now

    run(work)


def test_a_contract_rests_so_many_orders_and_no_more() -> None:
    async def work(a: Asker) -> None:
        rests = {"type": "LIMIT", "price": "15000", "timeInForce": "GTC", "quantity": "0.001"}
        assert "orderId" in await a.order(**rests)
        assert (await a.order(**rests))["code"] == -2025
        assert (await a.order())["status"] == "FILLED"
        eth = {**rests, "symbol": "ETHUSDT", "price": "1000", "quantity": "0.1"}
        assert "orderId" in await a.order(**eth)

    run(work, Asker(Limits(open_orders=2)))
