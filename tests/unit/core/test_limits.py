"""The emergency stop: triggers, holds, release and the acknowledged peak."""

from __future__ import annotations

import pytest

from envs.core.gate import Gate
from envs.core.rules.limits import (
    ARMED,
    COOLING_DOWN,
    RECOVERING,
    TRIPPED,
    Drawdowns,
    Ess,
    Ladder,
    StopLimits,
    cooldown_ns,
    drawdowns,
    judge,
    next_ess,
    raise_high_waters,
    trigger_level,
)
from envs.core.settings import CoreSettings

LIMITS = StopLimits(0.03, 0.05, 0.10, 0.25, 10, 900, 3_600, 14_400, 5, 6 * 3_600 * 10**9, 0.25)
DAY = 86_400 * 10**9
FRESH = Ess(ARMED, 0, 0, -1, 0)


@pytest.mark.parametrize(
    ("dd", "stops", "level"),
    [
        (Drawdowns(0.0299, 0.0, 0.0), 0, 0), (Drawdowns(0.03, 0.0, 0.0), 0, 1),
        (Drawdowns(0.05, 0.0, 0.0), 0, 2), (Drawdowns(0.0, 0.0, 0.0), 10, 0),
        (Drawdowns(0.0, 0.0, 0.0), 11, 2), (Drawdowns(0.0, 0.10, 0.0), 0, 3),
        (Drawdowns(0.0, 0.0, 0.25), 0, 3), (Drawdowns(0.0, 0.0, 0.2499), 0, 0),
    ],
)  # fmt: skip
def test_triggers(dd: Drawdowns, stops: int, level: int) -> None:
    assert trigger_level(dd, stops, FRESH, LIMITS) == level


def test_an_empty_wallet_is_a_full_open_loss() -> None:
    assert drawdowns(Ladder(0, 1.0, 1.0), 0.5, -1.0, 0.0).open == 1.0
    assert drawdowns(Ladder(0, 0.0, 0.0), 1.0, 0.0, 1.0) == Drawdowns(1.0, 0.0, 1.0)


def test_a_new_day_starts_anew_at_midnight() -> None:
    ladder = Ladder(0, 10.0, 12.0)
    assert raise_high_waters(ladder, 8.0, DAY - 1) == ladder
    assert raise_high_waters(ladder, 8.0, DAY) == Ladder(1, 8.0, 12.0)


def test_a_daily_trip_holds_until_the_next_day() -> None:
    tripped = next_ess(FRESH, 1, 1, True, True, 5, LIMITS)
    assert tripped == Ess(TRIPPED, 1, 5, 0, 0)
    assert next_ess(tripped, 0, 0, True, True, DAY - 1, LIMITS) == tripped
    assert next_ess(tripped, 0, 0, True, True, DAY, LIMITS).state == COOLING_DOWN


@pytest.mark.parametrize(("level", "seconds"), [(1, 900), (2, 3_600), (3, 14_400)])
def test_cooldown_ends_to_the_nanosecond_and_needs_a_human(level: int, seconds: int) -> None:
    end = seconds * 10**9
    assert cooldown_ns(level, LIMITS) == end
    cooling = Ess(COOLING_DOWN, level, 0, -1, 0)
    assert next_ess(cooling, 0, 0, True, True, end - 1, LIMITS) == cooling
    assert next_ess(cooling, 0, 0, True, False, end, LIMITS) == cooling
    assert next_ess(cooling, 0, 0, True, True, end, LIMITS).state == RECOVERING


def test_close_all_waits_until_flat_and_its_acknowledgement_sets_the_peak() -> None:
    tripped = Ess(TRIPPED, 3, 0, -1, 0)
    assert next_ess(tripped, 0, 0, False, True, 5, LIMITS) == tripped
    assert next_ess(tripped, 0, 0, True, True, 5, LIMITS).state == COOLING_DOWN
    cooling = Ess(COOLING_DOWN, 3, 0, -1, 0)
    now = 14_400 * 10**9
    got = judge(Ladder(0, 0.7, 1.0), cooling, 0.7, 0.0, 0.7, True, 0, True, now, LIMITS)
    assert (got.ess.state, got.ladder.peak) == (RECOVERING, 0.7)


def test_recovery_ends_by_trades_or_hours() -> None:
    six = 6 * 3_600 * 10**9
    assert next_ess(Ess(RECOVERING, 0, 0, -1, 4), 0, 0, True, True, six - 1, LIMITS).state == 3
    assert next_ess(Ess(RECOVERING, 0, 0, -1, 5), 0, 0, True, True, 1, LIMITS).state == ARMED
    assert next_ess(Ess(RECOVERING, 0, 0, -1, 0), 0, 0, True, True, six, LIMITS).state == ARMED


@pytest.mark.parametrize("place", range(3))
def test_what_cannot_be_measured_trips_the_highest_level(place: int) -> None:
    numbers = [1.0, 0.0, 1.0]
    numbers[place] = float("nan")
    equity, unrealised, wallet = numbers
    ladder = Ladder(0, 1.0, 1.0)
    got = judge(ladder, FRESH, equity, unrealised, wallet, True, 0, True, 5, LIMITS)
    assert (got.raised, got.ess.state) == (3, TRIPPED)
    assert got.ladder == ladder


def test_a_loss_before_the_first_evaluation_counts_as_daily_drawdown() -> None:
    gate = Gate(CoreSettings(), 10_000.0, DAY + 5)
    gate.evaluate(9_600.0, 0.0, 9_600.0, True, DAY + 10)
    assert gate.drawdowns.daily == pytest.approx(0.04)
