"""The emergency stop: ladder, table, triggers from outside, operators."""

from __future__ import annotations

import math

import numpy as np
import pytest

from envs.core.errors import FixSettings
from envs.core.gate import Gate
from envs.core.rules.limits import ARMED, COOLING_DOWN, RECOVERING, TRIPPED
from envs.core.settings import CoreSettings
from runtime.settings import load_settings
from runtime.settings_live import LiveSettings
from runtime.subsystems.emergency_stop import OrderGate, auto_acknowledges
from tests.unit.runtime.subsystems.stops import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    START,
    Memory,
    calm,
    stop_of,
)


@pytest.mark.parametrize(
    ("equity", "level", "warned"),
    [(9_800.01, 0, False), (9_800.0, 0, True), (9_700.0, 1, True), (9_500.0, 2, True),
     (7_500.0, 3, True)],
)  # fmt: skip
def test_the_ladder_of_the_specification(equity: float, level: int, warned: bool) -> None:
    memory = Memory()
    stop = stop_of(memory)
    assert calm(stop, START + 1, equity) == level
    assert ("WARNING" in memory.keys) == warned
    assert stop.active == (level == 0)


def test_an_open_loss_of_a_tenth_closes_all() -> None:
    stop = stop_of()
    assert stop.evaluate(9_999.0, -1_000.0, 10_000.0, False, START + 1) == 3
    assert [c.name for c in stop.causes] == ["OPEN_LOSS"]


def test_a_warning_is_told_once_a_day() -> None:
    memory = Memory()
    stop = stop_of(memory)
    for i in range(5):
        calm(stop, START + 1 + i, 9_790.0)
    assert memory.keys == ["WARNING"]


def test_level_3_stays_until_the_venue_confirms_flat() -> None:
    stop = stop_of()
    stop.trip(3, "OPERATOR:1", START + 1)
    assert calm(stop, START + 2, flat=False) == 3
    for i in range(10):
        calm(stop, START + 3 + i * 2 * SECOND, flat=False)
        assert (stop.ess.state, stop.acting_level) == (TRIPPED, 3)
    calm(stop, START + MINUTE, flat=True)
    assert stop.ess.state == COOLING_DOWN


def test_level_2_waits_for_a_person_however_long() -> None:
    stop = stop_of()
    stop.trip(2, "OPERATOR:1", START + 1)
    for now in (START + 2, START + HOUR + 3, START + 100 * HOUR):
        calm(stop, now)
        assert (stop.ess.state, stop.active) == (COOLING_DOWN, False)
    assert stop.acknowledge("Ada", "looked at it", START + 101 * HOUR)
    calm(stop, START + 101 * HOUR)
    assert (stop.ess.state, stop.size_factor, stop.position_limit) == (RECOVERING, 0.25, 2)


def test_an_acknowledgement_does_not_shorten_the_cool_down() -> None:
    stop = stop_of()
    stop.trip(2, "OPERATOR:1", START)
    calm(stop, START)
    assert stop.acknowledge("Ada", "known", START + 1)
    calm(stop, START + HOUR - 1)
    assert stop.ess.state == COOLING_DOWN
    calm(stop, START + HOUR)
    assert stop.ess.state == RECOVERING
    assert (stop.acknowledged, stop.acknowledgement, len(stop.causes)) == (False, None, 0)


def test_level_1_needs_nobody_unless_every_level_is_to_be_acknowledged() -> None:
    for level, state in ((2, RECOVERING), (1, COOLING_DOWN)):
        stop = stop_of(ess_ack_from_level=level)
        stop.trip(1, "OPERATOR:1", START)
        calm(stop, START)
        calm(stop, START + 15 * MINUTE)
        assert stop.ess.state == state


