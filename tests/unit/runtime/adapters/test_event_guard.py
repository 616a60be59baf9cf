from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from runtime.adapters.event_guard import EventGuard
from runtime.port_values import Fill, OrderStatus, OrderView, TriggerStatus, TriggerView

S, T = OrderStatus, TriggerStatus
ORDER = OrderView("c", 1, "A", 1, "LIMIT", S.NEW, 10, 0, 0, 100, False, 1_000)
STOP = TriggerView("s", 1, "A", -1, "STOP_MARKET", T.NEW, 10, 90, True, False, 0, 1_000)
LIFE = [
    ORDER,
    replace(ORDER, status=S.PARTIALLY_FILLED, filled_steps=3, updated_ms=1_001),
    replace(ORDER, status=S.PARTIALLY_FILLED, filled_steps=7, updated_ms=1_002),
    replace(ORDER, status=S.FILLED, filled_steps=10, updated_ms=1_003),
]


def fill(trade_id: int, symbol: str = "A") -> Fill:
    return Fill(trade_id, 1, symbol, 1, 1, 100, 100, 1, "USDT", 0, False, 1_000 + trade_id)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30))
def test_an_order_never_goes_backwards_and_is_never_told_twice(seen: list[int]) -> None:
    guard = EventGuard()
    told = [stage for stage in seen if guard.admit_order(LIFE[stage])]
    assert told == sorted(set(told))
    assert told[-1] == max(seen)
    assert guard.order("c") == LIFE[max(seen)]


def test_filled_then_a_late_partial_stays_filled() -> None:
    guard = EventGuard()
    assert guard.admit_order(LIFE[3])
    assert not guard.admit_order(LIFE[2])
    assert guard.open_orders() == ()


def test_a_cancel_after_a_partial_fill_is_news_once() -> None:
    guard = EventGuard()
    ended = replace(LIFE[1], status=S.CANCELED)
    assert guard.admit_order(LIFE[1])
    assert guard.admit_order(ended)
    assert not guard.admit_order(ended)
    assert not guard.admit_order(replace(ended, status=S.EXPIRED))


def test_an_amendment_is_news_unless_it_is_older() -> None:
    guard = EventGuard()
    guard.admit_order(replace(ORDER, updated_ms=2_000))
    assert guard.admit_order(replace(ORDER, price_ticks=99, updated_ms=2_001))
    assert not guard.admit_order(replace(ORDER, updated_ms=2_000))
    assert not guard.admit_order(replace(ORDER, price_ticks=99, updated_ms=3_000))


@given(st.lists(st.integers(1, 50), max_size=80))
def test_each_trade_counts_once_in_any_order(ids: list[int]) -> None:
    guard = EventGuard()
    guard.begin_trades("A", 10)
    admitted = [i for i in ids if guard.admit_fill(fill(i))]
    assert sorted(admitted) == sorted({i for i in ids if i > 10})
    assert guard.confirmed_trade_id("A") == 10


def test_trade_numbers_belong_to_their_contract() -> None:
    guard = EventGuard()
    assert guard.admit_fill(fill(5))
    assert guard.admit_fill(fill(5, "B"))
    assert not guard.admit_fill(fill(5))
    assert guard.confirmed_trade_id("C") == 0
    guard.confirm_trades("A", 7)
    guard.confirm_trades("A", 6)
    assert guard.confirmed_trade_id("A") == 7


def test_what_could_not_be_kept_is_news_again() -> None:
    guard = EventGuard()
    guard.admit_fill(fill(5))
    guard.retract_fill(fill(5))
    assert guard.admit_fill(fill(5))
    guard.admit_order(LIFE[0])
    guard.admit_order(LIFE[1])
    guard.retract(LIFE[1], LIFE[0])
    assert guard.order("c") == LIFE[0]
    assert guard.admit_order(LIFE[1])
    guard.admit_trigger(STOP)
    guard.retract(STOP, None)
    assert guard.trigger("s") is None


def test_memory_is_bounded_and_open_orders_stay() -> None:
    guard = EventGuard(most=10)
    guard.admit_order(replace(ORDER, order_id=999, client_id="open"))
    for i in range(1, 100):
        guard.admit_order(replace(LIFE[3], order_id=i, client_id=str(i)))
        assert guard.admit_fill(fill(i))
    assert [o.client_id for o in guard.open_orders()] == ["open"]
    assert guard.order("1") is None
    assert not guard.admit_fill(fill(3))


def test_a_trigger_goes_forward_only() -> None:
    guard = EventGuard()
    fired = replace(STOP, status=T.TRIGGERED, child_id=7)
    done = replace(fired, status=T.FINISHED)
    assert guard.admit_trigger(STOP)
    assert not guard.admit_trigger(replace(STOP, updated_ms=5_000))
    assert guard.admit_trigger(replace(STOP, trigger_ticks=91, updated_ms=5_000))
    assert guard.admit_trigger(fired)
    assert not guard.admit_trigger(STOP)
    assert guard.open_triggers() == (fired,)
    assert guard.admit_trigger(done)
    assert not guard.admit_trigger(done)
    assert guard.open_triggers() == ()
    assert guard.trigger("s") == done
