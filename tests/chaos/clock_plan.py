"""What a runtime trades that is killed by the clock: wide bars of a minute, in real time."""

from __future__ import annotations

from pathlib import Path

from tests.faults.runtime_market import Shape
from tests.faults.runtime_parts import Plan
from tests.faults.runtime_timed import by_clock


def plan_of(seed: int, folder: Path) -> Plan:
    """The plan of a seed; a minute goes far enough to meet stops and targets."""
    return by_clock(Plan(folder, Shape(seed=seed, bars=30, first_row=3, reach_atr=6.0)))
