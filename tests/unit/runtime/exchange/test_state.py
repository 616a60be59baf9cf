from __future__ import annotations

import pytest

from envs.core.series import fees_of
from runtime.exchange.engine import Engine
from runtime.exchange.errors import VenueError
from runtime.exchange.moving import MarketWalk
from runtime.exchange.orders import BUY, SELL, IncomeType
from runtime.exchange.state import VenueState
from tests.unit.runtime.exchange.cases import (
    CALM,
    FLAT,
    engine_of,
    limit_order,
    market_of,
    market_order,
    stop_order,
)


def engine(kept: int = 10_000) -> Engine:
    market = market_of({"A": [FLAT] * 4, "B": [FLAT] * 4})
    made = Engine(VenueState(market.listings(), fees_of(CALM), 10_000.0, kept))
    MarketWalk(made, market, lockstep=False)
    return made


def test_old_orders_that_have_ended_are_forgotten_open_ones_are_not() -> None:
    made = engine(kept=10)
    made.place(limit_order(BUY, 1, 5_000, "first"), 1)
    for n in range(100):
        made.place(market_order(BUY if n % 2 else SELL, 5, f"n{n}"), 2 + n)
    state = made.state
    assert len(state.orders) <= 21
    assert state.find_order("A", None, "first").order_id == 1
    assert state.find_order("A", None, "n99").order_id == 101
    with pytest.raises(VenueError):
        state.find_order("A", None, "n0")
    assert state.next_order_id() == 102
    assert [o.order_id for o in state.open_orders()] == [1]
    ids = list(state.orders)
    assert ids == sorted(ids)


def test_what_the_ledger_forgets_stays_in_its_sums() -> None:
    made = engine(kept=10)
    for n in range(100):
        made.place(market_order(BUY if n % 2 else SELL, 5, f"n{n}"), 2 + n)
    ledger = made.state.ledger
    assert 10 <= len(ledger.trades) <= 20
    assert ledger.trades[-1].trade_id == ledger.n_trades == 100
    assert [t.trade_id for t in ledger.trades] == list(range(ledger.trades[0].trade_id, 101))
    assert len(ledger.income) <= 20
    assert ledger.income[-1].income_id == ledger.n_income
    kept = sum(i.units for i in ledger.income)
    assert ledger.wallet_units == ledger.start_units + ledger.forgotten_units + kept


def test_a_name_belongs_to_the_last_order_that_bears_it() -> None:
    made = engine(kept=2)
    for n in range(12):
        made.place_algo(stop_order(SELL, 1, 9_000, "s"), 1)
        made.cancel_algo(None, "s", 1)
        made.place(market_order(BUY if n % 2 else SELL, 5, "m"), 1)
    assert made.state.find_algo(None, "s").algo_id == 12
    assert made.state.find_order("A", None, "m").order_id == 12
    assert len(made.state.algos) <= 5
    with pytest.raises(VenueError):
        made.state.find_algo(1, None)
    with pytest.raises(VenueError):
        made.state.find_algo(None, "none")


def test_reservations_hold_back_margin_and_reduce_only_orders_none() -> None:
    made = engine()
    state = made.state
    start = state.available_units()
    order = made.place(limit_order(BUY, 1_000, 8_000), 1)
    assert state.reserved_by(order) == 4 * 10**8
    assert state.available_units() == start - 4 * 10**8
    made.cancel("A", 1, None, 1)
    made.place(market_order(BUY, 1_000), 1)
    made.place(limit_order(SELL, 1_000, 11_000, "out", reduce_only=True), 1)
    assert state.reserved_units() == 0
    assert state.available_units() == start - 5 * 10**8 - 4_000_000


def test_business_is_a_position_or_an_order_of_either_kind() -> None:
    made = engine()
    state = made.state
    assert not state.has_business()
    made.place_algo(stop_order(SELL, 1, 9_000), 1)
    assert state.has_business()
    assert state.has_business("A")
    assert not state.has_business("B")
    made.cancel_algo(1, None, 1)
    made.place(limit_order(BUY, 1, 9_000, symbol="B"), 1)
    assert state.has_business("B")
    made.cancel("B", 1, None, 1)
    made.place(market_order(BUY, 1), 1)
    assert state.has_business("A")


def test_equity_is_the_wallet_and_what_positions_are_worth_at_the_mark() -> None:
    made = engine()
    state = made.state
    made.place(market_order(BUY, 1_000), 1)
    state.quotes["A"].mark_ticks = 10_100.0
    assert state.unrealised_quote("A") == pytest.approx(1.0)
    assert state.unrealised_quote("B") == 0.0
    assert state.equity_quote() == pytest.approx(10_000.0 - 0.04 + 1.0)


def test_the_ledger_books_nothing_for_nothing() -> None:
    market = market_of({"A": [FLAT] * 2})
    ledger = engine_of(market).state.ledger
    ledger.book(IncomeType.COMMISSION, "A", 0, 1)
    assert (ledger.income, ledger.wallet_units) == ([], ledger.start_units)
