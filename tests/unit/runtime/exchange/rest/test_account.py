from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.runtime.exchange.rest.asking import Asker, run


def _sum(rows: list[dict[str, Any]], name: str) -> Decimal:
    return sum((Decimal(row[name]) for row in rows), Decimal(0))


def test_books_balance_to_the_last_digit() -> None:
    async def work(a: Asker) -> None:
        await a.order(quantity="0.300")
        await a.session.advance(9)
        await a.order(side="SELL", quantity="0.1")
        await a.session.advance(40)
        account = await a.ask("GET", "v3/account")
        income = await a.ask("GET", "v1/income", limit=1_000)
        trades = await a.ask("GET", "v1/userTrades", symbol="BTCUSDT")
        wallet = Decimal(account["totalWalletBalance"])
        assert wallet == 10_000 + _sum(income, "income")
        fees = [row for row in income if row["incomeType"] == "COMMISSION"]
        assert _sum(fees, "income") == -_sum(trades, "commission")
        gross = [row for row in income if row["incomeType"] == "REALIZED_PNL"]
        assert _sum(gross, "income") == _sum(trades, "realizedPnl")
        assert any(row["incomeType"] == "FUNDING_FEE" for row in income)
        up = Decimal(account["totalUnrealizedProfit"])
        assert Decimal(account["totalMarginBalance"]) == wallet + up
        (position,) = await a.ask("GET", "v3/positionRisk")
        assert position["positionAmt"] == "0.200"
        assert Decimal(position["unRealizedProfit"]) == up
        isolated = Decimal(position["isolatedWallet"])
        assert Decimal(position["isolatedMargin"]) == isolated + up
        free = wallet - isolated - Decimal(account["totalOpenOrderInitialMargin"])
        assert Decimal(account["availableBalance"]) == free
        quoted = [Decimal(t["price"]) * Decimal(t["qty"]) for t in trades]
        assert [Decimal(t["quoteQty"]) for t in trades] == quoted

    run(work)


def test_a_flat_contract_is_missing_in_version_3_and_empty_in_version_2() -> None:
    async def work(a: Asker) -> None:
        await a.ask("DELETE", "v1/allOpenOrders", symbol="BTCUSDT")
        assert await a.ask("GET", "v3/positionRisk") == []
        rows = await a.ask("GET", "v2/positionRisk")
        assert [(r["symbol"], r["positionAmt"]) for r in rows] == [
            ("BTCUSDT", "0.000"), ("ETHUSDT", "0.000"),
        ]  # fmt: skip
        assert (await a.ask("GET", "v3/account"))["positions"] == []
        assert len((await a.ask("GET", "v2/account"))["positions"]) == 2
        (balance,) = await a.ask("GET", "v2/balance")
        assert balance["balance"] == "10000.00000000"
        assert balance == (await a.ask("GET", "v3/balance"))[0]

    run(work)


@pytest.mark.parametrize(
    ("path", "params", "code"),
    [
        ("v1/leverage", {"symbol": "BTCUSDT", "leverage": 7}, 0),
        ("v1/leverage", {"symbol": "BTCUSDT", "leverage": 0}, -4028),
        ("v1/leverage", {"symbol": "BTCUSDT", "leverage": 126}, -4028),
        ("v1/leverage", {"symbol": "BTCUSDT", "leverage": "7.5"}, -1102),
        ("v1/leverage", {"symbol": "XX", "leverage": 7}, -1121),
        ("v1/marginType", {"symbol": "BTCUSDT", "marginType": "CROSSED"}, 0),
        ("v1/marginType", {"symbol": "BTCUSDT", "marginType": "ISOLATED"}, -4046),
        ("v1/marginType", {"symbol": "BTCUSDT", "marginType": "CROSS"}, -4054),
        ("v1/marginType", {"symbol": "XX", "marginType": "CROSSED"}, -1121),
        ("v1/positionSide/dual", {"dualSidePosition": "false"}, -4059),
        ("v1/positionSide/dual", {"dualSidePosition": "maybe"}, -1102),
        ("v1/countdownCancelAll", {"symbol": "BTCUSDT", "countdownTime": 1000}, 0),
        ("v1/countdownCancelAll", {"symbol": "BTCUSDT", "countdownTime": "9" * 18}, -1130),
        ("v1/countdownCancelAll", {"symbol": "XX", "countdownTime": 1000}, -1121),
    ],
)
def test_settings_of_the_account(path: str, params: dict[str, Any], code: int) -> None:
    async def work(a: Asker) -> None:
        assert await a.code("POST", path, **params) == code

    run(work)


def test_settings_are_shown_where_clients_look() -> None:
    async def work(a: Asker) -> None:
        eth = {"symbol": "ETHUSDT"}
        told = await a.ask("POST", "v1/leverage", **eth, leverage=9)
        assert (told["leverage"], told["symbol"]) == (9, "ETHUSDT")
        await a.ask("POST", "v1/marginType", **eth, marginType="CROSSED")
        (config,) = await a.ask("GET", "v1/symbolConfig", **eth)
        assert (config["leverage"], config["marginType"]) == (9, "CROSSED")
        assert len(await a.ask("GET", "v1/symbolConfig")) == 2
        (tier,) = await a.ask("GET", "v1/leverageBracket", **eth)
        assert tier["brackets"][0]["initialLeverage"] == 125
        assert tier["brackets"][0]["maintMarginRatio"] == 0.004
        rate = await a.ask("GET", "v1/commissionRate", **eth)
        assert rate["takerCommissionRate"] == f"{a.session.state.fees.taker:.6f}"

    run(work)


def test_listen_keys_need_the_key_but_no_signature() -> None:
    async def work(a: Asker) -> None:
        target = "/fapi/v1/listenKey"
        assert (await a.raw("PUT", target)).status == 400
        first = await a.raw("POST", target)
        assert first.status == 200
        assert (await a.raw("POST", target)).text == first.text
        assert (await a.raw("PUT", target)).text == first.text
        assert (await a.raw("POST", target, key=None)).status == 401
        assert (await a.raw("DELETE", target)).text == "{}"
        assert "-1125" in (await a.raw("PUT", target)).text

    run(work)
