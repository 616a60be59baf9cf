"""The vendor's own connector: another author's idea of the same dialect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from binance.error import ClientError
from binance.um_futures import UMFutures

from tests.contract.conftest import LocalExchange

B = "BTCUSDT"


@pytest.fixture
def vendor(open_exchange: LocalExchange) -> UMFutures:
    return UMFutures("local", "local", base_url=open_exchange.url)


def _code(work: Callable[[], Any]) -> int:
    with pytest.raises(ClientError) as refused:
        work()
    return int(refused.value.error_code)


def test_the_market(vendor: UMFutures) -> None:
    assert vendor.ping() == {}
    assert vendor.time()["serverTime"] > 1_700_000_000_000
    assert vendor.exchange_info()["symbols"][0]["symbol"] == B
    last = float(vendor.ticker_price(B)["price"])
    book = vendor.depth(B, limit=5)
    assert float(book["bids"][0][0]) < last < float(book["asks"][0][0])
    assert len(vendor.trades(B, limit=2)) == 2
    assert len(vendor.agg_trades(B, limit=2)) == 2
    assert len(vendor.klines(B, "1h", limit=2)) == 2
    assert len(vendor.mark_price_klines(B, "1h", limit=2)) == 2
    assert vendor.mark_price(B)["symbol"] == B
    assert len(vendor.funding_rate(B, limit=2)) == 2
    assert vendor.ticker_24hr_price_change(B)["lastPrice"] == vendor.ticker_price(B)["price"]
    assert len(vendor.book_ticker()) == 2
    assert _code(lambda: vendor.klines(B, "7m")) == -1120


def test_orders(vendor: UMFutures) -> None:
    order = vendor.new_order(B, "BUY", "MARKET", quantity="0.05", newClientOrderId="v1")
    assert (order["status"], order["clientOrderId"]) == ("FILLED", "v1")
    limit = {"quantity": 0.05, "price": 15_000.5, "timeInForce": "GTC"}
    assert vendor.new_order_test(B, "BUY", "LIMIT", **limit) == {}
    vendor.new_order(B, "BUY", "LIMIT", newClientOrderId="v2", **limit)
    assert vendor.query_order(B, origClientOrderId="v2")["status"] == "NEW"
    changed = vendor.modify_order(B, "BUY", 0.06, 15_001.5, origClientOrderId="v2")
    assert (changed["origQty"], changed["price"]) == ("0.060", "15001.50")
    assert vendor.get_open_orders(B, origClientOrderId="v2")["orderId"] == changed["orderId"]
    assert len(vendor.get_orders(symbol=B)) == 2
    assert len(vendor.get_all_orders(B)) == 3
    one = {"symbol": B, "side": "BUY", "type": "LIMIT", "quantity": "0.05", "price": "15000"}
    rows = vendor.new_batch_order([{**one, "timeInForce": "GTC"}, one])
    assert [row.get("code", 0) for row in rows] == [0, -1102]
    ids = [rows[0]["orderId"], 99]
    rows = vendor.cancel_batch_order(B, orderIdList=ids, origClientOrderIdList=None)
    assert [row.get("code", row.get("status")) for row in rows] == ["CANCELED", -2011]
    assert vendor.cancel_order(B, origClientOrderId="v2")["status"] == "CANCELED"
    assert _code(lambda: vendor.cancel_order(B, origClientOrderId="v2")) == -2011
    assert vendor.countdown_cancel_order(B, 5_000)["symbol"] == B
    assert vendor.cancel_open_orders(B)["code"] == 200
    assert vendor.get_orders(symbol=B) == []
    assert _code(lambda: vendor.new_order(B, "BUY", "LIMIT", quantity="0.05", stopLoss=1)) == -1104


def test_the_account(vendor: UMFutures) -> None:
    vendor.new_order(B, "BUY", "MARKET", quantity="0.05")
    account = vendor.account()
    assert account["totalWalletBalance"] == vendor.balance()[0]["balance"]
    (held,) = [p for p in account["positions"] if float(p["positionAmt"])]
    (risk,) = vendor.get_position_risk(symbol=B)
    assert held["positionAmt"] == risk["positionAmt"] == "0.050"
    assert held["unrealizedProfit"] == risk["unRealizedProfit"]
    (trade,) = vendor.get_account_trades(B)
    (fee,) = vendor.get_income_history(incomeType="COMMISSION")
    assert fee["income"] == "-" + trade["commission"]
    assert vendor.change_leverage("ETHUSDT", 7)["leverage"] == 7
    assert vendor.change_margin_type("ETHUSDT", "CROSSED")["code"] == 200
    assert _code(lambda: vendor.change_margin_type("ETHUSDT", "CROSSED")) == -4046
    assert vendor.get_position_mode() == {"dualSidePosition": False}
    assert vendor.get_multi_asset_mode() == {"multiAssetsMargin": False}
    assert vendor.leverage_brackets(symbol=B)[0]["symbol"] == B
    assert vendor.commission_rate(B)["symbol"] == B
    assert vendor.new_listen_key() == vendor.renew_listen_key("any")
    assert vendor.close_listen_key("any") == {}


def test_wrong_secrets_are_refused(open_exchange: LocalExchange) -> None:
    wrong = UMFutures("local", "other", base_url=open_exchange.url)
    assert _code(wrong.account) == -1022
