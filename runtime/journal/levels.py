"""How much is written down: everything at once, or what a simulation's reports need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from runtime.kernel_ports import Record

BAR, LABELS, DECISION = "bar", "labels", "decision"
LEFT_OUT = frozenset({BAR, "signal", "order"})
"""Kinds that level ``trades`` leaves out; of ``labels`` it keeps those of candidates."""

BARS_PER_COMMIT = 500
"""Closes that level ``trades`` gathers into one transaction."""


class Level(StrEnum):
    """FULL: every record, on disk when a commit returns. TRADES: candidates, trades, learning."""

    FULL = "full"
    TRADES = "trades"


class Sieve:
    """Chooses records by level and says when a transaction is due."""

    def __init__(self, level: Level) -> None:
        self.level = level
        self._candidates: set[tuple[str, int]] = set()
        self._bars, self._bar_ns = 0, -1

    def keep(self, record: Record) -> Record | None:
        """The record, what is left of it, or None; bars count though they are left out."""
        if self.level is Level.FULL:
            return record
        kind = record.kind
        if kind == BAR and record.time_ns != self._bar_ns:
            self._bars, self._bar_ns = self._bars + 1, record.time_ns
        if kind in LEFT_OUT:
            return None
        if kind == DECISION:
            view = record.body["view"]
            self._candidates.add((view.symbol, view.bar_close_ns))
        return self._labels(record) if kind == LABELS else record

    def due(self) -> bool:
        """Whether the next commit goes to the database; asking begins a new count."""
        if self.level is Level.TRADES and self._bars < BARS_PER_COMMIT:
            return False
        self._bars = 0
        return True

    def _labels(self, record: Record) -> Record | None:
        found = self._candidates.intersection(label.id for label in record.body["labels"])
        if not found:
            return None
        self._candidates -= found
        kept = tuple(label for label in record.body["labels"] if label.id in found)
        body: Mapping[str, Any] = {**record.body, "labels": kept}
        return replace(record, body=body)
