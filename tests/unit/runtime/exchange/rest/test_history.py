from __future__ import annotations

import pytest

from runtime.exchange.errors import VenueError
from runtime.exchange.rest.history import DAY_MS, WEEK_MS, window_of
from tests.unit.runtime.exchange.rest.asking import Asker, run

NOW = 1_700_000_000_000


@pytest.mark.parametrize(
    ("asked", "window"),
    [
        ({}, (NOW - WEEK_MS, NOW)),
        ({"startTime": 5}, (5, 5 + WEEK_MS)),
        ({"endTime": NOW - 9}, (NOW - 9 - WEEK_MS, NOW - 9)),
        ({"startTime": 7, "endTime": 8}, (7, 8)),
    ],
)
def test_windows(asked: dict[str, int], window: tuple[int, int]) -> None:
    low, high = window_of(asked, NOW)
    assert (low // 10**6, high // 10**6) == window


@pytest.mark.parametrize(
    ("start", "end", "code"), [(0, WEEK_MS, 0), (0, WEEK_MS + 1, -4165), (2, 1, -1130)]
)
def test_windows_that_are_none(start: int, end: int, code: int) -> None:
    found = 0
    try:
        window_of({"startTime": start, "endTime": end}, NOW)
    except VenueError as error:
        found = error.code
    assert found == code


def test_trades_orders_and_income_by_window_and_id() -> None:
    async def work(a: Asker) -> None:
        btc = {"symbol": "BTCUSDT"}
        begin = a.session.now_ms
        for _ in range(5):
            await a.order()
            await a.session.advance(4)
        trades = await a.ask("GET", "v1/userTrades", **btc)
        assert [t["id"] for t in trades] == [1, 2, 3, 4, 5]
        times = [t["time"] for t in trades]
        assert times == sorted(set(times))

        async def ids(path: str, name: str, **params: int) -> list[int]:
            return [row[name] for row in await a.ask("GET", path, **btc, **params)]

        assert await ids("v1/userTrades", "id", fromId=3) == [3, 4, 5]
        assert await ids("v1/userTrades", "id", fromId=0, limit=2) == [1, 2]
        assert await ids("v1/userTrades", "id", limit=2) == [4, 5]
        assert await ids("v1/userTrades", "id", startTime=times[1], limit=2) == [2, 3]
        assert await ids("v1/userTrades", "id", startTime=times[1], endTime=times[2]) == [2, 3]
        assert await ids("v1/userTrades", "id", orderId=trades[3]["orderId"]) == [4]
        assert await ids("v1/userTrades", "id", endTime=begin - 1) == []
        assert await a.code("GET", "v1/userTrades", **btc, fromId=1, startTime=1) == -1128
        assert await ids("v1/allOrders", "orderId", orderId=4) == [4, 5, 6]
        assert await ids("v1/allOrders", "orderId", limit=2) == [5, 6]
        assert await ids("v1/allOrders", "orderId", startTime=times[2]) == [4, 5, 6]
        assert await ids("v1/allOrders", "orderId", endTime=times[0]) == [1, 2]
        assert await a.ask("GET", "v1/userTrades", symbol="ETHUSDT") == []
        rows = await a.ask("GET", "v1/income", incomeType="COMMISSION")
        assert [row["tradeId"] for row in rows] == ["1", "2", "3", "4", "5"]
        rows = await a.ask("GET", "v1/income", incomeType="COMMISSION", limit=2, page=2)
        assert [row["tradeId"] for row in rows] == ["2", "3"]
        rows = await a.ask("GET", "v1/income", startTime=times[0], limit=2, page=2)
        assert len(rows) == 2
        assert await a.code("GET", "v1/income", endTime=5, startTime=5 + 91 * DAY_MS) == -1130

    run(work)
