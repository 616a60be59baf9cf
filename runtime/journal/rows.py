"""The statements of the journal: lines, the head they end at, the state."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from envs.core.errors import DamagedArtifact, RefusedArtifact
from runtime.journal.chain import Fault, Head, Line, first_fault
from runtime.port_errors import StoreUnavailable
from runtime.store.database import Database
from runtime.store.tables import journal, state

STATE_VERSION = 1
_PAGE = 500
_ADD = insert(journal)
_END = (
    update(state)
    .where((state.c.slot == 1) & (state.c.seq == bindparam("old_seq")))
    .where(state.c.hash == bindparam("old_hash"))
    .values(seq=bindparam("new_seq"), hash=bindparam("new_hash"))
)
_STATE = _END.values(
    version=bindparam("new_version"), body=bindparam("document"), checksum=bindparam("sum")
)
"""Put together once: that takes longer than running them."""

_MEND = "restore the database from a backup, or begin a new one after the account is flat"


def head(db: Connection) -> Head:
    """Where the journal ends, as its state says."""
    row = db.execute(select(state.c.seq, state.c.hash).where(state.c.slot == 1)).one_or_none()
    return Head(-1, "") if row is None else Head(int(row.seq), str(row.hash))


def checked_head(db: Connection, name: str) -> Head:
    """The same, after looking whether the last line is that line.

    Raises:
        DamagedArtifact: The journal was cut off or added to.
    """
    said = head(db)
    last = db.execute(select(func.max(journal.c.seq))).scalar() or 0
    if last:
        found = db.execute(select(journal.c.hash).where(journal.c.seq == last)).scalar()
        agrees = Head(int(last), str(found)) == said
    else:
        agrees = said == Head()
    if not agrees:
        raise DamagedArtifact(
            f"journal {name}: its state ends at line {said.seq}, its lines at {last}; {_MEND}"
        )
    return said


def state_text(db: Connection, name: str) -> str | None:
    """JSON text of the last state; None where none was written.

    Raises:
        DamagedArtifact: It is not what was written.
        RefusedArtifact: A newer program wrote it.
    """
    row = db.execute(select(state).where(state.c.slot == 1)).one_or_none()
    if row is None:
        raise DamagedArtifact(f"journal {name}: the row of the state is missing; {_MEND}")
    if row.body is None:
        return None
    if row.version > STATE_VERSION:
        raise RefusedArtifact(
            f"journal {name}: its state has version {row.version}, this program knows "
            f"{STATE_VERSION}; use the program it was written with"
        )
    if row.checksum != _checksum(row.version, row.body):
        raise DamagedArtifact(f"journal {name}: the state is not what was written; {_MEND}")
    return str(row.body)


def write(db: Connection, name: str, new: Sequence[Line], old: Head, document: str | None) -> Head:
    """Add lines after ``old`` and keep the state they led to (None leaves it); returns the head.

    Raises:
        StoreUnavailable: The journal does not end at ``old``.
    """
    end = Head(new[-1].seq, new[-1].hash) if new else old
    values = {"old_seq": old.seq, "old_hash": old.hash, "new_seq": end.seq, "new_hash": end.hash}
    statement = _END
    if document is not None:
        checksum = _checksum(STATE_VERSION, document)
        statement = _STATE
        values |= {"new_version": STATE_VERSION, "document": document, "sum": checksum}
    try:
        if new:
            db.execute(_ADD, [line._asdict() for line in new])
        if db.execute(statement, values).rowcount == 1:
            return end
    except IntegrityError as error:
        raise not_alone(name) from error
    raise not_alone(name)


def not_alone(name: str) -> StoreUnavailable:
    """The error for a journal that somebody else has written meanwhile."""
    return StoreUnavailable(
        f"journal {name}: another program has written it since; stop that program, then start this "
        "one again"
    )


def newest(db: Connection, kind: str, key: str) -> Line | None:
    """The last line of a kind and key."""
    query = (
        select(journal)
        .where((journal.c.kind == kind) & (journal.c.key == key))
        .order_by(journal.c.seq.desc())
        .limit(1)
    )
    row = db.execute(query).one_or_none()
    return None if row is None else Line(*row)


def lines(
    database: Database, kinds: Collection[str] | None = None, after: int = 0
) -> Iterator[Line]:
    """Lines with a greater number, in order, a page at a time, each page a transaction."""
    query = select(journal).order_by(journal.c.seq).limit(_PAGE)
    if kinds is not None:
        query = query.where(journal.c.kind.in_(sorted(kinds)))
    while True:
        found = database.run_now(partial(_page, query=query.where(journal.c.seq > after)))
        yield from found
        if len(found) < _PAGE:
            return
        after = found[-1].seq


def last(db: Connection, kinds: Collection[str] | None, key: str, count: int) -> list[Line]:
    """The last ``count`` lines of some kinds whose key holds ``key``, oldest first."""
    query = select(journal).order_by(journal.c.seq.desc()).limit(count)
    if kinds is not None:
        query = query.where(journal.c.kind.in_(sorted(kinds)))
    if key:
        query = query.where(journal.c.key.contains(key, autoescape=True))
    return _page(db, query)[::-1]


def against(db: Connection, exported: Head) -> Fault | None:
    """Whether the last line of an earlier export is still what it was."""
    found = db.execute(select(journal.c.hash).where(journal.c.seq == exported.seq)).scalar()
    if found == exported.hash:
        return None
    return Fault(exported.seq, "it is not the line of the export: the journal was written anew")


def _page(db: Connection, query: Select[Any]) -> list[Line]:
    return [Line(*row) for row in db.execute(query)]


def verify(database: Database) -> Fault | None:
    """Walk the whole chain, beside a runtime that writes too; the first fault or None."""
    said = database.run_now(head)
    if said.seq < 0:
        return Fault(0, "the row of the state is missing")
    fault = first_fault(lines(database), said)
    if fault is not None and fault.seq == said.seq + 1 and database.run_now(head) != said:
        return verify(database)
    return fault


def _checksum(version: int, body: str) -> str:
    return sha256(f"{version}\n{body}".encode()).hexdigest()
