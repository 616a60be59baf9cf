"""How much is written down: everything at once, or what a simulation's reports need."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

from envs.core.trade import Decision
from runtime.kernel_ports import Record

BAR, DECISION, SKIP, TALLY = "bar", "decision", "skip", "tally"
COUNTED = {
    "resolved": "resolved", "order": "orders", "labels": "labels", "signal": "signals",
    "regimes": "regimes", "learned": "learning_steps",
}  # fmt: skip
"""Kinds of which level ``trades`` keeps nothing but their number, and its name in the tally."""

BARS_PER_COMMIT = 500
"""Closes that level ``trades`` gathers into one transaction."""


class Level(StrEnum):
    """FULL: every record, on disk when a commit returns.

    TRADES: what was traded and what changed: run, decisions that sent an order, what became of
    those, fills, funding, trades, gate, alarms. The rest is counted: a ``tally`` a transaction.
    """

    FULL = "full"
    TRADES = "trades"


def why_nothing(decision: Decision) -> str:
    """Why a decision sent nothing; empty where it sent an order."""
    return "" if decision.qty_steps > 0 else decision.reason or "SKIP"


class Sieve:
    """Chooses records by level, counts what it leaves out, and says when a transaction is due."""

    def __init__(self, level: Level) -> None:
        self.level = level
        self._all = level is Level.FULL
        self._counts: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._sent: set[str] = set()
        self._closes = self._told = self._time_ns = 0

    def leaves_out(self, kind: str, time_ns: int, why: str = "") -> bool:
        """Count something of which the level keeps no record; False: its record is wanted.

        ``why`` a decision sent nothing, for its record and the one that it was skipped; empty for
        a decision that sent an order.
        """
        if self._all:
            return False
        if kind == BAR:
            self._closes += 1
            self._time_ns = time_ns
        elif kind == DECISION and why:
            self._reasons[why] += 1
        elif kind in COUNTED:
            self._counts[kind] += 1
        else:
            return kind == SKIP and bool(why)
        return True

    def keep(self, record: Record) -> Record | None:
        """The record, or None where it is only counted."""
        if self._all:
            return record
        kind, why = record.kind, ""
        if kind == DECISION:
            why = why_nothing(record.body[DECISION])
        elif kind == SKIP and record.key not in self._sent:
            why = "SKIP"
        if self.leaves_out(kind, record.time_ns, why):
            return None
        if kind == DECISION:
            self._counts[DECISION] += 1
            self._sent.add(record.key)
        elif kind in (SKIP, "trade"):
            self._sent.discard(record.key)
        return record

    def due(self) -> bool:
        """Whether the next commit goes to the database; asking begins a new count."""
        if not self._all and self._closes - self._told < BARS_PER_COMMIT:
            return False
        self._told = self._closes
        return True

    def tally(self) -> Record | None:
        """What was left out since the last tally, for the present transaction; None for nothing.

        Body: ``closes``, ``candidates`` decided, ``sent`` among them, ``not_sent`` by reason,
        units ``resolved`` (each is learned once where the run learns), and how many records of
        other kinds there were. Its key is the last close.
        """
        counts, reasons = self._counts, self._reasons
        if not (self._closes or counts or reasons):
            return None
        sent = counts.pop(DECISION, 0)
        body = {
            "closes": self._closes, "candidates": sent + reasons.total(), "sent": sent,
            "not_sent": dict(sorted(reasons.items())),
            **{name: counts[kind] for kind, name in COUNTED.items()},
        }  # fmt: skip
        counts.clear()
        reasons.clear()
        self._closes = self._told = 0
        return Record(TALLY, self._time_ns, str(self._time_ns), body)
