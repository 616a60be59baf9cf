"""``python -m runtime journal``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runtime.cli import main
from runtime.store.database import open_database
from tests.unit.runtime.journal.scenes import write


def test_a_sound_journal_is_verified(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(database_url, 4)
    assert main(["journal", "verify", "--state", database_url]) == 0
    assert "4 lines, the chain holds" in capsys.readouterr().out


def test_a_bad_line_is_named(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(database_url, 4)
    database = open_database(database_url)
    guards = "ALTER TABLE journal DISABLE TRIGGER ALL"
    if not database.is_postgres:
        guards = "DROP TRIGGER journal_no_update"
    for statement in (guards, "UPDATE journal SET time_ns = 0 WHERE seq = 2"):
        database.run_now(lambda db, statement=statement: db.exec_driver_sql(statement))
    database.close()
    assert main(["journal", "verify", "--state", database_url]) == 1
    assert "line 2: it is not what was written there" in capsys.readouterr().out


def test_a_journal_is_exported(database_url: str, tmp_path: Path) -> None:
    write(database_url, 3)
    file = tmp_path / "out.jsonl"
    assert main(["journal", "export", "--state", database_url, "--to", str(file)]) == 0
    assert [json.loads(line)["seq"] for line in file.read_text().splitlines()] == [1, 2, 3]


def test_the_last_lines_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(f"sqlite:///{tmp_path / 'journal.db'}", 30)
    state = ["journal", "show", "--state", str(tmp_path)]
    assert main(state) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [str(i) for i in range(11, 31)]
    assert all(len(line) < 200 for line in lines)
    assert main([*state, "--key", "BTCUSDT:7", "--kind", "decision", "--full"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("7 1970-01-01 00:00:00 decision demo:BTCUSDT:7 {")
    assert json.loads(line.partition("{")[1] + line.partition("{")[2])["view"]["row"] == 7
    assert main([*state, "--kind", "bar"]) == 0
    assert main([*state, "--key", "%"]) == 0
    assert capsys.readouterr().out == ""


def test_wrong_input_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["journal", "verify", "--state", str(tmp_path)]) == 2
    assert "there is none" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    write(f"sqlite:///{tmp_path / 'journal.db'}", 1)
    assert main(["journal", "show", "--state", str(tmp_path), "--last", "0"]) == 2
    assert main(["journal", "verify", "--state", "postgresql://u:pw@127.0.0.1:1/x"]) == 3
    assert "pw@" not in capsys.readouterr().err


def test_a_journal_written_anew_is_found_by_an_earlier_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(f"sqlite:///{tmp_path / 'journal.db'}", 3)
    file = tmp_path / "out.jsonl"
    verify = ["journal", "verify", "--state", str(tmp_path), "--against", str(file)]
    assert main(verify) == 2
    assert main(["journal", "export", "--state", str(tmp_path), "--to", str(file)]) == 0
    write(f"sqlite:///{tmp_path / 'journal.db'}", 2, first=4)
    assert main(verify) == 0
    for left in tmp_path.glob("journal.db*"):
        left.unlink()
    write(f"sqlite:///{tmp_path / 'journal.db'}", 5, first=2)
    assert main(["journal", "verify", "--state", str(tmp_path)]) == 0
    capsys.readouterr()
    assert main(verify) == 1
    assert "line 3: it is not the line of the export" in capsys.readouterr().out
    for text in ("", "[]\n", "no json\n"):
        file.write_text(text)
        assert main(verify) == 2
        assert "no line of a journal's export" in capsys.readouterr().err
