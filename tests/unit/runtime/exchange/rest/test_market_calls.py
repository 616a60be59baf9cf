from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.runtime.exchange.rest.asking import Asker, run

BTC = {"symbol": "BTCUSDT"}


def test_the_server_tells_wall_time_and_the_market_its_own() -> None:
    async def work(a: Asker) -> None:
        assert (await a.get("v1/time"))["serverTime"] == a.wall.ms
        assert (await a.get("v1/premiumIndex", **BTC))["time"] == a.session.now_ms

    run(work)


def test_candles_have_twelve_columns_and_none_is_of_the_future() -> None:
    async def work(a: Asker) -> None:
        rows = await a.get("v1/klines", **BTC, interval="1h", limit=3)
        assert [len(r) for r in rows] == [12, 12, 12]
        assert rows[-1][0] <= a.session.now_ms
        assert [r[6] - r[0] for r in rows] == [3_599_999] * 3
        start, end = rows[0][0], rows[1][0]
        same = await a.get("v1/klines", **BTC, interval="1h", startTime=start, endTime=end)
        assert same == rows[:2]
        day = await a.get("v1/klines", **BTC, interval="1d", limit=2)
        assert [r[0] % 86_400_000 for r in day] == [0, 0]
        mark = await a.get("v1/markPriceKlines", **BTC, interval="1h", limit=1)
        assert len(mark[0]) == 12
        assert mark[0][5] == "0.00000000"

    run(work)


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("v1/klines", {**BTC, "interval": "1m"}, -1120),
        ("v1/klines", {**BTC, "interval": "7h"}, -1120),
        ("v1/klines", {**BTC, "interval": "1h", "limit": 1501}, -1130),
        ("v1/klines", {**BTC, "interval": "1h", "limit": 0}, -1130),
        ("v1/klines", {**BTC, "interval": "1h", "startTime": "x"}, -1102),
        ("v1/klines", {**BTC}, -1102),
        ("v1/klines", {"symbol": "NOPE", "interval": "1h"}, -1121),
        ("v1/depth", {**BTC, "limit": 7}, -1130),
        ("v1/depth", {"symbol": "NOPE"}, -1121),
        ("v1/trades", {"symbol": "NOPE"}, -1121),
        ("v1/aggTrades", {**BTC, "fromId": 1, "startTime": 1}, -1128),
        ("v1/ticker/24hr", {"symbol": "NOPE"}, -1121),
        ("v1/premiumIndex", {"symbol": "BNBUSDT"}, -1121),
    ],
)
def test_refusals(path: str, params: dict[str, Any], code: int) -> None:
    async def work(a: Asker) -> None:
        assert (await a.get(path, **params))["code"] == code

    run(work)


def test_the_book_surrounds_the_price_and_the_ticker_is_its_top() -> None:
    async def work(a: Asker) -> None:
        book = await a.get("v1/depth", **BTC, limit=5)
        bids, asks = ([Decimal(p) for p, _ in book[side]] for side in ("bids", "asks"))
        last = Decimal((await a.get("v2/ticker/price", **BTC))["price"])
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)
        assert bids[0] < last < asks[0]
        top = await a.get("v1/ticker/bookTicker", **BTC)
        assert (Decimal(top["bidPrice"]), Decimal(top["askPrice"])) == (bids[0], asks[0])
        assert len(await a.get("v1/ticker/bookTicker")) == 2

    run(work)


def test_trades_are_told_alike_by_both_endpoints() -> None:
    async def work(a: Asker) -> None:
        rows = await a.get("v1/trades", **BTC, limit=6)
        grouped = await a.get("v1/aggTrades", **BTC, limit=6)
        assert [(r["id"], r["price"], r["qty"], r["time"]) for r in rows] == [
            (g["a"], g["p"], g["q"], g["T"]) for g in grouped
        ]
        ids = [r["id"] for r in rows]
        assert ids == sorted(set(ids))
        late = await a.get("v1/aggTrades", **BTC, startTime=rows[2]["time"], limit=3)
        assert [g["a"] for g in late] == ids[2:5]
        assert await a.get("v1/aggTrades", **BTC, startTime=a.session.now_ms + 1) == []

    run(work)


def test_funding_is_told_after_it_was_settled_never_before() -> None:
    async def work(a: Asker) -> None:
        past = await a.get("v1/fundingRate", **BTC, limit=3)
        assert len(past) == 3
        assert all(row["fundingTime"] <= a.session.now_ms for row in past)
        premium = await a.get("v1/premiumIndex", **BTC)
        assert premium["lastFundingRate"] == past[-1]["fundingRate"]
        assert premium["nextFundingTime"] > a.session.now_ms
        while a.session.now_ms <= premium["nextFundingTime"]:
            await a.session.advance()
        later = await a.get("v1/fundingRate", **BTC, startTime=past[-1]["fundingTime"] + 1)
        assert later[0]["fundingTime"] == premium["nextFundingTime"]
        hours = {r["symbol"]: r["fundingIntervalHours"] for r in await a.get("v1/fundingInfo")}
        assert hours == {"BTCUSDT": 8, "ETHUSDT": 8}

    run(work)


def test_the_listing_says_what_the_filters_do() -> None:
    async def work(a: Asker) -> None:
        info = await a.get("v1/exchangeInfo")
        rows = {row["symbol"]: row for row in info["symbols"]}
        assert rows["BNBUSDT"]["status"] == "SETTLING"
        one = rows["BTCUSDT"]
        assert (one["baseAsset"], one["quoteAsset"], one["status"]) == ("BTC", "USDT", "TRADING")
        by_type = {f["filterType"]: f for f in one["filters"]}
        assert by_type["PRICE_FILTER"]["tickSize"] == "0.01"
        assert by_type["LOT_SIZE"]["stepSize"] == "0.001"
        low = by_type["MIN_NOTIONAL"]["notional"]
        assert low == "5"
        most = by_type["LOT_SIZE"]["maxQty"]
        assert (await a.order(quantity=most))["code"] == -2019
        assert (await a.order(quantity=f"{most[:-1]}1"))["code"] == -4005
        assert (await a.order(quantity=by_type["LOT_SIZE"]["minQty"]))["status"] == "FILLED"

    run(work)
