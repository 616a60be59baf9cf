"""The journal in both databases: order, state, transactions, failures."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from envs.core.errors import DamagedArtifact, FixInput, RefusedArtifact
from runtime.journal.bodies import decision_of, resolved_of
from runtime.journal.levels import Level
from runtime.journal.memory_journal import MemoryJournal
from runtime.journal.sql_journal import SqlJournal
from runtime.kernel_ports import Record
from runtime.port_errors import StoreUnavailable
from runtime.store.database import Database, open_database
from tests.unit.runtime.journal.scenes import (
    candidate,
    closed,
    decided,
    ended,
    learnt,
    resolved,
    run,
    skipped,
    use,
    write,
)


def sql(database: Database, statement: str) -> Any:
    return database.run_now(lambda db: db.exec_driver_sql(statement))


def test_what_was_committed_is_read_back_in_order(database_url: str) -> None:
    async def first(journal: SqlJournal, database: Database) -> None:
        assert (journal.last_seq, await journal.last_state()) == (0, None)
        journal.add(Record("run", 1, "demo", {"x": math.nan, "rng": {"state": 2**100}}))
        view, decision = candidate(5)
        journal.add(decided(view, decision))
        assert journal.last_seq == 2
        assert list(journal.read()) == []
        await journal.commit(lambda: {"row": 5, "nan": [math.inf], "big": -(2**70)})
        journal.add(Record("run", 2, "demo"))
        await journal.commit()

    async def second(journal: SqlJournal, database: Database) -> None:
        assert journal.last_seq == 3
        found = list(journal.read())
        assert [(e.seq, e.kind, e.time_ns, e.key) for e in found] == [
            (1, "run", 1, "demo"), (2, "decision", 5, "demo:BTCUSDT:5"), (3, "run", 2, "demo"),
        ]  # fmt: skip
        assert math.isnan(found[0].body["x"])
        assert found[0].body["rng"] == {"state": 2**100}
        assert [e.seq for e in journal.read({"run"}, after=1)] == [3]
        assert [e.seq for e in journal.read({"run", "decision"})] == [1, 2, 3]
        assert list(journal.read(set())) == []
        view, decision = decision_of(found[1].body)
        assert view.context == candidate(5)[0].context
        assert decision.context is view.context
        newest = journal.record("run", "demo")
        assert newest is not None
        assert newest.seq == 3
        assert journal.record("run", "other") is None
        assert await journal.last_state() == {"row": 5, "nan": [math.inf], "big": -(2**70)}
        assert journal.verify() is None
        journal.add(Record("run", 3, "demo"))
        await journal.commit(lambda: {"row": 6})
        assert journal.verify() is None

    use(database_url, first)
    use(database_url, second)


def test_pages_are_read_in_order(database_url: str) -> None:
    async def work(journal: SqlJournal, database: Database) -> None:
        for i in range(1234):
            journal.add(Record("a" if i % 2 else "b", i, str(i)))
        await journal.commit()
        assert [e.time_ns for e in journal.read()] == list(range(1234))
        assert [e.time_ns for e in journal.read({"a"}, 500)] == list(range(501, 1234, 2))
        assert journal.verify() is None

    use(database_url, work)


def test_nothing_is_written_for_nothing(database_url: str) -> None:
    async def work(journal: SqlJournal, database: Database) -> None:
        await journal.commit()
        assert await journal.last_state() is None
        await journal.commit(lambda: {})
        assert await journal.last_state() == {}
        assert journal.last_seq == 0

    use(database_url, work)


def test_lines_can_be_neither_changed_nor_removed(database_url: str) -> None:
    write(database_url, 2)
    database = open_database(database_url)
    statements = ["UPDATE journal SET body = '{}'", "DELETE FROM journal WHERE seq = 1"]
    if database.is_postgres:
        statements.append("TRUNCATE journal")
    for statement in statements:
        with pytest.raises(Exception, match="the journal is append-only"):
            sql(database, statement)
    assert SqlJournal(database).verify() is None
    database.close()


def test_a_commit_that_fails_writes_nothing_and_goes_with_the_next(database_url: str) -> None:
    async def work(journal: SqlJournal, database: Database) -> None:
        journal.add(Record("a", 1, "1"))
        await journal.commit(lambda: {"n": 1})
        sql(database, "ALTER TABLE state RENAME TO hidden")
        for n in (2, 3):
            journal.add(Record("a", n, str(n)))
            with pytest.raises(StoreUnavailable, match="state"):
                await journal.commit(lambda n=n: {"n": n})
        assert [e.time_ns for e in journal.read()] == [1]
        sql(database, "ALTER TABLE hidden RENAME TO state")
        assert await journal.last_state() == {"n": 1}
        journal.add(Record("a", 4, "4"))
        await journal.commit(lambda: {"n": 4})
        assert [(e.seq, e.time_ns) for e in journal.read()] == [(1, 1), (2, 2), (3, 3), (4, 4)]
        assert await journal.last_state() == {"n": 4}
        assert journal.verify() is None

    use(database_url, work)


def test_a_commit_whose_answer_was_lost_is_found_out(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(journal: SqlJournal, database: Database) -> None:
        journal.add(Record("a", 1, "1"))
        written = journal._written

        def lost(head: Any) -> None:
            raise StoreUnavailable("the line went dead after it was committed")

        monkeypatch.setattr(journal, "_written", lost)
        with pytest.raises(StoreUnavailable, match="dead"):
            await journal.commit(lambda: {"n": 1})
        monkeypatch.setattr(journal, "_written", written)
        journal.add(Record("a", 2, "2"))
        await journal.commit(lambda: {"n": 2})
        assert [(e.seq, e.time_ns) for e in journal.read()] == [(1, 1), (2, 2)]
        assert journal.verify() is None

    use(database_url, work)


def test_two_writers_do_not_mix(database_url: str) -> None:
    async def work(journal: SqlJournal, database: Database) -> None:
        other = SqlJournal(database)
        other.add(Record("b", 1, "1"))
        await other.commit()
        journal.add(Record("a", 1, "1"))
        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="another program has written it"):
                await journal.commit(lambda: {"n": 1})
        assert [e.kind for e in journal.read()] == ["b"]
        assert journal.verify() is None

    use(database_url, work)


def test_commits_that_overlap_keep_their_order(database_url: str) -> None:
    async def work(journal: SqlJournal, database: Database) -> None:
        async def one(n: int) -> None:
            journal.add(Record("a", n, str(n)))
            await journal.commit(lambda: {"n": n})

        await asyncio.gather(*(one(n) for n in range(50)))
        assert [e.time_ns for e in journal.read()] == list(range(50))
        assert await journal.last_state() == {"n": 49}
        assert journal.verify() is None

    use(database_url, work)


def test_a_state_that_was_changed_is_refused(database_url: str) -> None:
    async def read(journal: SqlJournal, database: Database) -> Mapping[str, Any] | None:
        return await journal.last_state()

    write(database_url, 1)
    database = open_database(database_url)
    sql(database, "UPDATE state SET body = '{\"row\":2}'")
    database.close()
    with pytest.raises(DamagedArtifact, match="state is not what was written"):
        use(database_url, read)
    database = open_database(database_url)
    sql(database, "UPDATE state SET version = 9")
    database.close()
    with pytest.raises(RefusedArtifact, match="version 9"):
        use(database_url, read)


def test_wrong_records_are_refused_before_they_are_kept(database_url: str) -> None:
    async def work(journal: SqlJournal, database: Database) -> None:
        for record, word in (
            (Record("a", 1, "1", {"x": object()}), "nothing knows how to write"),
            (Record("a", 1, "1", {"$float": 1}), "begin with"),
            (Record("a b", 1, "1"), "kind"),
            (Record("a" * 25, 1, "1"), "kind"),
            (Record("a", 1, "\0"), "key"),
        ):
            with pytest.raises((TypeError, ValueError), match=word):
                journal.add(record)
        journal.add(Record("a", 1, "1"))
        await journal.commit()
        assert [e.seq for e in journal.read()] == [1]

    use(database_url, work)


def test_an_export_holds_every_line(database_url: str, tmp_path: Path) -> None:
    write(database_url, 3)

    async def work(journal: SqlJournal, database: Database) -> None:
        assert journal.export_jsonl(tmp_path / "out.jsonl") == 3
        with pytest.raises(FixInput, match="cannot be written"):
            journal.export_jsonl(tmp_path / "none" / "out.jsonl")

    use(database_url, work)
    lines = [json.loads(x) for x in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(x["seq"], x["kind"], x["key"]) for x in lines] == [
        (i, "decision", f"demo:BTCUSDT:{i}") for i in (1, 2, 3)
    ]
    assert decision_of(lines[2]["body"])[1].context == candidate(3)[1].context
    assert len({x["hash"] for x in lines}) == 3


@pytest.mark.parametrize("kind", ["sql", "memory"])
@pytest.mark.parametrize("made", [True, False])
def test_level_trades_keeps_what_was_traded_and_counts_the_rest(
    kind: str, made: bool, tmp_path: Path
) -> None:
    """``made``: every record is made, as where somebody observes; else only those wanted."""

    async def work() -> None:
        database = open_database(f"sqlite:///{tmp_path / 'j.db'}")
        memory = kind == "memory"
        journal = MemoryJournal("trades") if memory else SqlJournal(database, "trades")
        states = []

        def state() -> dict[str, int]:
            states.append(1)
            return {"n": len(states)}

        def tell(record: Record, why: str = "") -> None:
            if made or not journal.leaves_out(record.kind, record.time_ns, why):
                journal.add(record)

        view, sent = candidate(2, "A")
        blocked, unsent = replace(sent, qty_steps=0, reason="COOLDOWN"), replace(sent, qty_steps=0)
        for n in range(1, 1201):
            tell(closed(n, "A", "B"))
            tell(Record("signal", n, f"A:{n}"))
            if n == 2:
                tell(decided(view, sent))
                tell(Record("order", n, "c1"))
                tell(skipped(sent, "LAPSED"))
            if n == 700:
                for decision, why in ((blocked, "COOLDOWN"), (unsent, "SKIP")):
                    name = f"{decision.decision_id}:{why}"
                    other = replace(decision, decision_id=name)
                    tell(decided(view, other), why)
                    tell(skipped(other, why), why)
                tell(ended(("A", 2), ("B", 2)))
                tell(learnt(resolved(sent)))
                tell(learnt(resolved(sent)))
            await journal.commit(state)
        await journal.close()
        found = list(journal.read())
        kinds = ["decision", "skip", "tally", "tally", "tally"]
        assert [e.kind for e in found] == kinds
        assert decision_of(found[0].body)[1].context == sent.context
        assert found[1].key == sent.decision_id
        first, second, third = (dict(e.body) for e in found[2:])
        nothing = {"closes": 500, "candidates": 0, "sent": 0, "not_sent": {}, "resolved": 0,
                   "orders": 0, "labels": 0, "signals": 500, "regimes": 0,
                   "learning_steps": 0}  # fmt: skip
        assert first == {**nothing, "candidates": 1, "sent": 1, "orders": 1}
        assert second == {
            **nothing, "candidates": 2, "not_sent": {"COOLDOWN": 1, "SKIP": 1}, "resolved": 2,
            "labels": 1,
        }  # fmt: skip
        assert third == {**nothing, "closes": 200, "signals": 200}
        assert [(e.time_ns, e.key) for e in found[2:]] == [(t, str(t)) for t in (500, 1000, 1200)]
        assert len(states) == (2 if memory else 3)
        assert await journal.last_state() == {"n": len(states)}
        database.close()

    run(work())


def test_level_full_leaves_nothing_out() -> None:
    journal = MemoryJournal()
    for kind in ("bar", "signal", "decision", "skip", "resolved", "order", "labels"):
        assert not journal.leaves_out(kind, 1, "SKIP")
    run(journal.commit())
    run(journal.close())
    assert list(journal.read()) == []


def test_level_trades_tells_a_failure_and_loses_nothing(tmp_path: Path) -> None:
    async def work(journal: SqlJournal, database: Database) -> None:
        sql(database, "ALTER TABLE state RENAME TO hidden")

        async def many(first: int) -> None:
            for n in range(first, first + 1000):
                journal.add(closed(n))
                journal.add(Record("trade", n, str(n)))
                await journal.commit(lambda: {})

        with pytest.raises(StoreUnavailable, match="state"):
            await many(0)
        with pytest.raises(StoreUnavailable, match="state"):
            await journal.close()
        sql(database, "ALTER TABLE hidden RENAME TO state")
        await journal.close()
        found = [e.time_ns for e in journal.read({"trade"})]
        assert found == list(range(len(found)))
        assert len(found) >= 1000
        assert sum(e.body["closes"] for e in journal.read({"tally"})) == len(found)
        assert journal.verify() is None

    use(f"sqlite:///{tmp_path / 'j.db'}", work, Level.TRADES)


def test_inline_nothing_suspends() -> None:
    database = open_database("sqlite://", threaded=False)
    journal = SqlJournal(database)
    journal.add(decided(*candidate(1)))
    work = journal.commit(lambda: {"n": 1})
    with pytest.raises(StopIteration):
        work.send(None)
    assert [e.seq for e in journal.read()] == [1]


def test_a_resolved_decision_that_is_not_the_written_one_is_written_whole() -> None:
    journal = MemoryJournal()
    view, decision = candidate(1)
    journal.add(decided(view, decision))
    other = resolved(candidate(1)[1])
    journal.add(learnt(resolved(decision)))
    journal.add(learnt(other))
    run(journal.commit())
    named, whole = (e.body["resolved"]["decision"] for e in journal.read({"resolved"}))
    assert named == decision.decision_id
    assert whole["decision_id"] == decision.decision_id
    back = resolved_of({"resolved": list(journal.read())[2].body["resolved"]}, lambda name: 1 / 0)
    assert back.decision.propensities is not None
    assert back.alternatives == other.alternatives


def test_a_decision_unlike_its_view_is_written_whole() -> None:
    journal = MemoryJournal()
    view, decision = candidate(1)[0], candidate(2)[1]
    journal.add(decided(view, decision))
    run(journal.commit())
    (entry,) = journal.read()
    back = decision_of(entry.body)
    assert back[0].context == view.context
    assert back[1].context == decision.context
    assert back[1].decision_id == decision.decision_id
