"""The differences between two tales, the first one of all."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from runtime.parity.chapters import CHAPTERS, Line, same
from runtime.parity.tale import Tale

MISSING = "(missing)"


@dataclass(frozen=True)
class Difference:
    """One line on which two faces differ, field by field: (field, left, right).

    ``time_ns`` is market time. Where one face lacks the whole line, every field of it is
    ``missing``.
    """

    chapter: str
    time_ns: int
    what: str
    fields: tuple[tuple[str, Any, Any], ...]


@dataclass
class Comparison:
    """Two faces held against each other; counts of equal and of different lines by chapter."""

    left: str
    right: str
    lines: dict[str, int] = field(default_factory=dict)
    differences: dict[str, int] = field(default_factory=dict)
    first: Difference | None = None

    @property
    def equal(self) -> bool:
        """Whether there is no difference at all."""
        return self.first is None


def compare(left: Tale, right: Tale) -> Comparison:
    """Hold two tales against each other; the first difference is the earliest in market time.

    Chapters that one of them cannot tell are left out. Learning is compared in its order,
    everything else without the order inside an instant.
    """
    out = Comparison(left.face, right.face)
    found: list[tuple[int, int, Difference]] = []
    for rank, (chapter, lines_of) in enumerate(CHAPTERS.items()):
        if chapter not in left.tells & right.tells:
            continue
        mine, theirs = lines_of(left), lines_of(right)
        different = _differences(chapter, mine, theirs)
        out.lines[chapter] = max(len(mine), len(theirs))
        out.differences[chapter] = len(different)
        if different:
            first = min(different, key=lambda d: d.time_ns)
            found.append((first.time_ns, rank, first))
    if found:
        out.first = min(found, key=lambda x: x[:2])[2]
    return out


def _differences(chapter: str, mine: list[Line], theirs: list[Line]) -> list[Difference]:
    left, right = {a.place: a for a in mine}, {b.place: b for b in theirs}
    out: list[Difference] = []
    if len(left) < len(mine) or len(right) < len(theirs):
        out.append(_repeated(chapter, mine, theirs))
    for place in sorted({*left, *right}):
        a, b = left.get(place), right.get(place)
        if a is None or b is None:
            out.append(_missing(chapter, a, b))
            continue
        names = [*a.values, *(n for n in b.values if n not in a.values)]
        fields = tuple(
            (n, a.values.get(n, MISSING), b.values.get(n, MISSING))
            for n in names
            if n not in a.values or n not in b.values or not same(a.values[n], b.values[n])
        )
        if fields:
            out.append(Difference(chapter, min(a.time_ns, b.time_ns), a.what, fields))
    return out


def _missing(chapter: str, a: Line | None, b: Line | None) -> Difference:
    """A line that only one face has; all of its fields are shown."""
    there = a or b
    if there is None:
        raise ValueError("a line is missing on both sides")
    fields = tuple(
        (name, value if a is not None else MISSING, value if b is not None else MISSING)
        for name, value in there.values.items()
    )
    return Difference(chapter, there.time_ns, there.what, fields)


def _repeated(chapter: str, mine: list[Line], theirs: list[Line]) -> Difference:
    """The first line a face has twice: a decision made or closed more than once."""
    counts = Counter(line.place for line in mine), Counter(line.place for line in theirs)
    line = next(x for x in [*mine, *theirs] if max(c[x.place] for c in counts) > 1)
    times = ("times told", counts[0][line.place], counts[1][line.place])
    return Difference(chapter, line.time_ns, line.what, (times,))
