"""Why the emergency stop tripped: causes that stand, causes that happened, and who asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from envs.core.rules.limits import Drawdowns, StopLimits

DAILY_STOP = "DAILY_LOSS_STOP"
DAILY_BRAKE = "DAILY_LOSS_BRAKE"
OPEN_LOSS = "OPEN_LOSS"
TOTAL_LOSS = "TOTAL_LOSS"
STOP_HITS = "STOP_HITS"
OF_THE_ACCOUNT = frozenset({DAILY_STOP, DAILY_BRAKE, OPEN_LOSS, TOTAL_LOSS, STOP_HITS})
"""Causes the gate finds itself, in equity and stop hits; it also sees when they are gone."""
STATE_LOST = "STATE_LOST"
BRAKE = "EMERGENCY_BRAKE"
ENGINE = "ENGINE_ERRORS"
FEED = "FEED:"
UNPROTECTED = "UNPROTECTED:"
OPERATOR = "OPERATOR"
TEXT_LIMIT = 500


@dataclass(frozen=True)
class Cause:
    """One reason; ``standing`` while it lasts, so the stop stays TRIPPED.

    ``since_ns`` is market time.
    """

    name: str
    level: int
    since_ns: int
    detail: str = ""
    standing: bool = False


class Causes:
    """The causes of the present stop, by name."""

    def __init__(self, causes: Iterable[Cause] = ()) -> None:
        self._found = {c.name: c for c in causes}
        self.asked = self._asked()

    def __iter__(self) -> Iterator[Cause]:
        return iter(self._found.values())

    def __len__(self) -> int:
        return len(self._found)

    def stands(self, name: str) -> bool:
        """Whether a cause lasts."""
        cause = self._found.get(name)
        return cause is not None and cause.standing

    def add(self, cause: Cause) -> bool:
        """Add a cause or make it stand again; False where that changes nothing."""
        old = self._found.get(cause.name)
        if old is not None and (old.standing or not cause.standing) and old.level >= cause.level:
            return False
        self._found[cause.name] = replace(cause, detail=cause.detail[:TEXT_LIMIT])
        self.asked = self._asked()
        return True

    def gone(self, name: str) -> bool:
        """Note that a cause no longer lasts; False where it did not."""
        if not self.stands(name):
            return False
        self._found[name] = replace(self._found[name], standing=False)
        self.asked = self._asked()
        return True

    def drop(self, name: str) -> None:
        """Forget a cause that does not last, so that it can happen anew."""
        if name in self._found and not self._found[name].standing:
            del self._found[name]

    def to_json(self) -> list[dict[str, Any]]:
        """Every cause as a plain dictionary."""
        return [asdict(c) for c in self]

    @classmethod
    def from_json(cls, data: Iterable[Mapping[str, Any]]) -> Causes:
        """Rebuild what ``to_json`` wrote; ValueError, TypeError or KeyError where it is not."""
        return cls(_cause(entry) for entry in data)

    def _asked(self) -> int:
        """Highest level of the lasting causes that the gate cannot see by itself."""
        return max(
            (c.level for c in self if c.standing and c.name not in OF_THE_ACCOUNT), default=0
        )


def of_the_account(dd: Drawdowns, stops_15m: int, limits: StopLimits) -> dict[str, int]:
    """Causes in drawdowns and stop hits, with their levels."""
    found: dict[str, int] = {}
    if dd.daily >= limits.daily_brake:
        found[DAILY_BRAKE] = 2
    elif dd.daily >= limits.daily_stop:
        found[DAILY_STOP] = 1
    if stops_15m > limits.max_stops_15m:
        found[STOP_HITS] = 2
    if dd.open >= limits.open_close_all:
        found[OPEN_LOSS] = 3
    if dd.total >= limits.total_close_all:
        found[TOTAL_LOSS] = 3
    return found


def _cause(entry: Mapping[str, Any]) -> Cause:
    cause = Cause(
        str(entry["name"]), int(entry["level"]), int(entry["since_ns"]), str(entry["detail"]),
        entry["standing"] is True,
    )  # fmt: skip
    if not cause.name or cause.level not in (1, 2, 3):
        raise ValueError(f"no cause: {entry}")
    return cause
