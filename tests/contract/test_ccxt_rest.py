"""Unmodified ccxt, every REST call of the contract."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import ccxt
import pytest

from tests.contract.conftest import LocalExchange, ccxt_client

S = "BTC/USDT:USDT"


def _last(client: Any) -> float:
    return float(client.fetch_ticker(S)["last"])


def test_no_address_of_the_client_leaves_loopback(exchange: LocalExchange) -> None:
    client = ccxt_client(exchange)

    def addresses(found: Any) -> list[str]:
        return (
            [found] if isinstance(found, str) else [x for v in found.values() for x in addresses(v)]
        )

    assert all("//127.0.0.1:" in url for url in addresses(client.urls["api"]))


def test_markets_as_ccxt_reads_them(ccxt_exchange: Any) -> None:
    market = ccxt_exchange.market(S)
    assert (market["linear"], market["swap"], market["active"]) == (True, True, True)
    assert (market["precision"]["amount"], market["precision"]["price"]) == (0.001, 0.01)
    assert market["limits"]["cost"]["min"] == 5.0
    assert {"BTC", "USDT", "BNB"} <= set(ccxt_exchange.currencies)
    assert not ccxt_exchange.market("BNB/USDT:USDT")["active"]


def test_the_market_as_ccxt_reads_it(ccxt_exchange: Any) -> None:
    client = ccxt_exchange
    last = _last(client)
    assert client.fetch_tickers()[S]["last"] == last
    best = client.fetch_bids_asks([S])[S]
    assert best["bid"] < last < best["ask"]
    assert client.fetch_last_prices([S])[S]["price"] == last
    rows = client.fetch_ohlcv(S, "1h", limit=5_000)
    assert len(rows) == 1_000
    assert {b[0] - a[0] for a, b in pairwise(rows)} == {3_600_000}
    assert rows[-1][4] == last
    assert client.fetch_ohlcv(S, "1h", rows[3][0], 2) == rows[3:5]
    assert len(client.fetch_ohlcv(S, "4h", limit=3, params={"price": "mark"})) == 3
    book = client.fetch_order_book(S, 5)
    assert (len(book["bids"]), len(book["asks"])) == (5, 5)
    assert book["nonce"] is not None
    assert len(client.fetch_trades(S, limit=3)) == 3
    funding = client.fetch_funding_rate(S)
    assert funding["fundingTimestamp"] > funding["timestamp"]
    assert S in client.fetch_funding_rates()
    assert len(client.fetch_funding_rate_history(S, limit=4)) == 4
    assert client.fetch_funding_intervals()[S]["interval"] == "8h"


def test_the_clock_offset_is_learnt(open_exchange: LocalExchange) -> None:
    client = ccxt_client(open_exchange)
    client.load_markets()
    assert abs(client.options["timeDifference"]) < 5_000
    assert client.load_time_difference() is not None


def test_account_and_settings(ccxt_exchange: Any) -> None:
    client = ccxt_exchange
    balance = client.fetch_balance()["USDT"]
    assert balance["total"] == 10_000.0
    assert 0.0 < balance["free"] < 10_000.0
    assert client.fetch_balance({"useV2": True})["USDT"] == balance
    assert client.fetch_positions() == []
    assert client.fetch_leverage(S)["longLeverage"] == 20
    assert client.fetch_margin_mode(S)["marginMode"] == "isolated"
    assert client.fetch_leverage_tiers([S])[S][0]["maxLeverage"] == 125
    assert client.fetch_position_mode(S)["hedged"] is False
    assert client.fetch_trading_fee(S)["taker"] > 0.0
    client.set_leverage(11, S)
    assert client.fetch_leverage(S)["longLeverage"] == 11
    with pytest.raises(ccxt.MarginModeAlreadySet):
        client.set_margin_mode("isolated", S)
    client.set_margin_mode("cross", S)
    assert client.fetch_margin_mode(S)["marginMode"] == "cross"
    with pytest.raises(ccxt.OperationRejected):
        client.set_position_mode(False)


def test_a_market_order_and_what_it_leaves(ccxt_exchange: Any) -> None:
    client = ccxt_exchange
    order = client.create_order(S, "market", "buy", 0.05, None, {"clientOrderId": "mine-1"})
    assert (order["status"], order["filled"], order["clientOrderId"]) == ("closed", 0.05, "mine-1")
    assert order["average"] > _last(client)
    (position,) = client.fetch_positions()
    assert (position["side"], position["contracts"]) == ("long", 0.05)
    assert position["entryPrice"] == order["average"]
    assert 0.0 < position["liquidationPrice"] < order["average"]
    assert position["marginMode"] == "isolated"
    (trade,) = client.fetch_my_trades(S)
    assert (trade["order"], trade["amount"], trade["takerOrMaker"]) == (order["id"], 0.05, "taker")
    assert trade["fee"]["currency"] == "USDT"
    assert trade["fee"]["cost"] == pytest.approx(order["cost"] * 0.0004)
    assert client.fetch_my_trades(S, params={"orderId": order["id"]}) == [trade]
    (row,) = client.fetch_ledger()
    assert (row["type"], row["amount"]) == ("commission", trade["fee"]["cost"])
    assert client.fetch_order(None, S, {"clientOrderId": "mine-1"})["id"] == order["id"]
    shut = client.create_order(S, "market", "sell", 0.05, None, {"reduceOnly": True})
    assert shut["filled"] == 0.05
    assert client.fetch_positions() == []
    with pytest.raises(ccxt.InvalidOrder, match="-2022"):
        client.create_order(S, "market", "sell", 0.05, None, {"reduceOnly": True})


def test_limit_orders_of_every_kind(ccxt_exchange: Any) -> None:
    client = ccxt_exchange
    last = _last(client)
    rests = client.create_order(S, "limit", "buy", 0.05, last * 0.9)
    assert rests["status"] == "open"
    maker = client.create_order(S, "limit", "buy", 0.05, last * 0.91, {"postOnly": True})
    assert (maker["timeInForce"], maker["postOnly"]) == ("PO", True)
    with pytest.raises(ccxt.OrderNotFillable, match="-5022"):
        client.create_order(S, "limit", "buy", 0.05, last * 1.02, {"postOnly": True})
    with pytest.raises(ccxt.OrderNotFillable, match="-5021"):
        client.create_order(S, "limit", "buy", 0.05, last * 0.9, {"timeInForce": "FOK"})
    gone = client.create_order(S, "limit", "buy", 0.05, last * 0.9, {"timeInForce": "IOC"})
    assert (gone["status"], gone["filled"]) == ("expired", 0.0)
    taken = client.create_order(S, "limit", "buy", 0.05, last * 1.01, {"timeInForce": "IOC"})
    assert taken["status"] == "closed"
    assert [o["id"] for o in client.fetch_open_orders(S)] == ["1", rests["id"], maker["id"]]
    assert len(client.fetch_open_orders()) == 3
    changed = client.edit_order(rests["id"], S, "limit", "buy", 0.06, last * 0.89)
    assert (changed["id"], changed["amount"]) == (rests["id"], 0.06)
    assert client.fetch_order(rests["id"], S)["amount"] == 0.06
    assert client.fetch_open_order(rests["id"], S)["amount"] == 0.06
    assert client.cancel_order(rests["id"], S)["status"] == "canceled"
    with pytest.raises(ccxt.OrderNotFound, match="-2011"):
        client.cancel_order(rests["id"], S)
    with pytest.raises(ccxt.OrderNotFound, match="-2013"):
        client.fetch_order("999", S)
    by_name = client.cancel_order(None, S, {"clientOrderId": maker["clientOrderId"]})
    assert by_name["status"] == "canceled"
    statuses = {o["id"]: o["status"] for o in client.fetch_orders(S)}
    assert statuses[taken["id"]] == "closed"
    assert len(client.fetch_closed_orders(S)) == 1
    assert len(client.fetch_canceled_orders(S)) == 2


def test_conditional_orders_of_every_kind(ccxt_exchange: Any) -> None:
    client = ccxt_exchange
    last = _last(client)
    client.create_order(S, "market", "buy", 0.05)
    asked = [
        ("market", None, {"stopLossPrice": last * 0.9}, "STOP_MARKET"),
        ("limit", last * 0.89, {"stopLossPrice": last * 0.9}, "STOP"),
        ("market", None, {"takeProfitPrice": last * 1.1}, "TAKE_PROFIT_MARKET"),
        ("limit", last * 1.1, {"takeProfitPrice": last * 1.09}, "TAKE_PROFIT"),
        ("market", None, {"trailingPercent": 1.5}, "TRAILING_STOP_MARKET"),
    ]
    placed = []
    for kind, price, params, wire in asked:
        order = client.create_order(S, kind, "sell", 0.05, price, {**params, "reduceOnly": True})
        assert order["info"]["orderType"] == wire
        assert (order["status"], order["reduceOnly"]) == ("open", True)
        placed.append(order)
    whole = {"stopLossPrice": last * 0.8, "closePosition": True}
    assert client.create_order(S, "market", "sell", 0.05, None, whole)["info"]["closePosition"]
    with pytest.raises(ccxt.ExchangeError, match="-4130"):
        client.create_order(S, "market", "sell", 0.05, None, whole)
    with pytest.raises(ccxt.OrderImmediatelyFillable, match="-2021"):
        client.create_order(S, "market", "sell", 0.05, None, {"stopLossPrice": last * 1.01})
    assert len(client.fetch_open_orders(S)) == 1
    assert len(client.fetch_open_orders(S, params={"trigger": True})) == 6
    first = placed[0]
    found = client.fetch_order(first["id"], S, {"trigger": True})
    assert found["triggerPrice"] == pytest.approx(last * 0.9, abs=0.02)
    client.cancel_order(first["id"], S, {"trigger": True})
    assert client.fetch_order(first["id"], S, {"trigger": True})["status"] == "canceled"
    client.cancel_all_orders(S)
    assert client.fetch_open_orders(S) == []
    assert len(client.fetch_open_orders(S, params={"trigger": True})) == 5
    client.cancel_all_orders(S, {"trigger": True})
    assert client.fetch_open_orders(S, params={"trigger": True}) == []
    assert len(client.fetch_orders(S, params={"trigger": True})) == 6


def test_a_stop_triggers_and_its_child_is_the_truth(
    open_exchange: LocalExchange, ccxt_exchange: Any
) -> None:
    client = ccxt_exchange
    last = _last(client)
    client.create_order(S, "market", "buy", 0.05)
    params = {"stopLossPrice": last * 0.998, "reduceOnly": True, "clientOrderId": "guard-1"}
    stop = client.create_order(S, "market", "sell", 0.05, None, params)
    for _ in range(400):
        open_exchange.advance()
        if not client.fetch_positions():
            break
    done = client.fetch_order(stop["id"], S, {"trigger": True})
    assert done["status"] == "closed"
    child = client.fetch_order(done["info"]["actualOrderId"], S)
    assert (child["side"], child["filled"], child["status"]) == ("sell", 0.05, "closed")
    assert child["average"] < last
    trades = client.fetch_my_trades(S)
    assert [t["side"] for t in trades] == ["buy", "sell"]
    wallet = 10_000.0 + sum(
        float(row["info"]["income"]) for row in client.fetch_ledger(params={"limit": 1_000})
    )
    assert client.fetch_balance()["USDT"]["total"] == pytest.approx(wallet, abs=1e-9)


def test_what_ccxt_does_not_refuse_the_exchange_does(ccxt_exchange: Any) -> None:
    client = ccxt_exchange
    for name in ("stopLoss", "takeProfit"):
        with pytest.raises(ccxt.BadRequest, match="-1104"):
            client.create_order(S, "market", "buy", 0.05, None, {name: {"triggerPrice": 100}})
    with pytest.raises(ccxt.InvalidOrder, match="-4120"):
        client.fapiPrivatePostOrder(
            {"symbol": "BTCUSDT", "side": "SELL", "type": "STOP_MARKET", "stopPrice": "100",
             "quantity": "0.01"}
        )  # fmt: skip
    with pytest.raises(ccxt.InvalidOrder, match="-4164"):
        client.create_order("ETH/USDT:USDT", "market", "buy", 0.001)
    with pytest.raises(ccxt.InsufficientFunds, match="-2019"):
        client.create_order(S, "market", "buy", 500)
    client.create_order(S, "limit", "buy", 0.05, _last(client) * 0.9, {"clientOrderId": "twice"})
    with pytest.raises(ccxt.InvalidOrder, match="-4116"):
        client.create_order(
            S, "limit", "buy", 0.05, _last(client) * 0.9, {"clientOrderId": "twice"}
        )
    assert client.fetch_positions() == []
    assert len(client.fetch_open_orders(S)) == 2
    assert client.fetch_my_trades(S) == []


def test_batches_and_the_dead_mans_switch(ccxt_exchange: Any) -> None:
    client = ccxt_exchange
    price = _last(client) * 0.8
    one = {"symbol": S, "type": "limit", "side": "buy", "amount": 0.03, "price": price}
    found = client.create_orders([one, {**one, "amount": 100_000}])
    assert sorted(str(o["status"]) for o in found) == ["open", "rejected"]
    assert client.cancel_orders(["1", "999"], S)[0]["status"] == "canceled"
    span = {"symbol": "BTCUSDT", "countdownTime": 60_000}
    assert client.fapiPrivatePostCountdownCancelAll(span)["countdownTime"] == "60000"
    span["countdownTime"] = 0
    assert client.fapiPrivatePostCountdownCancelAll(span)["countdownTime"] == "0"
    assert len(client.fetch_open_orders(S)) == 1


def test_keys_and_clocks_as_ccxt_tells_them(open_exchange: LocalExchange) -> None:
    for wrong in ({"secret": "other"}, {"apiKey": "other"}):
        client = ccxt_client(open_exchange, **wrong)
        client.load_markets()
        with pytest.raises(ccxt.AuthenticationError):
            client.fetch_balance()
    client = ccxt_client(open_exchange)
    client.load_markets()
    client.options["timeDifference"] = 60_000
    with pytest.raises(ccxt.InvalidNonce, match="-1021"):
        client.fetch_balance()


def test_too_many_requests_as_ccxt_tells_them(open_exchange: LocalExchange) -> None:
    client = ccxt_client(open_exchange)
    client.load_markets()
    limiter = open_exchange.desk.limiter
    limiter.limits = type(limiter.limits)(weight_1m=0)
    with pytest.raises(ccxt.DDoSProtection, match="-1003"):
        client.fetch_balance()
    assert 0 < int(client.last_response_headers["Retry-After"]) <= 60
