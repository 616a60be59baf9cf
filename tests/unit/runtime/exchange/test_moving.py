from __future__ import annotations

import pytest

from runtime.exchange.market import ExchangeMarket, Point
from runtime.exchange.moving import MarketWalk
from runtime.exchange.orders import BUY, IncomeType
from tests.unit.runtime.exchange.cases import FLAT, engine_of, limit_order, market_of, market_order

UP = (10_000, 10_400, 9_700, 10_100)
GAP = (10_500, 10_600, 10_300, 10_400)


def market(tick_s: float = 600.0) -> ExchangeMarket:
    return market_of({"B": [FLAT, UP, GAP, UP], "A": [FLAT, GAP, None, UP]},
                     stamps={1: 0.001, 3: -0.001}, tick_s=tick_s)  # fmt: skip


@pytest.mark.parametrize("lockstep", [True, False])
def test_an_order_changes_nothing_about_where_the_market_goes(lockstep: bool) -> None:
    """Walked pieces, plain quotes and a jump lead to the same prices everywhere."""
    idle, busy = (MarketWalk(engine_of(market()), market(), lockstep) for _ in range(2))
    busy.engine.place(limit_order(BUY, 1, 1, "a", "A"), busy.now_ns)
    busy.engine.place(limit_order(BUY, 1, 1, "b", "B"), busy.now_ns)
    while not idle.ended:
        assert idle.step() == busy.step()
        assert idle.engine.state.quotes == busy.engine.state.quotes
        jumped = MarketWalk(engine_of(market()), market(), lockstep)
        jumped.move_to(idle.point)
        assert jumped.engine.state.quotes == idle.engine.state.quotes
        waits = lockstep and idle.point[1] == 3 and not idle.ended
        assert jumped.engine.at_close == idle.engine.at_close == waits


def test_symbols_move_in_name_order_and_gaps_stand_still() -> None:
    walk = MarketWalk(engine_of(market()), market(), True)
    moves = [walk.step() for _ in range(8)]
    assert [m.symbol for m in moves[0].moves] == ["A", "B"]
    assert [m.symbol for m in moves[4].moves] == ["B"]
    assert walk.engine.state.quotes["A"].last_ticks == 10_400
    assert [k.symbol for k in moves[3].klines] == ["A", "B"]
    assert [k.symbol for k in moves[7].klines] == ["B"]


def test_funding_is_settled_before_the_open_on_what_was_held_then() -> None:
    walk = MarketWalk(engine_of(market()), market(), True)
    state = walk.engine.state
    walk.engine.place(market_order(BUY, 1_000, "a", "A"), walk.now_ns)
    walk.step()
    # Bought at this very open: the stamp was before.
    assert state.holdings["A"].entry == 10_500
    assert IncomeType.FUNDING_FEE not in {i.type for i in state.ledger.income}
    walk.move_to(Point(3, 0))
    funding = [i for i in state.ledger.income if i.type is IncomeType.FUNDING_FEE]
    assert [(i.symbol, i.units, i.time_ns) for i in funding] == [
        ("A", 10_000_000, walk.market.open_ns(3))
    ]


def test_a_close_is_skipped_to_from_inside_a_bar_too() -> None:
    walk = MarketWalk(engine_of(market()), market(), True)
    assert walk.skip_to_close().point == Point(1, 3)
    walk.step()
    assert walk.skip_to_close().point == Point(2, 3)
    assert not walk.ended
    assert walk.skip_to_close().point == Point(3, 3)
    assert walk.ended
