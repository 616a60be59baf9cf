"""Stops on a journal of lists, at a day of their own."""

from __future__ import annotations

from typing import Any

from envs.core.settings import CoreSettings
from runtime.kernel_ports import Record
from runtime.port_errors import StoreUnavailable
from runtime.settings_live import LiveSettings
from runtime.subsystems.emergency_stop import EmergencyStop

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
