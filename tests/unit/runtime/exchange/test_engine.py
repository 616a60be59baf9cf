from __future__ import annotations

import pytest

from runtime.exchange.engine import MAX_OPEN_ALGOS, Engine
from runtime.exchange.errors import VenueError
from runtime.exchange.moving import MarketWalk
from runtime.exchange.orders import BUY, SELL, OrderStatus, OrderType, TimeInForce
from tests.unit.runtime.exchange.cases import (
    FLAT,
    engine_of,
    limit_order,
    market_of,
    market_order,
    stop_order,
)

NOW = 1


@pytest.fixture
def engine() -> Engine:
    market = market_of({"A": [FLAT] * 4, "B": [FLAT] * 4})
    made = engine_of(market)
    MarketWalk(made, market, lockstep=False)
    return made


def refused(code: int, call: object, *arguments: object) -> None:
    with pytest.raises(VenueError) as caught:
        call(*arguments)  # type: ignore[operator]
    assert caught.value.code == code


def test_a_market_order_fills_at_once_and_pays_the_taker_fee(engine: Engine) -> None:
    order = engine.place(market_order(BUY, 1_000), NOW)
    assert order.status is OrderStatus.FILLED
    trade = engine.state.ledger.trades[0]
    assert (trade.price_ticks, trade.qty_steps, trade.quote_units) == (10_000, 1_000, 100 * 10**8)
    assert trade.fee_units == 4_000_000
    assert engine.state.ledger.wallet_units == 10_000 * 10**8 - 4_000_000
    held = engine.state.holdings["A"]
    assert (held.side, held.entry, held.book.margin) == (1, 10_000, 5 * 10**8)


def test_a_market_order_sent_at_a_close_waits(engine: Engine) -> None:
    engine.at_close = True
    assert engine.place(market_order(BUY, 10), NOW).status is OrderStatus.NEW
    assert engine.state.holdings == {}
    assert engine.cancel("A", None, "m", NOW).status is OrderStatus.CANCELED


def test_orders_of_each_time_in_force(engine: Engine) -> None:
    at_price = engine.place(limit_order(BUY, 10, 10_000, "rests"), NOW)
    assert at_price.status is OrderStatus.NEW
    crosses = engine.place(limit_order(BUY, 10, 10_100, "takes"), NOW)
    assert (crosses.status, engine.state.ledger.trades[-1].price_ticks) == (
        OrderStatus.FILLED, 10_000,
    )  # fmt: skip
    ioc = engine.place(limit_order(BUY, 10, 9_900, "ioc", force=TimeInForce.IOC), NOW)
    assert ioc.status is OrderStatus.EXPIRED
    refused(-5021, engine.place, limit_order(BUY, 10, 9_900, "f", force=TimeInForce.FOK), NOW)
    refused(-5022, engine.place, limit_order(BUY, 10, 10_100, "g", force=TimeInForce.GTX), NOW)
    gtx = engine.place(limit_order(BUY, 10, 10_000, "h", force=TimeInForce.GTX), NOW)
    assert gtx.status is OrderStatus.NEW


def test_a_client_id_may_be_used_again_once_its_order_has_ended(engine: Engine) -> None:
    engine.place(limit_order(BUY, 10, 9_000, "x"), NOW)
    refused(-4116, engine.place, limit_order(BUY, 10, 9_000, "x"), NOW)
    engine.cancel("A", None, "x", NOW)
    assert engine.place(limit_order(BUY, 10, 9_000, "x"), NOW).order_id == 2
    assert engine.state.find_order("A", None, "x").order_id == 2


def test_what_opens_must_be_covered(engine: Engine) -> None:
    # 20 x on 10,000: 200,000 of notional less the fee.
    refused(-2019, engine.place, market_order(BUY, 2_000_000), NOW)
    engine.place(limit_order(BUY, 1_900_000, 9_999, "big"), NOW)
    refused(-2019, engine.place, market_order(BUY, 200_000), NOW)
    engine.cancel("A", None, "big", NOW)
    assert engine.place(market_order(BUY, 200_000), NOW).status is OrderStatus.FILLED
    closing = engine.place(market_order(SELL, 200_000, "c"), NOW)
    assert closing.status is OrderStatus.FILLED


def test_an_amendment_is_checked_as_a_new_order_is(engine: Engine) -> None:
    engine.place(limit_order(BUY, 10, 9_000, "x"), NOW)
    refused(-2019, engine.amend, "A", None, "x", 3_000_000, 9_000, NOW)
    assert engine.state.find_order("A", None, "x").qty_steps == 10
    assert engine.amend("A", None, "x", 2_000_000, 9_000, NOW).qty_steps == 2_000_000
    assert engine.amend("A", None, "x", 2_100_000, 9_000, NOW).qty_steps == 2_100_000
    refused(-5027, engine.amend, "A", None, "x", 2_100_000, 9_000, NOW)
    refused(-2013, engine.amend, "A", None, "none", 1, 9_000, NOW)
    taken = engine.amend("A", None, "x", 20, 10_100, NOW)
    assert taken.status is OrderStatus.FILLED


