"""Making, checking and migrating the tables of a journal, each in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, insert, inspect, select, text, update

from envs.core.errors import RefusedArtifact
from runtime.store.failures import foreign
from runtime.store.tables import METADATA, SCHEMA_VERSION, about, journal, state, stop_requests

GENESIS = "0" * 64
"""Hash before the first line."""

PROGRAM = "quantum-trader"
_MIGRATION_LOCK = 0x5154_0001
_SQLITE_GUARDS = (
    "CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal BEGIN "
    "SELECT RAISE(ABORT, 'the journal is append-only'); END",
    "CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal BEGIN "
    "SELECT RAISE(ABORT, 'the journal is append-only'); END",
)
_POSTGRES_GUARDS = (
    "CREATE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION 'the journal is append-only'; END $$",
    "CREATE TRIGGER journal_no_change BEFORE UPDATE OR DELETE ON journal "
    "FOR EACH ROW EXECUTE FUNCTION journal_is_append_only()",
    "CREATE TRIGGER journal_no_truncate BEFORE TRUNCATE ON journal "
    "FOR EACH STATEMENT EXECUTE FUNCTION journal_is_append_only()",
)


def prepare(db: Connection, name: str, *, create: bool, writable: bool) -> None:
    """Make the tables where there are none, bring older ones up to date, refuse others.

    Raises:
        RefusedArtifact: Nothing there and none wanted, a newer version, another program's tables.
    """
    if writable and db.dialect.name == "postgresql":
        # Two programs that start at once must not both make the tables.
        db.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    tables = set(inspect(db).get_table_names())
    found = _version(db) if about.name in tables else None
    if found is None:
        _refuse_foreign(name, tables)
        if not (create and writable):
            raise RefusedArtifact(
                f"journal {name}: there is none; start a run first, or mend --state"
            )
        _create(db)
    elif not found.isdecimal():
        raise foreign(name, f"its version is {found!r}")
    elif int(found) > SCHEMA_VERSION:
        raise RefusedArtifact(
            f"journal {name}: version {found} is newer than {SCHEMA_VERSION}, the last that this "
            "program knows; use the program it was written with"
        )
    elif int(found) < SCHEMA_VERSION:
        if not writable:
            raise RefusedArtifact(
                f"journal {name}: version {found} is older than {SCHEMA_VERSION}; a start of the "
                "runtime brings it up to date"
            )
        migrate(db, int(found))


def migrate(db: Connection, version: int) -> None:
    """Bring the tables from an older version to this program's, step by step."""
    for number in range(version, SCHEMA_VERSION):
        MIGRATIONS[number](db)
    db.execute(update(about).where(about.c.name == "schema").values(value=str(SCHEMA_VERSION)))


def _create(db: Connection) -> None:
    METADATA.create_all(db)
    _guard(db)
    _begin(db)
    db.execute(insert(about).values(name="schema", value=str(SCHEMA_VERSION)))
    db.execute(insert(about).values(name="program", value=PROGRAM))


def _one_to_two(db: Connection) -> None:
    """Version 2 adds the journal of records, the state, and requests to the emergency stop."""
    METADATA.create_all(db, tables=[journal, state, stop_requests])
    _guard(db)
    _begin(db)
    db.execute(insert(about).values(name="program", value=PROGRAM))


MIGRATIONS: Mapping[int, Callable[[Connection], None]] = {1: _one_to_two}
"""What brings a version to the next."""


def _begin(db: Connection) -> None:
    row = {"slot": 1, "seq": 0, "hash": GENESIS, "version": 0, "body": None, "checksum": ""}
    db.execute(insert(state).values(row))


def _guard(db: Connection) -> None:
    guards = _POSTGRES_GUARDS if db.dialect.name == "postgresql" else _SQLITE_GUARDS
    for statement in guards:
        db.execute(text(statement))


def _version(db: Connection) -> str | None:
    columns = {str(c["name"]) for c in inspect(db).get_columns(about.name)}
    if not {"name", "value"} <= columns:
        return "(another table)"
    value = db.execute(select(about.c.value).where(about.c.name == "schema")).scalar()
    return None if value is None else str(value)


def _refuse_foreign(name: str, tables: set[str]) -> None:
    others = sorted(tables - set(METADATA.tables))
    if others:
        raise foreign(name, f"it holds the tables {', '.join(others[:3])} and no journal")
