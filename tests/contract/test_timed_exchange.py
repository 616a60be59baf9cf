"""Unmodified ccxt at an exchange whose market moves by itself and fills from a book."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import ccxt
import pytest

from tests.contract.conftest import LocalExchange, ccxt_client

S = "BTC/USDT:USDT"


@pytest.fixture
def timed(tmp_path: Path) -> Iterator[LocalExchange]:
    found = LocalExchange(speed=3_600.0, book="depth", state=tmp_path / "venue.jsonl")
    yield found
    found.close()


def _booked(client: Any) -> Decimal:
    rows = client.fapiPrivateGetIncome({"limit": 1_000})
    return sum((Decimal(row["income"]) for row in rows), Decimal(0))


def test_large_orders_fill_in_parts_and_the_books_balance(timed: LocalExchange) -> None:
    client = ccxt_client(timed)
    client.load_markets()
    before = client.fetch_ticker(S)["timestamp"]
    order = client.create_order(S, "market", "buy", 1.5)
    trades = client.fetch_my_trades(S, params={"orderId": order["id"]})
    assert len(trades) > 1
    assert len({t["price"] for t in trades}) > 1
    assert sum(Decimal(str(t["amount"])) for t in trades) == Decimal(str(order["filled"]))
    price = client.fetch_ticker(S)["last"]
    for i in range(20):
        side = "buy" if i % 2 else "sell"
        client.create_order(S, "limit", side, 0.2, price * (1.002 if i % 2 else 0.998))
    time.sleep(0.3)
    assert client.fetch_ticker(S)["timestamp"] > before
    client.cancel_all_orders(S)
    for held in client.fetch_positions():
        side = "sell" if held["side"] == "long" else "buy"
        client.create_order(S, "market", side, held["contracts"], None, {"reduceOnly": True})
    wallet = Decimal(client.fapiPrivateV3GetAccount()["totalWalletBalance"])
    assert wallet == Decimal(int(timed.settings.start_quote)) + _booked(client)


def test_a_book_that_cannot_fill_refuses_all_or_nothing(timed: LocalExchange) -> None:
    client = ccxt_client(timed)
    client.load_markets()
    client.set_leverage(125, S)
    price = client.fetch_ticker(S)["last"] * 1.05
    with pytest.raises(ccxt.OrderNotFillable, match="-5021"):
        client.create_order(S, "limit", "buy", 30, price, {"timeInForce": "FOK"})
    assert client.fetch_positions() == []
    rests = client.create_order(S, "limit", "buy", 30, price)
    assert rests["status"] == "open"
    assert 0.0 < rests["filled"] < 30.0
    assert client.cancel_order(rests["id"], S)["filled"] >= rests["filled"]