def test_reduce_only_needs_something_to_reduce(engine: Engine) -> None:
    refused(-2022, engine.place, market_order(SELL, 10, reduce_only=True), NOW)
    engine.place(market_order(BUY, 10), NOW)
    refused(-2022, engine.place, market_order(BUY, 10, reduce_only=True), NOW)
    order = engine.place(market_order(SELL, 25, "out", reduce_only=True), NOW)
    assert (order.filled_steps, order.status) == (10, OrderStatus.EXPIRED)
    assert engine.state.holdings == {}


def test_a_larger_order_turns_the_position(engine: Engine) -> None:
    engine.place(market_order(BUY, 10), NOW)
    order = engine.place(market_order(SELL, 25, "turn"), NOW)
    assert (order.status, order.filled_steps) == (OrderStatus.FILLED, 25)
    held = engine.state.holdings["A"]
    assert (held.side, held.book.qty) == (-1, 15)
    assert len(engine.state.ledger.trades) == 3


def test_a_trigger_that_is_met_already_is_refused(engine: Engine) -> None:
    profit = OrderType.TAKE_PROFIT_MARKET
    for side, level, type_ in (
        (SELL, 10_000, OrderType.STOP_MARKET), (SELL, 10_001, OrderType.STOP_MARKET),
        (BUY, 10_000, OrderType.STOP_MARKET), (SELL, 10_000, profit), (BUY, 10_000, profit),
    ):  # fmt: skip
        refused(-2021, engine.place_algo, stop_order(side, 1, level, type_=type_), NOW)
    for n, (side, level, type_) in enumerate(
        ((SELL, 9_999, OrderType.STOP_MARKET), (BUY, 10_001, OrderType.STOP_MARKET),
         (SELL, 10_001, profit), (BUY, 9_999, profit))
    ):  # fmt: skip
        engine.place_algo(stop_order(side, 1, level, f"s{n}", type_=type_), NOW)
    assert len(engine.state.open_algos()) == 4


def test_conditional_orders_have_their_own_ids_names_and_limits(engine: Engine) -> None:
    first = engine.place_algo(stop_order(SELL, 1, 9_000, "x"), NOW)
    refused(-4116, engine.place_algo, stop_order(SELL, 1, 9_000, "x"), NOW)
    assert engine.place(limit_order(BUY, 1, 9_000, "x"), NOW).order_id == first.algo_id == 1
    assert engine.cancel_algo(None, "x", NOW).algo_id == 1
    refused(-2011, engine.cancel_algo, 1, None, NOW)
    for n in range(MAX_OPEN_ALGOS):
        engine.place_algo(stop_order(SELL, 1, 9_000, f"n{n}"), NOW)
    refused(-4045, engine.place_algo, stop_order(SELL, 1, 9_000, "last"), NOW)


def test_one_closing_stop_a_side(engine: Engine) -> None:
    def closing(name: str, **more: object) -> object:
        return stop_order(SELL, 0, 9_000, name, reduce_only=False, close_position=True, **more)

    engine.place_algo(closing("a"), NOW)  # type: ignore[arg-type]
    refused(-4130, engine.place_algo, closing("b"), NOW)
    engine.place_algo(closing("c", symbol="B"), NOW)  # type: ignore[arg-type]
    engine.place_algo(stop_order(SELL, 5, 9_000, "quantity"), NOW)


def test_leverage_and_margin_type_stand_while_a_position_is_open(engine: Engine) -> None:
    for leverage in (0, 126):
        refused(-4028, engine.set_leverage, "A", leverage, NOW)
    refused(-1121, engine.set_leverage, "Z", 5, NOW)
    engine.set_leverage("A", 5, NOW)
    refused(-4046, engine.set_isolated, "A", True, NOW)
    engine.place(market_order(BUY, 1_000), NOW)
    assert engine.state.holdings["A"].book.margin == 20 * 10**8
    refused(-4161, engine.set_leverage, "A", 4, NOW)
    engine.set_leverage("A", 5, NOW)
    refused(-4048, engine.set_isolated, "A", False, NOW)


def test_a_close_from_outside_bears_a_foreign_name(engine: Engine) -> None:
    engine.close_externally("A", NOW)
    assert engine.state.orders == {}
    engine.place(market_order(BUY, 10), NOW)
    engine.close_externally("A", NOW)
    assert engine.state.holdings == {}
    assert engine.state.orders[2].client_id.startswith("web_")
    assert engine.state.orders[2].reduce_only


def test_orders_are_found_by_id_or_name_of_their_symbol_only(engine: Engine) -> None:
    engine.place(limit_order(BUY, 1, 9_000, "x"), NOW)
    refused(-2013, engine.state.find_order, "B", 1, None)
    refused(-2013, engine.state.find_order, "B", None, "x")
    refused(-2013, engine.state.find_order, "A", None, None)
    refused(-2011, engine.cancel, "A", 9, None, NOW)
    engine.cancel("A", 1, None, NOW)
    refused(-2011, engine.cancel, "A", 1, None, NOW)
