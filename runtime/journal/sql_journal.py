"""``kernel_ports.Journal`` in a database: lines in a chain of hashes, and the state they led to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection

from runtime.journal import rows
from runtime.journal.bodies import Packer
from runtime.journal.chain import Fault, Head, Row, continued
from runtime.journal.entries import Entry, checked_row, entry_of, export_lines
from runtime.journal.levels import Level, Sieve
from runtime.journal.reading import read_any
from runtime.journal.writing import write_any
from runtime.kernel_ports import Record
from runtime.store.database import Database

State = Callable[[], Mapping[str, Any]]


class SqlJournal:
    """Append-only journal of one account; every commit is one transaction with its state.

    Level ``full``: what ``commit`` has returned from is on disk. Level ``trades``: see ``Level``;
    one transaction per 500 closes, written behind the caller's back; a failure is told by a later
    commit or by ``close``. Reading methods block and see what is committed. One journal writes a
    database at a time (``runtime.store.run_lock``).

    Raises (constructor):
        DamagedArtifact: The last line is not the one the state was written after.
    """

    def __init__(self, database: Database, level: Level | str = Level.FULL) -> None:
        self.level = Level(level)
        self._database = database
        self._sieve, self._packer = Sieve(self.level), Packer()
        self._queue: list[Row] = []
        self._head = database.run_now(lambda db: rows.checked_head(db, database.name))
        self._last_seq = self._head.seq
        self._in_doubt = False
        self._state: State | None = None
        self._flight: Future[Head] | None = None

    @property
    def last_seq(self) -> int:
        """Number of the last record kept (1, 2, ...; 0 in a new journal), committed or not."""
        return self._last_seq

    def add(self, record: Record) -> None:
        """Put a record into the present transaction; its number is then ``last_seq``.

        Raises:
            TypeError: Its body holds what nothing knows how to write.
        """
        kept = self._sieve.keep(record)
        if kept is not None:
            self._append(kept)

    def leaves_out(self, kind: str, time_ns: int, why: str = "") -> bool:
        """Count something of which the level keeps no record; False: its record is wanted."""
        return self._sieve.leaves_out(kind, time_ns, why)

    async def commit(self, state: State | None = None) -> None:
        """Write the records added since the last commit and the state they led to, as one.

        Records of a commit that failed stay queued and go with the next that succeeds.

        Raises:
            StoreUnavailable: Nothing of it is on disk; no new risk may be taken.
        """
        self._state = state or self._state
        if not self._sieve.due():
            return
        self._add_tally()
        if self.level is Level.FULL:
            if self._queue or state is not None:
                await self._database.run(self._work(state), self._written)
            return
        self._land()
        self._flight = self._database.submit(self._work(self._state), self._written)

    async def close(self) -> None:
        """Write what is queued, with the last state; the database is closed by its owner.

        Raises:
            StoreUnavailable: It could not be written.
        """
        self._land()
        self._add_tally()
        if self._queue:
            await self._database.run(self._work(self._state), self._written)

    async def last_state(self) -> Mapping[str, Any] | None:
        """State of the last commit as JSON values; None in a new journal.

        Raises:
            DamagedArtifact: It is not what was written.
        """
        name = self._database.name
        text = await self._database.run(lambda db: rows.state_text(db, name))
        if text is None:
            return None
        state: Mapping[str, Any] = read_any(orjson.loads(text))
        return state

    def read(self, kinds: Collection[str] | None = None, after: int = 0) -> Iterator[Entry]:
        """Committed records with a greater number, in order, a page of 500 at a time."""
        for line in rows.lines(self._database, kinds, after):
            yield entry_of(line)

    def record(self, kind: str, key: str) -> Entry | None:
        """The newest committed record of a kind and key."""
        line = self._database.run_now(lambda db: rows.newest(db, kind, key))
        return None if line is None else entry_of(line)

    def verify(self) -> Fault | None:
        """First line that is not what was written; None where the chain holds."""
        return rows.verify(self._database)

    def export_jsonl(self, path: Path) -> int:
        """Write every committed record as a line of JSON; returns how many.

        Raises:
            FixInput: The file cannot be written.
        """
        return export_lines(rows.lines(self._database), path)

    def _append(self, record: Record) -> None:
        row = checked_row(self._last_seq + 1, record, self._packer.text(record))
        self._queue.append(row)
        self._last_seq += 1

    def _add_tally(self) -> None:
        """Say how much was left out since the last transaction."""
        tally = self._sieve.tally()
        if tally is not None:
            self._append(tally)

    def _land(self) -> None:
        """Wait for the transaction under way; tell its failure."""
        if self._flight is not None:
            flight, self._flight = self._flight, None
            flight.result()

    def _work(self, state: State | None) -> Callable[[Connection], Head]:
        """Statements of one commit; records and state are taken now, before anything goes on."""
        document = None if state is None else orjson.dumps(write_any(state())).decode()
        taken = self._queue.copy()

        def work(db: Connection) -> Head:
            if self._in_doubt:
                self._find_out(db)
            self._in_doubt = True
            new = continued(self._head, [row for row in taken if row[0] > self._head.seq])
            return rows.write(db, self._database.name, new, self._head, document)

        return work

    def _written(self, head: Head) -> None:
        """Note that everything up to ``head`` is on disk (worker thread)."""
        del self._queue[: head.seq - self._head.seq]
        self._head, self._in_doubt = head, False

    def _find_out(self, db: Connection) -> None:
        """Ask whether a commit that failed was written all the same: its answer may be lost."""
        found = rows.head(db)
        lines = continued(self._head, self._queue[: max(0, found.seq - self._head.seq)])
        reached = Head(lines[-1].seq, lines[-1].hash) if lines else self._head
        if reached != found:
            raise rows.not_alone(self._database.name)
        self._written(reached)
