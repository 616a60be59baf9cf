from __future__ import annotations

from dataclasses import replace

import pytest

from envs.core.settings import CoreSettings
from runtime.exchange.engine import Engine
from runtime.exchange.matching import Piece
from runtime.exchange.moving import MarketWalk
from runtime.exchange.orders import (
    BUY,
    SELL,
    AlgoStatus,
    IncomeType,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from tests.unit.runtime.exchange.cases import (
    FLAT,
    engine_of,
    limit_order,
    market_of,
    market_order,
    stop_order,
)

NOW = 1
PROFIT = OrderType.TAKE_PROFIT_MARKET


@pytest.fixture
def engine() -> Engine:
    market = market_of({"A": [FLAT] * 4})
    made = engine_of(market)
    MarketWalk(made, market, lockstep=False)
    return made


def walk(engine: Engine, a: int, b: int, mark_a: float | None = None, mark_b: float | None = None,
         slip: float = 0.0) -> None:  # fmt: skip
    engine.walk("A", Piece(False, a, b, float(mark_a or a), float(mark_b or b), slip, 2))


def gap(engine: Engine, to: int, mark: float | None = None, slip: float = 0.0) -> None:
    engine.walk("A", Piece(True, to, to, float(mark or to), float(mark or to), slip, 2))


def prices(engine: Engine) -> list[int]:
    return [t.price_ticks for t in engine.state.ledger.trades]


def long(engine: Engine, qty: int = 10, leverage: int = 20) -> None:
    engine.set_leverage("A", leverage, NOW)
    engine.place(market_order(BUY, qty), NOW)


def test_levels_fire_on_touch_at_their_own_price_in_the_order_of_the_path(engine: Engine) -> None:
    long(engine, 30)
    for name, level in (("far", 10_200), ("near", 10_100)):
        engine.place_algo(stop_order(SELL, 10, level, name, type_=PROFIT), NOW)
    engine.place_algo(stop_order(SELL, 10, 9_900, "stop"), NOW)
    walk(engine, 10_000, 10_200)
    assert prices(engine)[1:] == [10_100, 10_200]
    walk(engine, 10_200, 9_900)
    assert prices(engine)[3:] == [9_900]
    assert engine.state.holdings == {}


def test_one_tick_short_of_a_level_nothing_happens(engine: Engine) -> None:
    long(engine)
    engine.place_algo(stop_order(SELL, 10, 9_900), NOW)
    engine.place(limit_order(BUY, 10, 9_901, "l"), NOW)
    walk(engine, 10_000, 9_901)
    assert len(prices(engine)) == 1
    walk(engine, 9_901, 9_900)
    assert [(t.price_ticks, t.side, t.maker) for t in engine.state.ledger.trades[1:]] == [
        (9_900, SELL, False), (9_901, BUY, True),
    ]  # fmt: skip


def test_an_open_beyond_a_level_fills_at_the_open(engine: Engine) -> None:
    long(engine)
    engine.place_algo(stop_order(SELL, 10, 9_900), NOW)
    engine.place(limit_order(BUY, 10, 9_700, "l"), NOW)
    gap(engine, 9_600, slip=0.001)
    # The stop pays slippage on the open, the limit gets its price.
    assert prices(engine)[1:] == [9_590, 9_700]


def test_slippage_is_against_whoever_takes(engine: Engine) -> None:
    long(engine, 20)
    engine.place_algo(stop_order(SELL, 10, 10_100, "p", type_=PROFIT), NOW)
    engine.place_algo(stop_order(SELL, 10, 9_900, "s"), NOW)
    walk(engine, 10_000, 10_100, slip=0.001)
    walk(engine, 10_100, 9_900, slip=0.001)
    assert prices(engine)[1:] == [10_089, 9_890]


def test_liquidation_comes_before_a_stop_at_an_open_and_costs_margin_and_fee(
    engine: Engine,
) -> None:
    long(engine, 1_000)
    margin = engine.state.holdings["A"].book.margin
    engine.place_algo(stop_order(SELL, 1_000, 9_900), NOW)
    before = engine.state.ledger.wallet_units
    gap(engine, 9_000)
    state = engine.state
    forced = state.orders[2]
    assert forced.type is OrderType.LIQUIDATION
    assert forced.client_id.startswith("autoclose-")
    fee = state.ledger.trades[-1].fee_units
    assert before - state.ledger.wallet_units == margin + fee
    assert {i.type for i in state.ledger.income if i.trade_id == 2} == {
        IncomeType.REALIZED_PNL, IncomeType.INSURANCE_CLEAR, IncomeType.COMMISSION,
    }  # fmt: skip
    # The stop is met too, but finds nothing to reduce.
    assert state.algos[1].status is AlgoStatus.EXPIRED


def test_liquidation_watches_the_mark_not_the_last_price(engine: Engine) -> None:
    long(engine, 1_000)
    walk(engine, 10_000, 9_000, mark_b=9_990.0)
    assert "A" in engine.state.holdings
    walk(engine, 9_000, 9_001, mark_a=9_990.0, mark_b=9_000.0)
    assert engine.state.holdings == {}


def test_a_stop_on_the_mark_fires_where_the_mark_is(engine: Engine) -> None:
    long(engine)
    engine.place_algo(stop_order(SELL, 10, 9_900, on_mark=True), NOW)
    walk(engine, 10_000, 9_800, mark_b=9_950.0)
    assert len(prices(engine)) == 1
    walk(engine, 9_800, 9_700, mark_a=9_950.0, mark_b=9_850.0)
    assert prices(engine)[1:] == [9_750]


def test_a_trigger_is_not_a_fill(engine: Engine) -> None:
    engine.place_algo(stop_order(SELL, 10, 9_900), NOW)
    walk(engine, 10_000, 9_800)
    algo = engine.state.algos[1]
    assert (algo.status, algo.child_id) == (AlgoStatus.EXPIRED, 0)
    assert engine.state.orders == {}


def test_the_child_is_an_order_of_its_own(engine: Engine) -> None:
    long(engine)
    engine.place_algo(stop_order(SELL, 25, 9_900), NOW)
    engine.state.take_events()
    walk(engine, 10_000, 9_800)
    algo = engine.state.algos[1]
    child = engine.state.orders[algo.child_id]
    assert algo.status is AlgoStatus.FINISHED
    assert (child.qty_steps, child.status, child.algo_id) == (10, OrderStatus.FILLED, 1)
    assert child.original_type is OrderType.STOP_MARKET
    told = [getattr(e, "algo", None) for e in engine.state.take_events()]
    assert [a.status for a in told if a] == [AlgoStatus.TRIGGERED, AlgoStatus.FINISHED]


def test_close_position_takes_all_there_is(engine: Engine) -> None:
    long(engine, 7)
    engine.place_algo(stop_order(SELL, 0, 9_900, reduce_only=False, close_position=True), NOW)
    engine.place(market_order(BUY, 5, "more"), NOW)
    walk(engine, 10_000, 9_800)
    assert engine.state.ledger.trades[-1].qty_steps == 12


def test_a_stop_limit_rests_at_its_limit(engine: Engine) -> None:
    long(engine)
    engine.place_algo(stop_order(SELL, 10, 9_900, type_=OrderType.STOP, price_ticks=9_950), NOW)
    walk(engine, 10_000, 9_850)
    assert engine.state.open_orders()[0].price_ticks == 9_950
    walk(engine, 9_850, 9_960)
    assert (prices(engine)[-1], engine.state.ledger.trades[-1].maker) == (9_950, True)


@pytest.mark.parametrize(
    ("force", "limit", "status"),
    [
        (TimeInForce.IOC, 9_950, OrderStatus.EXPIRED),
        (TimeInForce.FOK, 9_950, OrderStatus.EXPIRED),
        (TimeInForce.GTX, 9_850, OrderStatus.EXPIRED),
        (TimeInForce.GTX, 9_950, OrderStatus.NEW),
        (TimeInForce.IOC, 9_850, OrderStatus.FILLED),
        (TimeInForce.FOK, 9_850, OrderStatus.FILLED),
    ],
)
def test_a_child_keeps_its_time_in_force(
    engine: Engine, force: TimeInForce, limit: int, status: OrderStatus
) -> None:
    long(engine)
    request = stop_order(SELL, 10, 9_900, type_=OrderType.STOP, price_ticks=limit)
    engine.place_algo(replace(request, time_in_force=force), NOW)
    walk(engine, 10_000, 9_900)
    assert engine.state.orders[engine.state.algos[1].child_id].status is status


def test_a_trailing_stop_follows_and_never_goes_back(engine: Engine) -> None:
    long(engine)
    trailing = OrderType.TRAILING_STOP_MARKET
    engine.place_algo(stop_order(SELL, 10, 0, type_=trailing, callback_frac=0.01), NOW)
    walk(engine, 10_000, 10_500)
    walk(engine, 10_500, 10_396)
    assert len(prices(engine)) == 1
    walk(engine, 10_396, 10_300)
    assert prices(engine)[1:] == [10_395]


def test_a_trailing_stop_waits_for_its_activation(engine: Engine) -> None:
    long(engine, leverage=1)
    request = stop_order(SELL, 10, 0, type_=OrderType.TRAILING_STOP_MARKET, callback_frac=0.01)
    engine.place_algo(replace(request, activation_ticks=10_400), NOW)
    walk(engine, 10_000, 9_500)
    assert len(prices(engine)) == 1
    walk(engine, 9_500, 10_400)
    walk(engine, 10_400, 10_000)
    assert prices(engine)[1:] == [10_296]


def test_a_waiting_market_order_fills_after_the_levels_of_its_open(engine: Engine) -> None:
    long(engine)
    engine.place_algo(stop_order(SELL, 10, 9_900), NOW)
    engine.at_close = True
    engine.place(market_order(SELL, 10, "exit", reduce_only=True), NOW)
    gap(engine, 9_800)
    assert engine.state.ledger.trades[-1].order_id == engine.state.algos[1].child_id
    assert engine.state.find_order("A", None, "exit").status is OrderStatus.EXPIRED


def test_an_opening_the_wallet_no_longer_covers_expires(engine: Engine) -> None:
    engine.set_leverage("A", 1, NOW)
    engine.at_close = True
    engine.place(market_order(BUY, 99_000), NOW)
    gap(engine, 10_500)
    assert engine.state.orders[1].status is OrderStatus.EXPIRED
    assert engine.state.holdings == {}
    assert engine.state.ledger.income == []


def test_orders_that_close_one_by_one_cannot_open_beyond_the_wallet(engine: Engine) -> None:
    """Each of them only closes when it is placed; together they would turn the position far."""
    engine.set_leverage("A", 125, NOW)
    engine.place(market_order(BUY, 5_000_000), NOW)
    for n in range(6):
        engine.place(limit_order(SELL, 5_000_000, 10_010, f"n{n}"), NOW)
    walk(engine, 10_000, 10_020)
    state = engine.state
    assert state.margin_units() <= state.ledger.wallet_units
    gap(engine, 20_000)
    assert state.ledger.wallet_units >= 0


def test_what_fills_through_a_gap_does_not_move_the_price_back(engine: Engine) -> None:
    long(engine)
    engine.place_algo(stop_order(SELL, 10, 9_940), NOW)
    engine.place(limit_order(BUY, 10, 9_960, "l"), NOW)
    gap(engine, 9_950)
    assert engine.state.find_order("A", None, "l").status is OrderStatus.FILLED
    walk(engine, 9_950, 9_930)
    assert prices(engine)[1:] == [9_960, 9_940]


def test_the_price_after_a_liquidation_goes_on_from_where_it_was(engine: Engine) -> None:
    long(engine, 1_000)
    engine.place_algo(stop_order(SELL, 500, 9_900, "half"), NOW)
    opens = stop_order(SELL, 10, 9_500, "opens", reduce_only=False, on_mark=True)
    engine.place_algo(opens, NOW)
    walk(engine, 10_000, 9_000)
    kinds = [engine.state.orders[t.order_id].type for t in engine.state.ledger.trades]
    assert kinds[2] is OrderType.LIQUIDATION
    assert prices(engine)[3:] == [9_500]


def test_funding_changes_wallet_and_margin_of_what_is_held(engine: Engine) -> None:
    engine.fund("A", 10_000.0, 0.001, NOW)
    assert engine.state.ledger.income == []
    long(engine, 1_000)
    margin = engine.state.holdings["A"].book.margin
    engine.fund("A", 10_000.0, 0.001, NOW)
    assert engine.state.ledger.income[-1].units == -10_000_000
    assert engine.state.holdings["A"].book.margin == margin - 10_000_000


def test_fees_come_from_the_settings() -> None:
    base = CoreSettings()
    core = replace(base, costs=replace(base.costs, maker_fee=-0.0001, taker_fee=0.001))
    market = market_of({"A": [FLAT] * 4}, core=core)
    engine = engine_of(market, core=core)
    MarketWalk(engine, market, lockstep=False)
    engine.place(limit_order(BUY, 1_000, 9_900), NOW)
    walk(engine, 10_000, 9_800)
    assert engine.state.ledger.trades[0].fee_units == -990_000
