from __future__ import annotations

from dataclasses import replace

import pytest

from envs.core.series import prepare
from runtime.exchange.depth import LEVELS, SyntheticBook
from runtime.exchange.engine import Engine
from runtime.exchange.errors import VenueError
from runtime.exchange.liquidity import slipped
from runtime.exchange.market import ExchangeMarket, Point
from runtime.exchange.matching import Piece
from runtime.exchange.moving import MarketWalk
from runtime.exchange.orders import BUY, SELL, OrderStatus, TimeInForce
from runtime.exchange.state import Quote
from tests.unit.runtime.exchange.cases import (
    CALM,
    FLAT,
    data_of,
    engine_of,
    limit_order,
    market_of,
    market_order,
    stop_order,
)

QUOTE = Quote(10_000, 10_000.0, 0.0005)
DIP = (10_000, 10_000, 9_800, 10_000)


def book(seed: int = 1, volume: float = 1_000.0) -> SyntheticBook:
    return SyntheticBook(market_of({"A": [FLAT, DIP, FLAT, FLAT]}, volume=volume), seed)


def engine(volume: float = 1_000.0, start_quote: float = 1e6) -> tuple[Engine, MarketWalk]:
    market = market_of({"A": [FLAT, DIP, FLAT, FLAT]}, volume=volume)
    made = engine_of(market, start_quote)
    made.liquidity = SyntheticBook(market, 1)
    return made, MarketWalk(made, market, False)


def test_the_same_seed_bar_and_price_give_the_same_book() -> None:
    at = Point(1, 1)
    assert book().levels("A", QUOTE, at) == book().levels("A", QUOTE, at)
    assert book().levels("A", QUOTE, at) != book(seed=2).levels("A", QUOTE, at)
    assert book().levels("A", QUOTE, at) != book().levels("A", QUOTE, Point(2, 1))


def test_sides_do_not_cross_and_go_away_from_the_price() -> None:
    levels = book().levels("A", QUOTE, Point(1, 1))
    bids, asks = [b.price_ticks for b in levels.bids], [a.price_ticks for a in levels.asks]
    assert len(bids) == len(asks) == LEVELS
    assert bids == sorted(set(bids), reverse=True)
    assert asks == sorted(set(asks))
    assert asks[0] == slipped(10_000, BUY, QUOTE.slip) == 10_005
    assert bids[0] == slipped(10_000, SELL, QUOTE.slip) == 9_995
    assert all(x.qty_steps >= 1 for x in (*levels.bids, *levels.asks))


def test_prices_stay_above_zero() -> None:
    levels = book().levels("A", Quote(3, 3.0, 0.0), Point(1, 1))
    assert [b.price_ticks for b in levels.bids] == [3, 2, 1]


def test_a_taking_order_walks_the_levels_it_is_shown() -> None:
    made, walk = engine()
    state = made.state
    shown = SyntheticBook(walk.market, 1).levels("A", state.quotes["A"], walk.point).asks
    qty = shown[0].qty_steps + shown[1].qty_steps + 1
    order = made.place(market_order(BUY, qty), walk.now_ns)
    trades = [(t.price_ticks, t.qty_steps) for t in state.ledger.trades]
    assert trades == [(shown[0].price_ticks, shown[0].qty_steps),
                      (shown[1].price_ticks, shown[1].qty_steps),
                      (shown[2].price_ticks, 1)]  # fmt: skip
    assert order.status is OrderStatus.FILLED


def test_what_the_book_does_not_hold_expires_or_rests() -> None:
    made, walk = engine(volume=10.0)
    total = sum(x.qty_steps for x in book(volume=10.0).levels("A", QUOTE, Point(0, 3)).asks)
    market = made.place(market_order(BUY, 10 * total), walk.now_ns)
    assert market.status is OrderStatus.EXPIRED
    assert 0 < market.filled_steps < 10 * total
    limit = made.place(limit_order(BUY, 10 * total, 10_001), walk.now_ns)
    assert limit.status is OrderStatus.PARTIALLY_FILLED
    assert made.state.open_orders() == [limit]


def test_a_fill_or_kill_larger_than_the_book_is_refused() -> None:
    made, walk = engine(volume=10.0)
    request = limit_order(BUY, 10_000, 10_100, force=TimeInForce.FOK)
    with pytest.raises(VenueError) as caught:
        made.place(request, walk.now_ns)
    assert caught.value.code == -5021
    assert made.state.orders == {}


def test_a_resting_order_fills_piece_by_piece() -> None:
    made, walk = engine(volume=0.1)
    order = made.place(limit_order(BUY, 5_000, 9_900), walk.now_ns)
    while not walk.ended:
        walk.step()
    now = made.state.orders[order.order_id]
    assert now.status is OrderStatus.PARTIALLY_FILLED
    trades = made.state.ledger.trades
    assert len(trades) > 1
    assert all(t.maker and t.price_ticks == 9_900 for t in trades)


def test_a_rest_that_crosses_does_not_move_the_price_to_its_limit() -> None:
    made, walk = engine(volume=10.0)
    made.place(limit_order(BUY, 5_000, 10_100), walk.now_ns)
    made.place_algo(stop_order(SELL, 1, 9_995, reduce_only=False, on_mark=True), walk.now_ns)
    made.walk("A", Piece(False, 10_000, 10_000, 10_000.0, 9_990.0, 0.0, walk.now_ns))
    assert made.state.ledger.trades[-1].price_ticks == 10_000


def test_the_book_knows_nothing_of_the_bar_it_is_in() -> None:
    data = data_of({"A": [FLAT, DIP, FLAT, FLAT]})
    volume = data.volume.copy()
    volume[1] *= 10.0
    markets = [ExchangeMarket(prepare(x, CALM), 0) for x in (data, replace(data, volume=volume))]
    first, second = (SyntheticBook(m, 1) for m in markets)
    assert first.levels("A", QUOTE, Point(1, 1)) == second.levels("A", QUOTE, Point(1, 1))
    assert first.levels("A", QUOTE, Point(2, 1)) != second.levels("A", QUOTE, Point(2, 1))
