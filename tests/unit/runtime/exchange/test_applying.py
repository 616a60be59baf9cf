from __future__ import annotations

import pytest

from runtime.exchange import commands as c
from runtime.exchange.applying import AccountModes, apply
from runtime.exchange.engine import Engine
from runtime.exchange.errors import VenueError
from runtime.exchange.moving import MarketWalk
from runtime.exchange.orders import BUY, SELL, IncomeType, OrderStatus, OrderType
from tests.unit.runtime.exchange.cases import (
    FLAT,
    engine_of,
    limit_order,
    market_of,
    market_order,
    stop_order,
)

NOW = 1


class Venue:
    """An engine and its modes on a flat market."""

    def __init__(self) -> None:
        market = market_of({"A": [FLAT] * 4, "B": [FLAT] * 4})
        self.engine: Engine = engine_of(market)
        self.modes = AccountModes()
        MarketWalk(self.engine, market, lockstep=False)

    def do(self, command: c.Command) -> object:
        return apply(command, self.engine, self.modes, NOW)

    def refused(self, command: c.Command) -> int:
        with pytest.raises(VenueError) as caught:
            self.do(command)
        return caught.value.code


def test_cancelling_all_orders_leaves_conditional_ones_and_other_symbols() -> None:
    venue = Venue()
    for n, symbol in enumerate("AAB"):
        venue.do(c.Place(limit_order(BUY, 1, 9_000, f"n{n}", symbol)))
    venue.do(c.PlaceAlgo(stop_order(SELL, 1, 9_000)))
    cancelled = venue.do(c.CancelAllOrders("A"))
    assert isinstance(cancelled, list)
    assert [o.status for o in cancelled] == [OrderStatus.CANCELED] * 2
    assert [o.symbol for o in venue.engine.state.open_orders()] == ["B"]
    assert len(venue.engine.state.open_algos()) == 1
    venue.do(c.CancelAllAlgos("A"))
    assert venue.engine.state.open_algos() == []
    assert venue.refused(c.CancelAllOrders("Z")) == -1121
    assert venue.refused(c.CancelAllAlgos("Z")) == -1121


def test_the_position_mode_changes_only_when_nothing_is_open() -> None:
    venue = Venue()
    assert venue.refused(c.SetPositionMode(False)) == -4059
    venue.do(c.SetPositionMode(True))
    assert venue.modes.dual
    venue.do(c.Place(limit_order(BUY, 1, 9_000)))
    assert venue.refused(c.SetPositionMode(False)) == -4068
    assert venue.modes.dual


def test_a_countdown_is_armed_disarmed_and_fired() -> None:
    venue = Venue()
    venue.do(c.Place(limit_order(BUY, 1, 9_000)))
    venue.do(c.Countdown("A", 500))
    venue.do(c.Countdown("B", 600))
    venue.do(c.Countdown("B", 0))
    assert venue.modes.deadlines_ms == {"A": 500}
    venue.do(c.FireCountdown("A"))
    assert venue.modes.deadlines_ms == {}
    assert venue.engine.state.open_orders() == []


def test_a_forced_liquidation_takes_the_margin() -> None:
    venue = Venue()
    assert venue.do(c.Liquidate("A")) is None
    venue.do(c.Place(market_order(BUY, 1_000)))
    state = venue.engine.state
    before, margin = state.ledger.wallet_units, state.holdings["A"].book.margin
    venue.do(c.Liquidate("A"))
    trade = state.ledger.trades[-1]
    assert state.orders[trade.order_id].type is OrderType.LIQUIDATION
    assert before - state.ledger.wallet_units == margin + trade.fee_units
    assert state.holdings == {}


def test_a_long_without_a_level_above_zero_can_still_be_forced_out() -> None:
    venue = Venue()
    venue.do(c.SetLeverage("A", 1))
    venue.do(c.Place(market_order(BUY, 1_000)))
    venue.engine.fund("A", 10_000.0, -0.01, NOW)
    assert venue.engine.state.holdings["A"].book.liq <= 0
    before, margin = (venue.engine.state.ledger.wallet_units,
                      venue.engine.state.holdings["A"].book.margin)  # fmt: skip
    venue.do(c.Liquidate("A"))
    trade = venue.engine.state.ledger.trades[-1]
    assert trade.price_ticks == 1
    assert trade.fee_units >= 0
    assert before - venue.engine.state.ledger.wallet_units == margin + trade.fee_units


def test_a_price_that_jumps_meets_what_rests() -> None:
    venue = Venue()
    venue.do(c.Place(market_order(BUY, 10)))
    venue.do(c.PlaceAlgo(stop_order(SELL, 10, 9_900)))
    venue.do(c.MovePrice("A", 9_800))
    assert venue.engine.state.ledger.trades[-1].price_ticks == 9_800
    assert venue.refused(c.MovePrice("A", 0)) == -4001


def test_a_close_from_outside_is_booked_as_any_other() -> None:
    venue = Venue()
    venue.do(c.Place(market_order(SELL, 10)))
    venue.do(c.CloseExternally("A"))
    kinds = [i.type for i in venue.engine.state.ledger.income]
    assert kinds == [IncomeType.COMMISSION] * 2
    assert venue.refused(c.CloseExternally("Z")) == -1121