def test_a_small_trigger_in_the_cool_down_lowers_nothing() -> None:
    stop = stop_of()
    stop.trip(3, "OPERATOR:1", START)
    calm(stop, START)
    stop.acknowledge("Ada", "known", START + 1)
    stop.trip(1, "FEED", START + MINUTE)
    assert (stop.ess.state, stop.ess.level, stop.acknowledged) == (TRIPPED, 3, False)
    calm(stop, START + 2 * MINUTE)
    calm(stop, START + 20 * MINUTE)
    assert (stop.ess.state, stop.active) == (COOLING_DOWN, False)
    # The same where equity asks, not somebody outside.
    calm(stop, START + 21 * MINUTE, 9_650.0)
    assert (stop.ess.state, stop.ess.level) == (TRIPPED, 3)


def test_a_new_cause_voids_an_acknowledgement() -> None:
    stop = stop_of()
    stop.trip(2, "OPERATOR:1", START)
    assert stop.acknowledge("Ada", "known", START + 1)
    stop.trip(2, "COMPONENT:models", START + 2)
    assert (stop.acknowledged, stop.acknowledgement) == (False, None)
    assert stop.acknowledge("Ada", "that too", START + 3)
    calm(stop, START + 4, 9_400.0)
    assert [c.name for c in stop.causes if c.standing] == ["DAILY_LOSS_BRAKE"]
    assert not stop.acknowledged


def test_a_trigger_while_recovering_trips() -> None:
    stop = stop_of(auto=True)
    stop.trip(1, "OPERATOR:1", START)
    calm(stop, START)
    calm(stop, START + HOUR)
    assert stop.ess.state == RECOVERING
    stop.trip(1, "OPERATOR:2", START + HOUR + 1)
    assert stop.ess.state == TRIPPED


def test_lasting_causes_keep_it_tripped() -> None:
    stop = stop_of()
    stop.feed_age("BTCUSDT", 60.0, START)
    assert stop.active
    stop.feed_age("BTCUSDT", 60.1, START)
    stop.unprotected("ETHUSDT", START, "stop refused")
    assert not stop.active
    for now in (START + 1, START + HOUR):
        calm(stop, now)
        assert stop.ess.state == TRIPPED
    stop.feed_age("BTCUSDT", 0.1, START + HOUR)
    calm(stop, START + HOUR + 1)
    assert stop.ess.state == TRIPPED
    stop.protected("ETHUSDT")
    calm(stop, START + HOUR + 2)
    assert stop.ess.state == COOLING_DOWN


def test_an_unknown_age_of_the_feed_counts_as_silence() -> None:
    stop = stop_of()
    stop.feed_age("BTCUSDT", math.nan, START)
    assert not stop.active


def test_five_errors_in_a_row_trip_and_one_success_ends_the_cause() -> None:
    stop = stop_of()
    for _ in range(4):
        stop.engine_error(START, "broke")
    stop.engine_ok()
    for _ in range(4):
        stop.engine_error(START, "broke")
    assert stop.active
    stop.engine_error(START, "broke")
    assert (stop.ess.state, stop.ess.level) == (TRIPPED, 1)
    calm(stop, START + HOUR)
    assert stop.ess.state == TRIPPED
    stop.engine_ok()
    calm(stop, START + HOUR + 1)
    assert stop.ess.state == COOLING_DOWN


def test_a_halt_by_hand_lets_no_entries_through_and_changes_no_state() -> None:
    memory = Memory()
    stop = stop_of(memory)
    stop.halt("Ada", "maintenance", START)
    assert (stop.order_gate, stop.active) == (OrderGate.HALTED, False)
    calm(stop, START + DAY)
    assert (stop.ess.state, stop.order_gate) == (ARMED, OrderGate.HALTED)
    stop.release("Ada", "done", START + DAY)
    assert (stop.order_gate, stop.active) == (OrderGate.ACTIVE, True)
    stop.trip(1, "OPERATOR:1", START + DAY)
    assert stop.order_gate is OrderGate.REDUCING
    assert memory.keys == ["HALTED", "RELEASED", "TRIPPED"]


def test_a_contract_is_halted_until_its_time() -> None:
    stop = stop_of()
    stop.halt_symbol("BTCUSDT", START + HOUR)
    stop.halt_symbol("BTCUSDT", START + MINUTE)
    assert not stop.symbol_active("BTCUSDT", START + HOUR - 1)
    assert stop.symbol_active("BTCUSDT", START + HOUR)
    assert stop.symbol_active("ETHUSDT", START)


