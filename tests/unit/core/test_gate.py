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
