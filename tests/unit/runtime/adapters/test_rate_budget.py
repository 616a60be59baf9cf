from __future__ import annotations

import asyncio

import pytest

from envs.core.errors import FixSettings
from runtime.adapters.rate_budget import BudgetLimits, RateBudget, Urgency
from tests.unit.runtime.adapters.clock import ManualClock

LIMITS = BudgetLimits(weight_1m=1_000, orders_1m=600, orders_10s=100, reserve=0.1, used=1.0)


def budget() -> tuple[RateBudget, ManualClock]:
    clock = ManualClock()
    return RateBudget(clock, LIMITS), clock


def take(b: RateBudget, weight: int, orders: int, urgency: Urgency, patience_s: float) -> bool:
    return asyncio.run(b.acquire(weight, orders, urgency, patience_s))


def test_entries_leave_the_reserve_to_exits() -> None:
    b, clock = budget()
    assert take(b, 900, 0, Urgency.ENTRY, 0.0)
    assert not take(b, 1, 0, Urgency.ENTRY, 0.0)
    assert not take(b, 1, 0, Urgency.ROUTINE, 0.0)
    assert take(b, 100, 0, Urgency.EXIT, 0.0)
    assert not take(b, 1, 0, Urgency.EXIT, 0.0)
    assert clock.slept == []


def test_orders_have_buckets_of_their_own() -> None:
    b, _ = budget()
    for _ in range(90):
        assert take(b, 0, 1, Urgency.ENTRY, 0.0)
    assert not take(b, 0, 1, Urgency.ENTRY, 0.0)
    assert take(b, 0, 1, Urgency.EXIT, 0.0)
    assert take(b, 10, 0, Urgency.ENTRY, 0.0)


def test_waiting_takes_as_long_as_the_tokens_need() -> None:
    b, clock = budget()
    take(b, 900, 0, Urgency.ENTRY, 0.0)
    assert take(b, 100, 0, Urgency.ENTRY, 10.0)
    assert sum(clock.slept) == pytest.approx(6.0)


def test_no_more_than_the_limit_in_any_minute() -> None:
    b, clock = budget()
    began, sent = clock.now_s, 0
    while clock.now_s - began < 600.0:
        assert take(b, 50, 0, Urgency.EXIT, 100.0)
        sent += 50
    assert sent <= 1_000 + 10 * 1_000 + 50


def test_a_pause_holds_everyone_exits_too() -> None:
    b, clock = budget()
    assert b.limited(429, 7.0) == 7.0
    assert b.paused_s == pytest.approx(7.0)
    assert not take(b, 1, 0, Urgency.EXIT, 5.0)
    assert take(b, 1, 0, Urgency.EXIT, 8.0)
    assert clock.slept == [pytest.approx(7.0)]


def test_a_longer_pause_stays_and_a_ban_without_a_time_is_long() -> None:
    b, _ = budget()
    b.limited(418, 30.0)
    b.limited(429, 2.0)
    assert b.paused_s == pytest.approx(30.0)
    other, _ = budget()
    assert other.limited(418, 0.0) == 60.0
    assert other.limited(429, 0.0) == 1.0


def test_the_venues_count_is_adopted_when_it_is_worse() -> None:
    b, _ = budget()
    b.told({"X-MBX-USED-WEIGHT-1M": "950", "Content-Type": "json", "X-MBX-ORDER-COUNT-10S": "99"})
    assert b.wait_s(51, 0, Urgency.EXIT) > 0.0
    assert b.wait_s(50, 0, Urgency.EXIT) == 0.0
    assert b.wait_s(0, 2, Urgency.EXIT) > 0.0
    b.told({"X-MBX-USED-WEIGHT-1M": "0"})
    assert b.wait_s(51, 0, Urgency.EXIT) > 0.0


def test_a_request_larger_than_the_bucket_still_gets_its_turn() -> None:
    b, _ = budget()
    assert take(b, 5_000, 0, Urgency.ROUTINE, 1_000.0)


@pytest.mark.parametrize("bad", [{"weight_1m": 0}, {"reserve": 1.0}, {"used": 0.0}])
def test_senseless_limits_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(FixSettings):
        BudgetLimits(**bad)  # type: ignore[arg-type]
