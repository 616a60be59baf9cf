from __future__ import annotations

import asyncio

from runtime.adapters.clocks import OffsetTimer, SystemClock
from tests.unit.runtime.adapters.clock import ManualClock


def test_due_at_first_then_after_its_time() -> None:
    timer, clock = OffsetTimer(every_s=600.0), ManualClock()
    assert timer.is_due(clock.now_ms(), clock.monotonic_s())
    timer.measured(clock.now_ms(), clock.monotonic_s())
    clock.now_s += 599.0
    assert not timer.is_due(clock.now_ms(), clock.monotonic_s())
    clock.now_s += 1.0
    assert timer.is_due(clock.now_ms(), clock.monotonic_s())


def test_a_step_of_the_wall_clock_asks_for_a_measurement_at_once() -> None:
    for step_ms, due in ((30_000, True), (-30_000, True), (200, False)):
        timer, clock = OffsetTimer(), ManualClock()
        timer.measured(clock.now_ms(), clock.monotonic_s())
        clock.now_s += 1.0
        clock.wall_step_ms = step_ms
        assert timer.is_due(clock.now_ms(), clock.monotonic_s()) is due


def test_after_a_refused_timestamp_it_is_due() -> None:
    timer, clock = OffsetTimer(), ManualClock()
    timer.measured(clock.now_ms(), clock.monotonic_s())
    timer.expire()
    assert timer.is_due(clock.now_ms(), clock.monotonic_s())


def test_the_system_clock_moves_forward() -> None:
    clock = SystemClock()
    before = clock.monotonic_s()
    asyncio.run(clock.sleep(0.001))
    assert clock.monotonic_s() > before
    assert clock.now_ms() > 1_600_000_000_000
