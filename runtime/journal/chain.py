"""The chain of hashes: a line can neither be changed nor taken out nor moved unseen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from runtime.store.schema import GENESIS

Row = tuple[int, str, int, str, str]
"""Number, kind, time, key and body of a line to be written."""


class Head(NamedTuple):
    """The last line of a journal and its hash."""

    seq: int = 0
    hash: str = GENESIS


class Line(NamedTuple):
    """One line as it is stored."""

    seq: int
    kind: str
    time_ns: int
    key: str
    body: str
    hash: str


@dataclass(frozen=True)
class Fault:
    """The first line at which the chain breaks, and how."""

    seq: int
    problem: str


def linked(head: Head, seq: int, kind: str, time_ns: int, key: str, body: str) -> Head:
    """Head after one more line: SHA-256 over the hash before it and the line itself."""
    text = f"{head.hash}\n{seq}\n{kind}\n{time_ns}\n{len(key)}:{key}\n{body}"
    return Head(seq, sha256(text.encode()).hexdigest())


def first_fault(lines: Iterator[Line], said: Head) -> Fault | None:
    """The first line that breaks the chain; ``said`` is where the state says it ends.

    ``lines`` in order of their numbers. A chain that was wholly computed anew cannot be told from
    the true one: keep exports where the journal's writer cannot reach them.
    """
    head = Head()
    for line in lines:
        if line.seq != head.seq + 1:
            return Fault(head.seq + 1, f"lines {head.seq + 1} to {line.seq - 1} are missing")
        found = linked(head, line.seq, line.kind, line.time_ns, line.key, line.body)
        if found.hash != line.hash:
            return Fault(
                line.seq, "it is not what was written there: altered, moved, or one before it "
                "was taken out",
            )  # fmt: skip
        head = found
        if head.seq == said.seq and head.hash != said.hash:
            return Fault(head.seq, "the state was written after another line of this number")
    if head.seq < said.seq:
        return Fault(head.seq + 1, f"lines {head.seq + 1} to {said.seq} were cut off")
    if head.seq > said.seq:
        return Fault(said.seq + 1, "it was added by another program")
    return None


def continued(head: Head, rows: Sequence[Row]) -> list[Line]:
    """Lines of new rows (seq, kind, time, key, body) after ``head``."""
    lines = []
    for row in rows:
        head = linked(head, *row)
        lines.append(Line(*row, head.hash))
    return lines
