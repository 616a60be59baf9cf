"""Messages of the user stream: every documented field, with the venue's own numbers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from runtime.exchange.engine import Engine
from runtime.exchange.events import ConfigEvent, OrderEvent
from runtime.exchange.market import ExchangeMarket
from runtime.exchange.moving import MarketWalk
from runtime.exchange.orders import BUY, SELL, OrderType
from runtime.exchange.payloads import listen_key_expired, margin_call, margin_ratio, user_payload
from tests.unit.runtime.exchange.cases import (
    FLAT,
    engine_of,
    limit_order,
    market_of,
    market_order,
    stop_order,
)

ORDER_FIELDS = {
    "s", "c", "S", "o", "f", "q", "p", "ap", "sp", "x", "X", "i", "l", "z", "L", "T", "t", "b", "a",
    "m", "R", "wt", "ot", "ps", "cp", "rp", "pP", "si", "ss", "V", "pm", "gtd", "er",
}  # fmt: skip
ALGO_FIELDS = {
    "caid", "aid", "at", "o", "s", "S", "ps", "f", "q", "X", "ai", "ap", "aq", "act", "tp", "p",
    "V", "wt", "pm", "cp", "pP", "R", "tt", "gtd", "rm",
}  # fmt: skip
NS = 10**9


class Venue:
    """An engine on a market that moves by vertices."""

    def __init__(self, market: ExchangeMarket) -> None:
        self.engine: Engine = engine_of(market)
        self.state = self.engine.state
        self.walk = MarketWalk(self.engine, market, lockstep=True)
        self.walk.step()

    def told(self) -> list[dict[str, Any]]:
        """Messages of what happened since the last call."""
        return [user_payload(e, self.state, 7) for e in self.state.take_events()]

    def buy(self, qty: int = 100) -> None:
        """Open a long."""
        self.engine.place(market_order(BUY, qty), self.walk.now_ns)


@pytest.fixture
def venue() -> Venue:
    """Flat bars, then one that falls by 4 %, with funding at its open."""
    falling = (10_000, 10_000, 9_580, 9_600)
    return Venue(market_of({"A": [FLAT, FLAT, FLAT, falling, FLAT]}, stamps={3: 0.001}))


def test_a_filled_order_tells_fee_price_and_result(venue: Venue) -> None:
    venue.buy()
    new, trade, account = venue.told()
    assert set(new["o"]) == ORDER_FIELDS
    assert (new["o"]["x"], new["o"]["X"], new["e"]) == ("NEW", "NEW", "ORDER_TRADE_UPDATE")
    body = trade["o"]
    assert set(body) == ORDER_FIELDS | {"n", "N"}
    assert (body["x"], body["X"], body["l"], body["z"]) == ("TRADE", "FILLED", "0.100", "0.100")
    assert (body["L"], body["ap"], body["N"]) == ("100.00", "100.00000000", "USDT")
    fee = venue.state.ledger.trades[-1].fee_units
    assert Decimal(body["n"]).scaleb(8) == fee > 0
    assert (trade["E"], trade["T"]) == (7, venue.walk.now_ns // 10**6)
    balance, position = account["a"]["B"][0], account["a"]["P"][0]
    assert Decimal(balance["wb"]).scaleb(8) == venue.state.ledger.wallet_units
    assert (account["a"]["m"], position["pa"], position["mt"]) == ("ORDER", "0.100", "isolated")
    assert Decimal(position["iw"]).scaleb(8) == venue.state.holdings["A"].book.margin


def test_a_reducing_sell_has_a_result_and_a_flat_position_amount_0(venue: Venue) -> None:
    venue.buy()
    venue.walk.move_to(venue.walk.market.first._replace(row=3, vertex=3))
    venue.told()
    venue.engine.at_close = False
    venue.engine.place(market_order(SELL, 100, reduce_only=True), venue.walk.now_ns)
    _, trade, account = venue.told()
    assert trade["o"]["R"] is True
    assert Decimal(trade["o"]["rp"]) == Decimal("-0.40000000")
    assert account["a"]["P"][0]["pa"] == "0.000"


def test_a_cancelled_limit_order_has_no_fee(venue: Venue) -> None:
    order = venue.engine.place(limit_order(BUY, 10, 9_000), venue.walk.now_ns)
    venue.engine.cancel("A", order.order_id, None, venue.walk.now_ns)
    last = venue.told()[-1]["o"]
    assert (last["x"], last["X"], last["p"], last["L"]) == ("CANCELED", "CANCELED", "90.00", "0")
    assert "n" not in last


def test_a_stop_tells_trigger_child_and_what_it_filled(venue: Venue) -> None:
    venue.buy()
    venue.engine.place_algo(stop_order(SELL, 100, 9_900), venue.walk.now_ns)
    venue.told()
    venue.walk.move_to(venue.walk.market.first._replace(row=3, vertex=3))
    told = venue.told()
    algos = [m["o"] for m in told if m["e"] == "ALGO_UPDATE"]
    assert [a["X"] for a in algos] == ["TRIGGERED", "FINISHED"]
    assert all(set(a) == ALGO_FIELDS for a in algos)
    triggered, finished = algos
    child = next(m["o"] for m in told if m["e"] == "ORDER_TRADE_UPDATE")
    assert triggered["ai"] == finished["ai"] == str(child["i"])
    assert (triggered["aq"], finished["aq"], finished["tp"]) == ("0", "0.100", "99.00")
    assert (child["ot"], child["sp"], child["o"]) == ("STOP_MARKET", "99.00", "MARKET")


def test_a_trailing_stop_tells_its_callback(venue: Venue) -> None:
    trailing = stop_order(
        SELL, 100, 0, type_=OrderType.TRAILING_STOP_MARKET, callback_frac=0.015,
        activation_ticks=10_500,
    )  # fmt: skip
    venue.engine.place_algo(trailing, venue.walk.now_ns)
    body = venue.told()[-1]["o"]
    assert (body["cr"], body["AP"], body["X"]) == ("1.5", "105.00", "NEW")


def test_funding_is_the_balance_change(venue: Venue) -> None:
    venue.buy()
    venue.told()
    venue.walk.move_to(venue.walk.market.first._replace(row=3, vertex=0))
    (funding,) = [m for m in venue.told() if m["a"]["m"] == "FUNDING_FEE"]
    assert Decimal(funding["a"]["B"][0]["bc"]) == Decimal("-0.01")


def test_a_liquidation_bears_its_name(venue: Venue) -> None:
    venue.engine.set_leverage("A", 50, 0)
    config = venue.told()[0]
    assert config["ac"] == {"s": "A", "l": 50}
    venue.buy()
    venue.walk.move_to(venue.walk.market.first._replace(row=2, vertex=3))
    venue.told()
    venue.walk.step()
    venue.state.take_events()
    venue.walk.move_to(venue.walk.market.first._replace(row=3, vertex=3))
    forced = next(m["o"] for m in venue.told() if m["e"] == "ORDER_TRADE_UPDATE")
    assert forced["c"].startswith("autoclose-")
    assert (forced["x"], forced["o"], forced["ot"]) == ("CALCULATED", "LIMIT", "LIQUIDATION")
    assert Decimal(forced["n"]) > 0


def test_a_margin_call_tells_what_is_left(venue: Venue) -> None:
    venue.engine.set_leverage("A", 20, 0)
    venue.buy()
    calm = margin_ratio("A", venue.state)
    venue.state.quotes["A"].mark_ticks = 9_550.0
    near = margin_ratio("A", venue.state)
    assert 0.0 < calm < 0.1 < 0.7 < near < 1.0
    call = margin_call(("A",), venue.state, 5)
    (row,) = call["p"]
    assert set(row) == {"s", "ps", "pa", "mt", "iw", "mp", "up", "mm"}
    assert (row["mp"], row["up"], call["e"]) == ("95.50000000", "-0.45000000", "MARGIN_CALL")


def test_other_messages(venue: Venue) -> None:
    assert listen_key_expired("k", 5) == {"e": "listenKeyExpired", "E": "5", "listenKey": "k"}
    config = user_payload(ConfigEvent("A", 3 * NS), venue.state, 9)
    assert (config["e"], config["T"]) == ("ACCOUNT_CONFIG_UPDATE", 3_000)


def test_a_partial_fill_is_told_cumulated(venue: Venue) -> None:
    venue.buy()
    trade = [e for e in venue.state.take_events() if isinstance(e, OrderEvent)][-1]
    assert trade.order.is_open is False
    body = user_payload(trade, venue.state, 1)["o"]
    assert (body["z"], body["q"]) == ("0.100", "0.100")
