from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from envs.core.errors import DamagedArtifact, FixInput
from runtime.exchange.journal import Journal

HEADER = {"who": "test"}


def written(path: Path, n: int) -> list[dict[str, Any]]:
    async def work() -> list[dict[str, Any]]:
        journal = Journal(path, HEADER)
        for i in range(n):
            journal.append({"i": i})
        await journal.close()
        return list(journal.entries)

    return asyncio.run(work())


def read(path: Path) -> list[dict[str, Any]]:
    async def work() -> list[dict[str, Any]]:
        journal = Journal(path, HEADER)
        await journal.close()
        return journal.entries

    return asyncio.run(work())


def test_lines_come_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state.jsonl"
    written(path, 3)
    assert read(path) == [{"schema": 1, "who": "test"}, {"i": 0}, {"i": 1}, {"i": 2}]
    written(path, 1)
    assert [e.get("i") for e in read(path)] == [None, 0, 1, 2, 0]


def test_a_new_journal_is_not_resumed_and_an_old_one_is(tmp_path: Path) -> None:
    async def work() -> tuple[bool, bool]:
        first = Journal(tmp_path / "j", HEADER)
        await first.close()
        second = Journal(tmp_path / "j", {"who": "other"})
        await second.close()
        assert second.header["who"] == "test"
        return first.resumed, second.resumed

    assert asyncio.run(work()) == (False, True)


@pytest.mark.parametrize("cut", [1, 5, 12])
def test_a_torn_last_line_is_dropped_and_written_over(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "j"
    written(path, 3)
    raw = path.read_bytes()
    path.write_bytes(raw[:-cut])
    assert [e.get("i") for e in read(path)] == [None, 0, 1]
    written(path, 2)
    assert [e.get("i") for e in read(path)] == [None, 0, 1, 0, 1]


def test_a_journal_torn_in_its_header_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "j"
    written(path, 0)
    path.write_bytes(path.read_bytes()[:10])
    assert read(path) == [{"schema": 1, "who": "test"}]


@pytest.mark.parametrize("line", [1, 2, 4])
def test_a_changed_line_refuses_to_start(tmp_path: Path, line: int) -> None:
    path = tmp_path / "j"
    written(path, 3)
    lines = path.read_bytes().split(b"\n")
    lines[line - 1] = lines[line - 1].replace(b'":', b'" :', 1)
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(DamagedArtifact, match=f"line {line} is not what was written"):
        Journal(path, HEADER)


def test_a_line_taken_out_or_moved_refuses_to_start(tmp_path: Path) -> None:
    path = tmp_path / "j"
    written(path, 4)
    lines = path.read_bytes().split(b"\n")
    for kept in ([0, 1, 3, 4], [0, 2, 1, 3, 4]):
        path.write_bytes(b"\n".join(lines[i] for i in kept) + b"\n")
        with pytest.raises(DamagedArtifact, match=r"line [23] "):
            Journal(path, HEADER)


def test_another_schema_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "j"
    monkeypatch.setattr("runtime.exchange.journal.SCHEMA", 2)
    written(path, 0)
    monkeypatch.undo()
    with pytest.raises(DamagedArtifact, match="schema 2, this version reads 1"):
        Journal(path, HEADER)


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    async def work() -> None:
        journal = Journal(tmp_path / "j", HEADER)
        with pytest.raises(FixInput, match="another exchange has it open"):
            Journal(tmp_path / "j", HEADER)
        await journal.close()
        await Journal(tmp_path / "j", HEADER).close()

    asyncio.run(work())


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(FixInput, match=r"--state .* cannot be opened"):
        Journal(tmp_path, HEADER)


def test_many_writers_share_a_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[int] = []
    release = threading.Event()

    def slow(fd: int) -> None:
        syncs.append(fd)
        release.wait(5)
        os.fsync(fd)

    monkeypatch.setattr("runtime.exchange.journal._SYNC", slow)

    async def work() -> None:
        journal = Journal(tmp_path / "j", HEADER)
        tasks = [asyncio.create_task(journal.sync(journal.append({"i": 0})))]
        await asyncio.sleep(0.02)
        tasks += [asyncio.create_task(journal.sync(journal.append({"i": i}))) for i in range(1, 50)]
        await asyncio.sleep(0.02)
        assert not any(t.done() for t in tasks), "acknowledged before its line was on disk"
        release.set()
        await asyncio.gather(*tasks)
        assert journal.durable == 51
        await journal.close()

    asyncio.run(work())
    assert len(syncs) == 2


def test_a_failed_sync_fails_all_who_wait_and_all_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("runtime.exchange.journal._SYNC", broken)

    async def work() -> None:
        journal = Journal(tmp_path / "j", HEADER)
        first = asyncio.create_task(journal.sync(journal.append({"i": 0})))
        second = asyncio.create_task(journal.sync(journal.append({"i": 1})))
        with pytest.raises(OSError, match="No space"):
            await first
        with pytest.raises(OSError, match="No space"):
            await second
        with pytest.raises(OSError, match="No space"):
            await journal.sync(journal.append({"i": 2}))
        assert journal.durable == 1

    asyncio.run(work())


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    async def work() -> None:
        journal = Journal(tmp_path / "j", HEADER)
        with pytest.raises(ValueError, match="JSON"):
            journal.append({"x": float("nan")})
        await journal.close()

    asyncio.run(work())
