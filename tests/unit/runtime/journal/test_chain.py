"""Every way of tampering with the lines is found and named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from envs.core.errors import DamagedArtifact
from runtime.journal import rows
from runtime.journal.chain import Head, Line, continued, first_fault
from runtime.journal.sql_journal import SqlJournal
from runtime.store.database import Database, open_database
from tests.unit.runtime.journal.scenes import write

ROWS = [(i, "kind", 10 * i, f"key{i}", f'{{"x":{i}}}') for i in range(1, 6)]
LINES = continued(Head(), ROWS)
END = Head(5, LINES[-1].hash)


def test_the_chain_of_what_was_written_holds() -> None:
    assert first_fault(iter(LINES), END) is None
    assert first_fault(iter([]), Head()) is None


@pytest.mark.parametrize("field", ["kind", "time_ns", "key", "body", "hash"])
def test_a_line_altered_anywhere_is_named(field: str) -> None:
    for at in range(5):
        value = getattr(LINES[at], field)
        changed = value + 1 if field == "time_ns" else f"{value} "
        lines = [x if i != at else x._replace(**{field: changed}) for i, x in enumerate(LINES)]
        fault = first_fault(iter(lines), END)
        assert fault is not None
        assert fault.seq == at + 1
        assert "altered" in fault.problem


def test_what_moves_from_one_field_to_the_next_is_found() -> None:
    line = LINES[0]
    for moved in (
        line._replace(kind="kin", key=f"d{line.key}"),
        line._replace(key="key1\n{", body='"x":1}'),
        line._replace(key=f"{line.key}\n{line.body}", body=""),
    ):
        assert first_fault(iter([moved, *LINES[1:]]), END) is not None


def test_lines_taken_out_moved_or_cut_off_are_named() -> None:
    for at in range(4):
        fault = first_fault(iter(LINES[:at] + LINES[at + 1 :]), END)
        assert fault is not None
        assert (fault.seq, "missing" in fault.problem) == (at + 1, True)
    for n in range(5):
        fault = first_fault(iter(LINES[:n]), END)
        assert fault is not None
        assert (fault.seq, "cut off" in fault.problem) == (n + 1, True)
    renumbered = [LINES[0], *(x._replace(seq=x.seq - 1) for x in LINES[2:])]
    swapped = [LINES[0], LINES[2]._replace(seq=2), LINES[1]._replace(seq=3), *LINES[3:]]
    for lines in (renumbered, swapped):
        fault = first_fault(iter(lines), END)
        assert fault is not None
        assert (fault.seq, "moved" in fault.problem) == (2, True)


def test_lines_added_or_replaced_behind_the_state_are_named() -> None:
    more = continued(END, [(6, "kind", 60, "key6", "{}")])
    fault = first_fault(iter([*LINES, *more]), END)
    assert fault is not None
    assert (fault.seq, "added" in fault.problem) == (6, True)
    other = continued(Head(4, LINES[3].hash), [(5, "kind", 50, "key5", "{}")])
    fault = first_fault(iter([*LINES[:4], *other]), END)
    assert fault is not None
    assert (fault.seq, "another line" in fault.problem) == (5, True)


@pytest.fixture
def unguarded(database_url: str) -> Iterator[Database]:
    """A journal of six lines whose guards somebody has taken away."""
    write(database_url, 6)
    database = open_database(database_url)
    if database.is_postgres:
        change(database, "ALTER TABLE journal DISABLE TRIGGER ALL")
    else:
        change(database, "DROP TRIGGER journal_no_update")
        change(database, "DROP TRIGGER journal_no_delete")
    yield database
    database.close()


def change(database: Database, statement: str) -> None:
    database.run_now(lambda db: db.exec_driver_sql(statement))


@pytest.mark.parametrize(
    ("statement", "seq", "word"),
    [
        ("UPDATE journal SET body = replace(body, '\"BTCUSDT\"', '\"ETHUSDT\"') WHERE seq = 3",
         3, "altered"),
        ("DELETE FROM journal WHERE seq = 2", 2, "missing"),
        ("UPDATE journal SET seq = CASE seq WHEN 4 THEN -5 WHEN 5 THEN -4 END WHERE seq IN (4, 5);"
         "UPDATE journal SET seq = -seq WHERE seq < 0", 4, "moved"),
    ],
)  # fmt: skip
def test_tampering_in_the_database_is_named(
    unguarded: Database, statement: str, seq: int, word: str
) -> None:
    journal = SqlJournal(unguarded)
    assert journal.verify() is None
    for part in statement.split(";"):
        change(unguarded, part)
    fault = journal.verify()
    assert fault is not None
    assert (fault.seq, word in fault.problem) == (seq, True)


@pytest.mark.parametrize(
    ("statement", "seq", "word"),
    [
        ("DELETE FROM journal WHERE seq > 4", 5, "cut off"),
        ("DELETE FROM journal", 1, "cut off"),
        ("INSERT INTO journal SELECT 7, kind, time_ns, key, body, hash FROM journal WHERE seq = 6",
         7, "altered"),
        ("UPDATE state SET seq = 5", 5, "another line"),
        ("DELETE FROM state", 0, "row of the state is missing"),
    ],
)  # fmt: skip
def test_a_journal_that_does_not_end_at_its_state_is_not_continued(
    unguarded: Database, statement: str, seq: int, word: str
) -> None:
    change(unguarded, statement)
    with pytest.raises(DamagedArtifact, match="its state ends at line"):
        SqlJournal(unguarded)
    fault = rows.verify(unguarded)
    assert fault is not None
    assert (fault.seq, word in fault.problem) == (seq, True)


def test_the_hash_is_of_the_line_and_of_all_before() -> None:
    assert LINES[0] == Line(*ROWS[0], LINES[0].hash)
    assert len({x.hash for x in LINES}) == 5
    again = continued(Head(), [(1, "kind", 10, "key1", '{"x":2}'), *ROWS[1:]])
    assert all(a.hash != b.hash for a, b in zip(again, LINES, strict=True))
