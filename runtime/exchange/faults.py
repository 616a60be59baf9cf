"""Faults an operator arms: named, aimed, counted or drawn from a seed; none armed costs nothing.

A REST server gives ``rest_faults(faults)`` of ``fault_rest`` as its outermost middleware; streams
ask ``Faults.for_message``. Faults that act at once (liquidate, close a socket) are ``acts``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from envs.core.errors import FixInput
from runtime.exchange.clock import SystemClock, WallClock
from runtime.exchange.fault_kinds import (
    ACTS,
    LASTING,
    MESSAGE_FAULTS,
    REQUEST_FAULTS,
    Fault,
    FaultKind,
)
from runtime.exchange.fault_schedule import Schedule

K = FaultKind


@dataclass
class Armed:
    """A fault that waits: how often it may still happen and when it ends (monotonic seconds)."""

    id: int
    fault: Fault
    left: int | None
    ends_s: float | None
    passed: int = 0
    fired: int = 0


class Faults:
    """What is armed; one registry for REST, streams and control.

    Attributes:
        clock: wall clock that times them.
        fired: how often each kind happened.
        schedule: random faults of a seed, or None.
    """

    def __init__(self, seed: int = 0, clock: WallClock | None = None) -> None:
        self.clock: WallClock = clock or SystemClock()
        self.fired: dict[str, int] = {}
        self.schedule: Schedule | None = None
        self._rng = np.random.default_rng(seed)
        self._armed: dict[int, Armed] = {}
        self._next_id = 1

    @property
    def active(self) -> bool:
        """Whether anything may go wrong at all."""
        return bool(self._armed) or self.schedule is not None

    @property
    def skew_ms(self) -> int:
        """Offset of the server's clock; those who tell or check the time add it."""
        return sum(round(f.value) for f in self.lasting(K.SKEW)) if self._armed else 0

    def arm(self, fault: Fault) -> Armed:
        """Arm a fault that waits for requests or messages; returns it with its id."""
        if fault.kind in ACTS:
            raise FixInput(f"fault {fault.kind}: happens at once, it cannot be armed")
        seconds = fault.seconds
        lasts = fault.kind in LASTING or (fault.kind is K.MUTE and seconds > 0.0)
        if fault.kind is K.BANNED and not seconds:
            seconds = float(fault.retry_after_s)
        ends_s = self.clock.monotonic_s() + seconds if lasts and seconds > 0.0 else None
        count = None if lasts else fault.count
        armed = Armed(self._next_id, fault, count, ends_s)
        self._armed[armed.id] = armed
        self._next_id += 1
        return armed

    def disarm(self, id_: int | None = None) -> int:
        """Remove one fault, or all and the schedule; returns how many."""
        if id_ is not None:
            return 0 if self._armed.pop(id_, None) is None else 1
        count = len(self._armed) + (self.schedule is not None)
        self._armed.clear()
        self.schedule = None
        return count

    def listed(self) -> list[Armed]:
        """Faults armed, in order of id."""
        self._end_old()
        return list(self._armed.values())

    def for_request(self, endpoint: str, symbol: str) -> list[Fault]:
        """Faults that happen to a request, in order of arming; counts are used up.

        ``endpoint`` is ``METHOD /path``. Lasting faults are asked for by ``lasting``.
        """
        found = [
            armed.fault
            for armed in self._of(REQUEST_FAULTS - LASTING)
            if _fits(armed.fault, symbol)
            and fnmatchcase(endpoint, armed.fault.target)
            and self._happens(armed)
        ]
        if self.schedule is not None and (drawn := self.schedule.for_request()) is not None:
            found.append(self._counted(Fault(FaultKind(drawn.kind), **drawn.fields)))
        return found

    def for_message(self, stream: str, symbol: str) -> list[Fault]:
        """Faults that happen to a message of a stream."""
        found = [
            armed.fault
            for armed in self._of(MESSAGE_FAULTS)
            if _fits(armed.fault, symbol)
            and (fnmatchcase(stream, armed.fault.stream) or _is_part(stream, armed.fault.stream))
            and self._happens(armed)
        ]
        if self.schedule is not None and (drawn := self.schedule.for_message()) is not None:
            found.append(self._counted(Fault(FaultKind(drawn.kind), **drawn.fields)))
        return found

    def lasting(self, kind: FaultKind, symbol: str = "") -> list[Fault]:
        """Faults of a kind that hold now, for a symbol if it is given."""
        return [a.fault for a in self._of({kind}) if _fits(a.fault, symbol)]

    def ban_left_s(self) -> float | None:
        """Seconds until the last ban ends, infinity for one without an end, None without."""
        now_s = self.clock.monotonic_s()
        ends = [float("inf") if a.ends_s is None else a.ends_s for a in self._of({K.BANNED})]
        return max(ends) - now_s if ends else None

    def note(self, kind: FaultKind) -> None:
        """Count an occurrence that was decided elsewhere."""
        self.fired[kind.value] = self.fired.get(kind.value, 0) + 1

    def _of(self, kinds: frozenset[FaultKind] | set[FaultKind]) -> Iterator[Armed]:
        if not self._armed:
            return
        self._end_old()
        yield from [a for a in self._armed.values() if a.fault.kind in kinds]

    def _end_old(self) -> None:
        now_s = self.clock.monotonic_s()
        for armed in list(self._armed.values()):
            if armed.ends_s is not None and now_s >= armed.ends_s:
                del self._armed[armed.id]

    def _happens(self, armed: Armed) -> bool:
        """Whether a fitting occasion is taken; uses up skips, draws and counts."""
        if armed.passed < armed.fault.skip:
            armed.passed += 1
            return False
        if armed.fault.probability < 1.0 and self._rng.random() >= armed.fault.probability:
            return False
        armed.fired += 1
        self.note(armed.fault.kind)
        if armed.left is not None:
            armed.left -= 1
            if armed.left <= 0:
                self._armed.pop(armed.id, None)
        return True

    def _counted(self, fault: Fault) -> Fault:
        self.note(fault.kind)
        return fault


def _fits(fault: Fault, symbol: str) -> bool:
    return not fault.symbol or not symbol or fault.symbol == symbol


def _is_part(stream: str, pattern: str) -> bool:
    """Whether ``user`` is meant to hold for ``user:ORDER_TRADE_UPDATE``."""
    return ":" in stream and stream.split(":", 1)[0] == pattern
