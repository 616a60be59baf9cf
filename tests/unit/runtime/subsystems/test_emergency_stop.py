"""The emergency stop: ladder, outside triggers, operators, and what a restart finds."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from envs.core.errors import FixInput, FixSettings, RefusedArtifact
from envs.core.gate import Gate
from envs.core.rules.limits import ARMED, COOLING_DOWN, RECOVERING, TRIPPED
from envs.core.settings import CoreSettings
from runtime.kernel_ports import Record
from runtime.port_errors import StoreUnavailable
from runtime.settings import load_settings
from runtime.settings_live import LiveSettings
from runtime.subsystems.emergency_stop import EmergencyStop, OrderGate, auto_acknowledges
from runtime.subsystems.stop_requests import Ask, StopRequest

SECOND = 10**9
MINUTE, HOUR = 60 * SECOND, 3_600 * SECOND
DAY = 24 * HOUR
START = 20 * DAY


class Memory:
    """Keeps records; may be told to refuse them."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.broken = False

    def add(self, record: Record) -> None:
        if self.broken:
            raise StoreUnavailable("disk full")
        self.records.append(record)

    @property
    def keys(self) -> list[str]:
        return [r.key for r in self.records]


def stop_of(memory: Memory | None = None, auto: bool = False, **live: Any) -> EmergencyStop:
    memory = memory or Memory()
    return EmergencyStop(
        CoreSettings(), 10_000.0, START, memory.add, live=LiveSettings(**live),
        auto_acknowledge=auto,
    )  # fmt: skip


def calm(stop: EmergencyStop, now: int, equity: float = 10_000.0, flat: bool = True) -> int:
    return stop.evaluate(equity, 0.0, equity, flat, now)


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
    assert stop.exits_allowed


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


def test_a_stop_at_level_2_is_still_tripped_after_a_restart() -> None:
    memory = Memory()
    stop = stop_of(memory)
    stop.trip(2, "COMPONENT:models", START + 1, "failed")
    again = stop_of()
    again.restore(json.loads(json.dumps(stop.state())), 10_000.0, START + 2, known=True)
    assert (again.ess.state, again.ess.level, again.active) == (TRIPPED, 2, False)
    assert again.acting_level == 2
    # The level nobody has acted on yet is told after the restart.
    assert calm(again, START + 3) == 2
    assert calm(again, START + 4) == 0


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
    for live, state in (({}, RECOVERING), ({"ess_ack_from_level": 1}, COOLING_DOWN)):
        stop = stop_of(**live)
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


def test_a_halt_by_hand_lets_cancels_through_alone_and_changes_no_state() -> None:
    memory = Memory()
    stop = stop_of(memory)
    stop.halt("Ada", "maintenance", START)
    assert (stop.order_gate, stop.active, stop.exits_allowed) == (OrderGate.HALTED, False, False)
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


@pytest.mark.parametrize("state", [None, {}, {"version": 2}, {"version": 1, "ladder": [1]}])
def test_a_lost_state_beside_a_journal_starts_stopped(state: Any) -> None:
    memory = Memory()
    stop = stop_of(memory)
    stop.restore(state, 9_000.0, START + 1, known=True)
    assert (stop.ess.state, stop.ess.level, stop.active) == (TRIPPED, 2, False)
    assert [c.name for c in stop.causes] == ["STATE_LOST"]
    assert memory.records[-1].body["cause"] == "STATE_LOST"
    assert stop.ladder.peak == 9_000.0


def test_a_new_journal_starts_armed_with_the_equity_of_the_venue() -> None:
    stop = stop_of()
    stop.restore(None, 9_000.0, START + 1, known=False)
    assert (stop.ess.state, stop.ladder.peak) == (ARMED, 9_000.0)


def test_requests_after_a_lost_state_are_left_out_and_later_ones_obeyed() -> None:
    stop = stop_of()
    stop.restore(None, 10_000.0, START, known=True)
    old = StopRequest(7, Ask.ACK, "Ada", "last month", START)
    stop.obey([old], START)
    assert (stop.acknowledged, stop.obeyed) == (False, 7)
    stop.obey([old, StopRequest(8, Ask.ACK, "Ada", "seen", START)], START)
    assert (stop.acknowledged, stop.obeyed) == (True, 8)


def test_each_request_is_obeyed_once_also_after_a_restart() -> None:
    requests = [
        StopRequest(2, Ask.HALT, "Ada", "look", START),
        StopRequest(1, Ask.TRIP, "Ada", "odd fills", START, 2),
    ]
    memory = Memory()
    stop = stop_of(memory)
    stop.obey(requests, START)
    stop.obey(requests, START + 1)
    assert memory.keys == ["TRIPPED", "HALTED"]
    again = stop_of(memory)
    again.restore(stop.state(), 10_000.0, START + 2, known=True)
    again.obey([*requests, StopRequest(3, Ask.RELEASE, "Ada", "fine", START)], START + 2)
    assert memory.keys == ["TRIPPED", "HALTED", "RELEASED"]
    assert (again.ess.level, again.halted) == (2, None)


