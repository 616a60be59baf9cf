"""What the emergency stop remembers, and what happens when it cannot be written down."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from envs.core.errors import FixInput, RefusedArtifact
from envs.core.rules.limits import ARMED, COOLING_DOWN, RECOVERING, TRIPPED
from runtime.subsystems.emergency_stop import OrderGate
from runtime.subsystems.stop_requests import Ask, StopRequest
from tests.unit.runtime.subsystems.stops import DAY, HOUR, START, Memory, calm, stop_of


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
