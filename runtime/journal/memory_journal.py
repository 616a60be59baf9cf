"""``kernel_ports.Journal`` without a database: for simulation that is never continued."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from runtime.journal.bodies import Packer
from runtime.journal.codec import dumps, loads
from runtime.journal.entries import Entry, checked_row
from runtime.journal.levels import Level, Sieve
from runtime.kernel_ports import Record


class MemoryJournal:
    """Texts of records and of the last state in memory; commits suspend nowhere.

    The same record texts as ``SqlJournal``, at the same levels, with its reading methods.
    """

    def __init__(self, level: Level | str = Level.FULL) -> None:
        self.level = Level(level)
        self._sieve, self._packer = Sieve(self.level), Packer()
        self._rows: list[tuple[int, str, int, str, str]] = []
        self._committed = 0
        self._state: str | None = None

    @property
    def last_seq(self) -> int:
        """Number of the last record kept, committed or not."""
        return len(self._rows)

    def add(self, record: Record) -> None:
        """Keep a record; raises TypeError where nothing knows how to write its body."""
        kept = self._sieve.keep(record)
        if kept is not None:
            self._append(kept)

    def leaves_out(self, kind: str, time_ns: int, why: str = "") -> bool:
        """Count something of which the level keeps no record; False: its record is wanted."""
        return self._sieve.leaves_out(kind, time_ns, why)

    async def commit(self, state: Callable[[], Mapping[str, Any]] | None = None) -> None:
        """Let what was added be read, with the state it led to."""
        if self._sieve.due():
            self._add_tally()
            self._committed = len(self._rows)
            self._state = self._state if state is None else dumps(state())

    async def close(self) -> None:
        """Let everything be read."""
        self._add_tally()
        self._committed = len(self._rows)

    def _append(self, record: Record) -> None:
        text = self._packer.text(record)
        self._rows.append(checked_row(len(self._rows) + 1, record, text))

    def _add_tally(self) -> None:
        tally = self._sieve.tally()
        if tally is not None:
            self._append(tally)

    async def last_state(self) -> Mapping[str, Any] | None:
        """State of the last commit as JSON values."""
        if self._state is None:
            return None
        state: Mapping[str, Any] = loads(self._state)
        return state

    def read(self, kinds: Collection[str] | None = None, after: int = 0) -> Iterator[Entry]:
        """Committed records with a greater number, in order."""
        for seq, kind, time_ns, key, text in self._rows[after : self._committed]:
            if kinds is None or kind in kinds:
                yield Entry(seq, kind, time_ns, key, loads(text))

    def record(self, kind: str, key: str) -> Entry | None:
        """The newest committed record of a kind and key."""
        for seq, its_kind, time_ns, its_key, text in reversed(self._rows[: self._committed]):
            if (its_kind, its_key) == (kind, key):
                return Entry(seq, kind, time_ns, key, loads(text))
        return None
