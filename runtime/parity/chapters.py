"""A tale as lines that can be compared: when, what, and every field by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np

from runtime.parity.tale import STEPS, Tale

SINGLE = "value"


@dataclass(frozen=True)
class Line:
    """One thing a face did; ``place`` is where the other face must have the same."""

    place: tuple[Any, ...]
    time_ns: int
    what: str
    values: dict[str, Any]


def flat(value: Any, name: str = SINGLE) -> dict[str, Any]:
    """Fields of a record by name, nested records and tuples of records unfolded.

    Arrays, plain tuples and numbers stay whole; enumerations become their names.
    """
    if isinstance(value, Enum):
        return {name: value.name}
    if is_dataclass(value) and not isinstance(value, type):
        out: dict[str, Any] = {}
        for f in fields(value):
            inner = f.name if name == SINGLE else f"{name}.{f.name}"
            out |= flat(getattr(value, f.name), inner)
        return out
    if isinstance(value, tuple) and value and is_dataclass(value[0]):
        out = {f"{name}.count": len(value)}
        for i, item in enumerate(value):
            out |= flat(item, f"{name}[{i}]")
        return out
    return {name: value}


def same(a: Any, b: Any) -> bool:
    """Equality to the last digit; NaN equals NaN, an array only one of its own type."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
            return False
        if a.dtype != b.dtype or a.shape != b.shape:
            return False
        return bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b) or (a != a and b != b)


def _unordered(rows: Iterable[tuple[int, str, dict[str, Any]]]) -> list[Line]:
    """Rows by time and subject, numbered inside one of both by content: order does not count."""
    lines: list[Line] = []
    for time_ns, what, values in sorted(rows, key=lambda r: (r[0], r[1], repr(r[2]))):
        again = bool(lines) and lines[-1].place[:2] == (time_ns, what)
        number = lines[-1].place[2] + 1 if again else 0
        lines.append(Line((time_ns, what, number), time_ns, what, values))
    return lines


def _decisions(tale: Tale) -> list[Line]:
    return [Line((d.decision_id,), d.bar_close_ns, d.decision_id, flat(d)) for d in tale.decisions]


def _trades(tale: Tale) -> list[Line]:
    return [Line((t.decision_id,), t.exit_ns, t.decision_id, flat(t)) for t in tale.trades]


def _skipped(tale: Tale) -> list[Line]:
    """Without the time: an environment tells at the close what a kernel knows at the vertex."""
    return [
        Line((s.decision_id,), s.time_ns, s.decision_id, {"reason": s.reason}) for s in tale.skipped
    ]


def _learned(tale: Tale) -> list[Line]:
    """Learning has an order inside an instant too: sums of floats depend on it."""
    out = []
    for k, one in enumerate(tale.learned):
        r = one.resolved
        values: dict[str, Any] = {"decision_id": r.decision.decision_id, "part": r.part}
        values |= {"due_ns": one.time_ns, "chosen": r.decision.chosen, "reward": r.reward}
        values |= {"outcome": type(r.outcome).__name__}
        values |= flat(r.alternatives, "alternatives") | flat(r.next, "next")
        out.append(Line((k,), one.time_ns, f"unit of learning {k + 1}", values))
    return out


def _standings(tale: Tale) -> list[Line]:
    return _unordered((s.close_ns, "close", flat(s)) for s in tale.standings)


def _gate(tale: Tale) -> list[Line]:
    return _unordered((e.time_ns, "gate", flat(e)) for e in tale.gate)


def _ledger(tale: Tale) -> list[Line]:
    return _unordered(
        (e.time_ns, f"{e.symbol} {e.kind.value}",
         {"units": e.units, "decision_id": e.decision_id})
        for e in tale.ledger
    )  # fmt: skip


def _steps(tale: Tale) -> list[Line]:
    return [Line((k,), s.time_ns, f"step {k + 1}", flat(s)) for k, s in enumerate(tale.steps)]


def _final(tale: Tale) -> list[Line]:
    end_ns = tale.standings[-1].close_ns if tale.standings else 0
    values: dict[str, Any] = {"cash_units": tale.cash_units, "bars": tale.bars}
    values |= {f"digest {name}": digest for name, digest in tale.digests.items()}
    return [Line((), end_ns, "end", values)]


CHAPTERS: dict[str, Callable[[Tale], list[Line]]] = {
    STEPS: _steps,
    "decisions": _decisions,
    "skipped decisions": _skipped,
    "closed trades": _trades,
    "ledger entries": _ledger,
    "gate events": _gate,
    "equity at closes": _standings,
    "learning": _learned,
    "final state": _final,
}
"""In the order in which differences of one instant are told: what says most comes first."""
