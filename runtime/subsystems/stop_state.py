"""What the emergency stop remembers, as JSON values, checked when it is read back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from envs.core.errors import RefusedArtifact
from envs.core.rules.limits import ARMED, NS_PER_DAY, RECOVERING, Drawdowns, Ess, Ladder
from runtime.subsystems.stop_causes import Causes

VERSION = 1
_NEVER = -1


@dataclass(frozen=True)
class Acknowledgement:
    """Who acknowledged which level, when (market time), and why it is safe to go on."""

    by: str
    note: str
    at_ns: int
    level: int


@dataclass(frozen=True)
class Halt:
    """A halt by hand."""

    by: str
    note: str
    at_ns: int


@dataclass(frozen=True)
class StopState:
    """State of the core's gate, and of what the runtime adds to it.

    ``stops`` are times of stop fills within the window, ``symbols`` the ends of halts by contract,
    ``pending`` a level tripped from outside that ``evaluate`` has not told yet, ``equity`` the last
    one evaluated, in quote, ``obeyed`` the number of the last request carried out, ``now_ns`` the
    market time last seen, ``release_ns`` the end of a cool-down (told, not read back), else 0.
    """

    ladder: Ladder
    ess: Ess
    drawdowns: Drawdowns
    stops: tuple[int, ...]
    acknowledged: bool
    acknowledgement: Acknowledgement | None
    causes: Causes
    halted: Halt | None
    symbols: Mapping[str, int]
    engine_errors: int
    pending: int
    warned_day: int
    equity: float
    obeyed: int
    now_ns: int
    release_ns: int = 0

    @classmethod
    def new(cls, equity_quote: float, now_ns: int) -> StopState:
        """The state of an account that begins now."""
        return cls(
            Ladder(now_ns // NS_PER_DAY, equity_quote, equity_quote),
            Ess(ARMED, 0, now_ns, -1, 0),
            Drawdowns(0.0, 0.0, 0.0),
            (), False, None, Causes(), None, {}, 0, 0, _NEVER, equity_quote, 0, now_ns,
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON values; floats keep every bit."""
        given, halted = self.acknowledgement, self.halted
        return {
            "version": VERSION,
            "ladder": [int(self.ladder.day), float(self.ladder.day_high), float(self.ladder.peak)],
            "ess": [int(x) for x in self.ess],
            "drawdowns": [float(x) for x in self.drawdowns],
            "stops": [int(x) for x in self.stops],
            "acknowledged": self.acknowledged,
            "acknowledgement": None if given is None else asdict(given),
            "causes": self.causes.to_json(),
            "halted": None if halted is None else asdict(halted),
            "symbols": {symbol: int(until) for symbol, until in self.symbols.items()},
            "engine_errors": self.engine_errors,
            "pending": self.pending,
            "warned_day": self.warned_day,
            "equity": float(self.equity),
            "obeyed": self.obeyed,
            "now_ns": int(self.now_ns),
            "release_ns": int(self.release_ns),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> StopState:
        """Rebuild what ``to_json`` returned.

        Raises:
            RefusedArtifact: It is something else; the message says what.
        """
        try:
            return cls._read(data)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RefusedArtifact(
                f"state of the emergency stop: unusable ({type(error).__name__}: {error})"
            ) from error

    @classmethod
    def _read(cls, data: Mapping[str, Any]) -> StopState:
        if data["version"] != VERSION:
            raise ValueError(f"version: expected {VERSION}, found {data['version']!r}")
        day, high, peak = data["ladder"]
        ess = Ess(*(_whole(x) for x in data["ess"]))
        if not ARMED <= ess.state <= RECOVERING or not 0 <= ess.level <= 3 or ess.trades < 0:
            raise ValueError(f"no state of the table: {ess}")
        if (ess.level == 0) != (ess.state in (ARMED, RECOVERING)):
            raise ValueError(f"level {ess.level} does not go with state {ess.state}")
        dd = Drawdowns(*(_number(x) for x in data["drawdowns"]))
        if min(dd) < 0.0:
            raise ValueError(f"a drawdown below 0: {dd}")
        pending, errors = _whole(data["pending"]), _whole(data["engine_errors"])
        if not 0 <= pending <= 3 or errors < 0:
            raise ValueError(f"pending {pending}, engine errors {errors}")
        given, halted = data["acknowledgement"], data["halted"]
        return cls(
            Ladder(_whole(day), _number(high), _number(peak)),
            ess,
            dd,
            tuple(_whole(x) for x in data["stops"]),
            _truth(data["acknowledged"]),
            None if given is None else Acknowledgement(**given),
            Causes.from_json(data["causes"]),
            None if halted is None else Halt(**halted),
            {str(s): _whole(until) for s, until in data["symbols"].items()},
            errors,
            pending,
            _whole(data["warned_day"]),
            _number(data["equity"]),
            _whole(data["obeyed"]),
            _whole(data["now_ns"]),
            _whole(data["release_ns"]),
        )


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"a whole number expected, found {value!r}")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"a number expected, found {value!r}")
    return float(value)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"true or false expected, found {value!r}")
    return value
