"""Bodies of records as texts: what is in the journal already is named, not written again.

A decision repeats its context and eleven more fields of its view; a resolved decision carries the
decision that has a record of its own. Both are written whole where they are not the very same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from weakref import WeakValueDictionary

import orjson

from agents.memory.setups import Bar as RememberedBar
from envs.core.errors import DamagedArtifact
from envs.core.trade import Decision, ResolvedDecision, ResolvedLabel
from envs.core.view import DecisionView
from runtime.journal.codec import decode, decode_with, encode_without
from runtime.journal.writing import write_any
from runtime.kernel_ports import Record

DECISION, RESOLVED, LABELS = "decision", "resolved", "labels"
_REPEATED = {"free_margin_units": "spare_units"} | {
    name: name
    for name in (
        "decision_id", "symbol", "bar_close_ns", "side", "context", "equity_units", "score",
        "votes_up", "votes_down", "weights", "sides",
    )
}  # fmt: skip
"""Field of the decision and the field of its view that it repeats."""

_REPEATS = frozenset(_REPEATED)
_ITS_DECISION = frozenset({DECISION})


class Packer:
    """Writes bodies; knows which decisions this journal has written."""

    def __init__(self) -> None:
        self._written: WeakValueDictionary[str, Decision] = WeakValueDictionary()

    def text(self, record: Record) -> str:
        """JSON text of a record's body.

        Raises:
            TypeError: The body holds what nothing knows how to write.
        """
        told: dict[str, Any] | None = None
        if record.kind == DECISION:
            told = self._decision(record.body)
        elif record.kind == RESOLVED:
            told = self._resolved(record.body)
        return orjson.dumps(write_any(record.body) if told is None else told).decode()

    def _decision(self, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """Body of a decision beside its view; None where it must be written whole."""
        view, decision = body.get("view"), body.get(DECISION)
        if not (isinstance(view, DecisionView) and isinstance(decision, Decision)):
            return None
        self._written[decision.decision_id] = decision
        for name, source in _REPEATED.items():
            if getattr(decision, name) is not getattr(view, source):
                return None
        told = write_any({name: value for name, value in body.items() if name != DECISION})
        return {**told, DECISION: encode_without(decision, _REPEATS)}

    def _resolved(self, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """Body that names its decision; None where the decision must be written whole."""
        resolved = body.get(RESOLVED)
        if not isinstance(resolved, ResolvedDecision):
            return None
        decision = resolved.decision
        if self._written.get(decision.decision_id) is not decision:
            return None
        told = write_any({name: value for name, value in body.items() if name != RESOLVED})
        named = {DECISION: decision.decision_id}
        return {**told, RESOLVED: encode_without(resolved, _ITS_DECISION) | named}


def decision_of(body: Mapping[str, Any]) -> tuple[DecisionView, Decision]:
    """View and decision of a 'decision' record; they share their context again.

    Raises:
        DamagedArtifact: It is not what this version writes.
    """
    view = decode(DecisionView, _part(body, "view"))
    told = _part(body, DECISION)
    if "context" in told:
        return view, decode(Decision, told)
    shared = {name: getattr(view, source) for name, source in _REPEATED.items()}
    return view, decode_with(Decision, told, shared)


def resolved_of(
    body: Mapping[str, Any], found: Callable[[str], tuple[DecisionView, Decision]]
) -> ResolvedDecision:
    """Resolved decision of a 'resolved' record; ``found`` reads a decision by its id.

    Raises:
        DamagedArtifact: It is not what this version writes.
    """
    told = _part(body, RESOLVED)
    named = told.get(DECISION)
    if not isinstance(named, str):
        return decode(ResolvedDecision, told)
    rest = {name: value for name, value in told.items() if name != DECISION}
    return decode_with(ResolvedDecision, rest, {DECISION: found(named)[1]})


def labels_of(body: Mapping[str, Any]) -> tuple[ResolvedLabel, ...]:
    """Labels of a 'labels' record."""
    labels: tuple[ResolvedLabel, ...] = decode(tuple[ResolvedLabel, ...], body.get(LABELS))
    return labels


def regimes_of(body: Mapping[str, Any]) -> tuple[RememberedBar, ...]:
    """Bars of a 'regimes' record, as the memory learned them."""
    bars: tuple[RememberedBar, ...] = decode(tuple[RememberedBar, ...], body.get("bars"))
    return bars


def _part(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    part = body.get(name)
    if not isinstance(part, dict):
        raise DamagedArtifact(f"journal: a record without {name!r}; it holds {sorted(body)}")
    return part