def test_the_emergency_brake_of_the_environment() -> None:
    braked = stop_of(emergency_brake=True)
    braked.restore(None, 10_000.0, START, known=False)
    assert (braked.ess.state, braked.ess.level) == (TRIPPED, 2)
    calm(braked, START + DAY)
    assert braked.ess.state == TRIPPED
    free = stop_of()
    free.restore(braked.state(), 10_000.0, START + DAY + 1, known=True)
    calm(free, START + DAY + 2)
    calm(free, START + 3 * DAY)
    assert (free.ess.state, free.active) == (COOLING_DOWN, False)


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


def test_a_tightening_holds_although_it_could_not_be_written_and_is_written_later() -> None:
    memory = Memory()
    stop = stop_of(memory)
    memory.broken = True
    stop.trip(2, "OPERATOR:1", START)
    assert calm(stop, START + 1) == 2
    # The step to COOLING_DOWN could not be written, so it was not made.
    assert (stop.ess.state, stop.active) == (TRIPPED, False)
    memory.broken = False
    calm(stop, START + 2)
    assert memory.records[-1].body["state"] == stop.state()
    assert stop.ess.state == COOLING_DOWN


def test_a_release_that_cannot_be_written_does_not_happen() -> None:
    memory = Memory()
    stop = stop_of(memory)
    stop.trip(1, "OPERATOR:1", START)
    calm(stop, START)
    memory.broken = True
    calm(stop, START + HOUR)
    assert (stop.ess.state, stop.active, len(stop.causes)) == (COOLING_DOWN, False, 1)
    assert [e.state for e in stop.events] == [TRIPPED, COOLING_DOWN]
    memory.broken = False
    calm(stop, START + HOUR + 1)
    assert (stop.ess.state, memory.keys[-1]) == (RECOVERING, "RECOVERING")
    memory.broken = True
    calm(stop, START + 8 * HOUR)
    assert (stop.ess.state, stop.size_factor) == (RECOVERING, 0.25)


def test_words_of_operators_that_cannot_be_written_do_not_count() -> None:
    memory = Memory()
    stop = stop_of(memory)
    stop.trip(2, "OPERATOR:1", START)
    stop.halt("Ada", "wait", START)
    memory.broken = True
    assert not stop.acknowledge("Ada", "seen", START + 1)
    stop.release("Ada", "go", START + 1)
    assert (stop.acknowledged, stop.order_gate) == (False, OrderGate.HALTED)


@pytest.mark.parametrize("delta", [5_000.0, -5_000.0])
@pytest.mark.parametrize("loss", [0.0, 0.029])
def test_transfers_are_no_drawdowns(delta: float, loss: float) -> None:
    stop = stop_of()
    equity = 10_000.0 * (1.0 - loss)
    calm(stop, START + 1, equity)
    stop.shift_equity(delta)
    assert calm(stop, START + 2, equity + delta) == 0
    assert stop.drawdowns.daily == pytest.approx(loss, abs=1e-12)
    assert stop.drawdowns.total == pytest.approx(loss, abs=1e-12)


def test_a_transfer_of_no_amount_is_refused() -> None:
    with pytest.raises(FixInput, match="no amount"):
        stop_of().shift_equity(math.nan)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", range(3))
def test_what_is_no_number_trips_the_highest_level_and_spoils_no_high_water(
    bad: float, place: int
) -> None:
    stop = stop_of()
    numbers = [10_000.0, 0.0, 10_000.0]
    numbers[place] = bad
    assert stop.evaluate(*numbers, True, START + 1) == 3
    assert (stop.ladder.day_high, stop.ladder.peak) == (10_000.0, 10_000.0)


@pytest.mark.parametrize(
    ("change", "word"),
    [({"ess": [4, 0, 0, -1, 0]}, "table"), ({"ess": [1, 0, 0, -1, 0]}, "level"),
     ({"ess": [0, 2, 0, -1, 0]}, "level"), ({"drawdowns": [-0.1, 0.0, 0.0]}, "below 0"),
     ({"acknowledged": "yes"}, "true or false"), ({"ladder": [1, math.nan, 2.0]}, "number"),
     ({"causes": [{"name": "x", "level": 9, "since_ns": 0, "detail": "", "standing": True}]}, "x"),
     ({"pending": 7}, "pending"), ({"version": 9}, "version")],
)  # fmt: skip
def test_a_state_that_says_nonsense_is_refused_and_changes_nothing(
    change: dict[str, Any], word: str
) -> None:
    stop = stop_of()
    before = stop.state()
    with pytest.raises(RefusedArtifact, match=word):
        stop.load({**before, **change})
    assert stop.state() == before


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
