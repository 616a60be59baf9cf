"""The gate of an account: trip, wait, recover small, and be armed again."""

from __future__ import annotations

from envs.core.gate import Gate
from envs.core.rules.limits import ARMED, COOLING_DOWN, RECOVERING, TRIPPED
from envs.core.settings import CoreSettings

HOUR = 3_600 * 10**9
START = 20 * 24 * HOUR


def tripped_and_cooling(acknowledge: bool) -> Gate:
    gate = Gate(CoreSettings(), 100.0, START, acknowledge)
    gate.evaluate(100.0, 0.0, 100.0, True, START)
    assert gate.evaluate(96.9, 0.0, 96.9, True, START + 1) == 1
    assert (gate.ess.state, gate.active) == (TRIPPED, False)
    gate.evaluate(96.9, 0.0, 96.9, True, START + 24 * HOUR)
    assert (gate.ess.state, gate.active) == (COOLING_DOWN, False)
    return gate


def test_recovery_is_small_and_ends_after_five_trades() -> None:
    gate = tripped_and_cooling(True)
    assert (gate.size_factor, gate.position_limit) == (1.0, 10)
    gate.evaluate(96.9, 0.0, 96.9, True, START + 25 * HOUR)
    assert (gate.ess.state, gate.active) == (RECOVERING, True)
    assert (gate.size_factor, gate.position_limit) == (0.25, 2)
    for _ in range(5):
        gate.trade_closed()
    gate.evaluate(96.9, 0.0, 96.9, True, START + 25 * HOUR + 1)
    assert (gate.ess.state, gate.size_factor) == (ARMED, 1.0)
    assert [e.state for e in gate.events] == [TRIPPED, COOLING_DOWN, RECOVERING, ARMED]


def test_without_acknowledgement_it_stays_closed() -> None:
    gate = tripped_and_cooling(False)
    gate.evaluate(96.9, 0.0, 96.9, True, START + 100 * HOUR)
    assert (gate.ess.state, gate.active) == (COOLING_DOWN, False)


def test_the_eleventh_stop_of_a_quarter_hour_trips() -> None:
    gate = Gate(CoreSettings(), 100.0, START)
    for i in range(11):
        gate.stop_hit(START + i)
    assert gate.evaluate(100.0, 0.0, 100.0, False, START + 900 * 10**9) == 2
    late = Gate(CoreSettings(), 100.0, START)
    for i in range(11):
        late.stop_hit(START + i)
    assert late.evaluate(100.0, 0.0, 100.0, False, START + 900 * 10**9 + 1) == 0


def cooling(level: int, acknowledge_from: int = 2) -> Gate:
    gate = Gate(CoreSettings(), 100.0, START, False, acknowledge_from)
    assert gate.ask(level, START) == level
    gate.evaluate(100.0, 0.0, 100.0, True, START)
    assert gate.ess.state == COOLING_DOWN
    return gate


def test_a_trigger_from_outside_trips_at_once_and_only_rises() -> None:
    gate = Gate(CoreSettings(), 100.0, START)
    assert (gate.ask(2, START), gate.active) == (2, False)
    assert (gate.ask(1, START + 1), gate.ess.level) == (0, 2)
    assert (gate.ask(3, START + 2), gate.ess.level) == (3, 3)
    assert [(e.state, e.level) for e in gate.events] == [(TRIPPED, 2), (TRIPPED, 3)]


def test_what_is_asked_for_stands_as_long_as_it_is_asked() -> None:
    gate = Gate(CoreSettings(), 100.0, START)
    assert gate.evaluate(100.0, 0.0, 100.0, True, START, 2) == 2
    assert gate.evaluate(100.0, 0.0, 100.0, True, START + HOUR, 2) == 0
    assert gate.ess.state == TRIPPED
    # The account may ask for more than what is asked for, and its high waters go on.
    assert gate.evaluate(70.0, 0.0, 70.0, True, START + HOUR, 2) == 3
    assert gate.evaluate(130.0, 0.0, 130.0, True, START + HOUR, 1) == 0
    assert gate.ladder.peak == 130.0


def test_levels_below_the_acknowledged_ones_need_nobody() -> None:
    gate = cooling(1)
    gate.evaluate(100.0, 0.0, 100.0, True, START + HOUR)
    assert gate.ess.state == RECOVERING
    gate = cooling(2)
    gate.evaluate(100.0, 0.0, 100.0, True, START + 9 * HOUR)
    assert gate.ess.state == COOLING_DOWN
    gate.acknowledged = True
    gate.evaluate(100.0, 0.0, 100.0, True, START + 9 * HOUR)
    assert (gate.ess.state, gate.acknowledged) == (RECOVERING, False)


def test_an_acknowledgement_is_for_what_was_known() -> None:
    gate = cooling(2)
    gate.acknowledged = True
    gate.ask(3, START + 1)
    assert not gate.acknowledged
    gate.acknowledged = True
    gate.evaluate(100.0, 0.0, 100.0, True, START + 2)
    assert (gate.ess.state, gate.acknowledged) == (COOLING_DOWN, True)


def test_a_smaller_trigger_in_the_cool_down_does_not_lower_the_level() -> None:
    asked, lost = cooling(3), cooling(3)
    assert asked.ask(1, START + 1) == 0
    assert lost.evaluate(96.5, 0.0, 96.5, True, START + 1) == 0
    for gate in (asked, lost):
        assert (gate.ess.state, gate.ess.level) == (TRIPPED, 3)
    by_itself = Gate(CoreSettings(), 100.0, START)
    by_itself.ask(3, START)
    by_itself.evaluate(100.0, 0.0, 100.0, True, START)
    by_itself.evaluate(96.5, 0.0, 96.5, True, START + 1)
    assert by_itself.ess.level == 1
