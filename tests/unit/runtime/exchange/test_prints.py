from __future__ import annotations

from runtime.exchange.market import Point
from runtime.exchange.prints import print_at, prints_before
from tests.unit.runtime.exchange.cases import FLAT, market_of

UP = (10_000, 10_400, 9_700, 10_100)


def test_every_step_has_one_trade_numbered_as_the_step() -> None:
    market = market_of({"A": [FLAT, UP]}, tick_s=600.0)
    found = prints_before(market, "A", Point(1, 3), 100, lockstep=False)
    assert len(found) == 2 * 7
    assert [p.number for p in found] == sorted({p.number for p in found})
    assert found[-1].number == market.number(Point(1, 3))
    assert found[-1].price_ticks == 10_100
    assert [p.time_ns for p in found] == sorted(p.time_ns for p in found)
    volume = sum(p.qty_steps for p in found[7:]) / 1_000
    assert 990.0 < volume <= 1_000.0


def test_lockstep_prints_at_vertices() -> None:
    market = market_of({"A": [FLAT, UP]})
    found = prints_before(market, "A", Point(1, 3), 4, lockstep=True)
    assert [p.price_ticks for p in found] == [10_000, 9_700, 10_400, 10_100]
    assert [p.buyer_is_maker for p in found] == [False, True, False, True]


def test_gaps_have_none_and_limits_hold() -> None:
    market = market_of({"A": [FLAT, None, UP]})
    found = prints_before(market, "A", Point(2, 0), 3, lockstep=True)
    assert [market.row_of(p.time_ns - 1) for p in found] == [0, 0, 1]
    assert len(found) == 3
    assert not print_at(market, "A", Point(2, 0), True).buyer_is_maker
    assert prints_before(market, "A", Point(0, 0), 0, lockstep=True) == []
