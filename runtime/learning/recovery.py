"""Agents as they stood: the newest checkpoint that fits the journal, and what came after it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol

from agents.memory.setups import Bar as RememberedBar
from envs.core.errors import DamagedArtifact
from envs.core.trade import Decision, ResolvedDecision, ResolvedLabel
from envs.core.view import DecisionView
from runtime.journal.bodies import decision_of, labels_of, regimes_of, resolved_of
from runtime.journal.entries import Entry
from runtime.learning.checkpoints import Checkpoints, Generation
from runtime.learning.learning import OnlineLearning

DECISION, LABELS, REGIMES, RESOLVED = "decision", "labels", "regimes", "resolved"
Found = Callable[[str], tuple[DecisionView, Decision]]
_log = logging.getLogger(__name__)


class Reading(Protocol):
    """Reading methods of a journal (``SqlJournal``, ``MemoryJournal``)."""

    def read(self, kinds: Collection[str] | None = None, after: int = 0) -> Iterator[Entry]:
        """Committed records with a greater number, in order."""
        ...

    def record(self, kind: str, key: str) -> Entry | None:
        """The newest record of a kind and key."""
        ...


def decision_reader(journal: Reading) -> Found:
    """Reader of journalled candidates by decision id.

    The function raises DamagedArtifact where the journal holds none.
    """

    def found(decision_id: str) -> tuple[DecisionView, Decision]:
        entry = journal.record(DECISION, decision_id)
        if entry is None:
            raise DamagedArtifact(f"journal: no decision {decision_id}, which its state names")
        return decision_of(entry.body)

    return found


def recover(journal: Reading, learning: OnlineLearning) -> int:
    """Load the newest checkpoint into ``learning`` and learn the journal's records after it.

    ``learning`` holds the bundle's fresh agents; without a checkpoint the whole journal is learned
    again. A damaged newest generation gives way to the one before, and that to the bundle, as the
    journal still holds everything since. Returns the number of the last record learned (0: none).

    Raises:
        DamagedArtifact: The journal lacks records that must be learned again.
        RefusedArtifact: A checkpoint of other settings.
    """
    after, found = 0, _usable(journal, learning.checkpoints)
    if found is not None:
        found.restore(learning.parts)
        learning.take_extra(found.extra)
        after = found.seq
    return learn_journal(journal, learning, after)


def _usable(journal: Reading, checkpoints: Checkpoints | None) -> Generation | None:
    """Newest generation that has learned nothing the journal does not hold."""
    if checkpoints is None:
        return None
    last = _last_seq(journal)
    for generation in checkpoints.generations():
        if generation.seq <= last:
            return generation
        _log.warning(
            "checkpoint not used: it has learned record %d, the journal ends with %d",
            generation.seq, last,
        )  # fmt: skip
    return checkpoints.first()


def learn_journal(journal: Reading, learning: OnlineLearning, after: int) -> int:
    """Learn the records after a number in their order; returns the last one's number."""
    expected, relearn = after + 1, Relearning(learning, decision_reader(journal))
    for entry in journal.read(None, after):
        if entry.seq != expected:
            raise DamagedArtifact(
                f"journal: record {expected} is missing (the next is {entry.seq}); what was "
                "learned cannot be learned again: restore the journal"
            )
        expected += 1
        relearn.take(entry)
    relearn.flush()
    return expected - 1


class Learns(Protocol):
    """What learns the records of a journal."""

    def learn_labels(self, labels: Sequence[ResolvedLabel]) -> None:
        """Learn the labels of one close."""
        ...

    def learn_bars(self, bars: Sequence[RememberedBar]) -> None:
        """Let the memory learn the bars of one record."""
        ...

    def learn_again(self, resolved: Sequence[ResolvedDecision], time_ns: int) -> None:
        """Learn the resolved decisions of one close."""
        ...


class Relearning:
    """Learns the records of a journal as they were learned: those of one close together."""

    def __init__(self, learning: Learns, found: Found) -> None:
        self._learning, self._found = learning, found
        self._batch: list[ResolvedDecision] = []
        self._time_ns = -1

    def take(self, entry: Entry) -> None:
        """Learn one record, or keep it back until its close is complete."""
        if entry.kind != RESOLVED or entry.time_ns != self._time_ns:
            self.flush()
        if entry.kind == LABELS:
            self._learning.learn_labels(labels_of(entry.body))
        elif entry.kind == REGIMES:
            self._learning.learn_bars(regimes_of(entry.body))
        elif entry.kind == RESOLVED:
            self._batch.append(resolved_of(entry.body, self._found))
            self._time_ns = entry.time_ns

    def flush(self) -> None:
        """Learn what was kept back."""
        if self._batch:
            self._learning.learn_again(self._batch, self._time_ns)
        self._batch = []


def _last_seq(journal: Reading) -> int:
    last = getattr(journal, "last_seq", None)
    if isinstance(last, int):
        return last
    seq = 0
    for entry in journal.read():
        seq = entry.seq
    return seq