@pytest.mark.parametrize(
    ("given", "venue", "parity", "result"),
    [("auto", "sim", False, True), ("auto", "local", False, False), ("auto", "local", True, True),
     ("auto", "demo", False, False), ("true", "local", False, True), ("false", "sim", True, False)],
)  # fmt: skip
def test_who_acknowledges(given: str, venue: str, parity: bool, result: bool) -> None:
    assert auto_acknowledges(LiveSettings(ess_auto_ack=given), venue, parity=parity) == result


@pytest.mark.parametrize("venue", ["demo", "live"])
def test_automatic_acknowledgement_is_refused_where_money_could_be(venue: str) -> None:
    with pytest.raises(FixSettings, match="QT_ESS_AUTO_ACK"):
        auto_acknowledges(LiveSettings(ess_auto_ack="true"), venue)
    with pytest.raises(FixSettings, match="QT_ESS_AUTO_ACK = true"):
        load_settings(None, None, {"QT_ESS_AUTO_ACK": "true", "QT_VENUE": venue})


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", range(3))
def test_what_is_no_number_trips_the_highest_level_and_spoils_no_high_water(
    bad: float, place: int
) -> None:
    stop = stop_of()
    numbers = [10_000.0, 0.0, 10_000.0]
    numbers[place] = bad
    equity, unrealised, wallet = numbers
    assert stop.evaluate(equity, unrealised, wallet, True, START + 1) == 3
    assert (stop.ladder.day_high, stop.ladder.peak) == (10_000.0, 10_000.0)


@pytest.mark.parametrize("auto", [True, False])
def test_without_anything_outside_it_is_the_gate_of_the_core(auto: bool) -> None:
    gate = Gate(CoreSettings(), 10_000.0, START, auto, 1 if auto else 2)
    stop = stop_of(auto=auto)
    path = [10_000, 9_690, 9_480, 9_480, 10_200, 7_400, 7_400, 7_500, 7_500, 7_500, 7_480, 7_900]
    for i, equity in enumerate(path * 3):
        now = START + i * 5 * HOUR
        for g in (gate, stop):
            if i % 4 == 0:
                g.stop_hit(now)
            g.trade_closed()
        flat = i % 5 != 0
        told = [
            g.evaluate(float(equity), -1.0, float(equity) + 1.0, flat, now) for g in (gate, stop)
        ]
        assert told[0] == told[1]
        assert (gate.ess, gate.ladder, gate.drawdowns) == (stop.ess, stop.ladder, stop.drawdowns)
        assert (gate.active, gate.size_factor) == (stop.active, stop.size_factor)
    assert gate.events == stop.events
    assert {e.state for e in gate.events} >= ({0, 1, 2, 3} if auto else {TRIPPED, COOLING_DOWN})


@pytest.mark.parametrize("seed", range(3))
def test_on_a_long_walk_it_is_the_gate_of_the_core(seed: int) -> None:
    random = np.random.default_rng(seed)
    gate, stop = Gate(CoreSettings(), 10_000.0, START, True), stop_of(auto=True)
    wallet, seen = 10_000.0, set()
    for i in range(6_000):
        now = START + i * 7 * MINUTE
        for _ in range(stop.limits.max_stops_15m + 1 if random.random() < 0.005 else 0):
            for g in (gate, stop):
                g.stop_hit(now)
        wallet *= 1.0 + float(random.normal(0.0, 0.0005))
        loss = float(random.exponential(20.0)) * (20.0 if random.random() < 0.001 else 1.0)
        told = [g.evaluate(wallet - loss, -loss, wallet, i % 3 == 0, now) for g in (gate, stop)]
        assert told[0] == told[1]
        assert (gate.ess, gate.ladder, gate.drawdowns) == (stop.ess, stop.ladder, stop.drawdowns)
        seen.add((gate.ess.state, gate.ess.level))
    assert gate.events == stop.events
    assert {state for state, _ in seen} == {0, 1, 2, 3}
    assert {level for _, level in seen} >= {0, 2}
