"""Opening, refusing and migrating the database of a journal."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, create_engine, insert, inspect, select, text

from envs.core.errors import DamagedArtifact, FixSettings, RefusedArtifact
from runtime.port_errors import StoreUnavailable
from runtime.port_values import Intent
from runtime.store.addresses import database_url as url_of
from runtime.store.database import Database, open_database
from runtime.store.sql_store import SqlStore
from runtime.store.tables import METADATA, SCHEMA_VERSION, about, fills
from tests.unit.runtime.store import version_1
from tests.unit.runtime.store.values import ENTRY, FILL, VIEW

if TYPE_CHECKING:
    from tests.postgres_server import PostgresServer


def layout(database: Database) -> dict[str, object]:
    """Everything about the tables that statements depend on."""

    def read(db: Connection) -> dict[str, object]:
        seen = inspect(db)
        found: dict[str, object] = {}
        for table in sorted(seen.get_table_names()):
            columns = [(c["name"], str(c["type"]), c["nullable"]) for c in seen.get_columns(table)]
            keys = seen.get_pk_constraint(table)["constrained_columns"]
            indexes = sorted((i["name"], tuple(i["column_names"])) for i in seen.get_indexes(table))
            found[table] = (columns, keys, indexes)
        triggers = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"
        if not database.is_postgres:
            triggers = "SELECT sql FROM sqlite_master WHERE type = 'trigger' ORDER BY 1"
        found["triggers"] = list(db.execute(text(triggers)).scalars())
        return found

    return database.run_now(read)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def made(file: Path) -> Iterator[Path]:
    """A journal on disk that nobody has open."""
    open_database(f"sqlite:///{file}").close()
    return file


def test_an_older_database_is_brought_up_to_date_and_keeps_its_rows(
    database_url: str, tmp_path: Path
) -> None:
    version_1.make(database_url)
    with pytest.raises(RefusedArtifact, match="version 1 is older"):
        open_database(database_url, writable=False)
    database = open_database(database_url)
    query = select(about.c.value).where(about.c.name == "schema")
    assert database.run_now(lambda db: db.execute(query).scalar()) == str(SCHEMA_VERSION)
    migrated = layout(database)

    async def look() -> None:
        store = SqlStore(database)
        assert await store.open_intents() == (Intent(ENTRY, 5),)
        assert await store.open_orders() == (VIEW,)
        assert await store.fills("BTCUSDT") == (FILL,)
        assert await store.confirmed_trade_id("BTCUSDT") == 2

    asyncio.run(look())
    tables = list(METADATA.tables)
    database.run_now(lambda db: METADATA.drop_all(db, tables=list(METADATA.tables.values())))
    if database.is_postgres:
        database.run_now(lambda db: db.execute(text("DROP FUNCTION journal_is_append_only()")))
    database.close()
    fresh = open_database(database_url)
    assert layout(fresh) == migrated
    assert set(tables) < set(migrated)
    assert migrated["triggers"]
    fresh.close()


def test_a_migration_that_fails_leaves_the_older_database_as_it_was(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    version_1.make(database_url)

    def fails(db: Connection) -> None:
        METADATA.create_all(db)
        raise RuntimeError("killed in the middle")

    with monkeypatch.context() as patch:
        patch.setattr("runtime.store.schema.MIGRATIONS", {1: fails})
        with pytest.raises(RuntimeError, match="in the middle"):
            open_database(database_url)
    engine = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    assert set(inspect(engine).get_table_names()) == set(version_1.METADATA.tables)
    engine.dispose()
    open_database(database_url).close()


def test_a_newer_database_is_refused_and_left_alone(database_url: str) -> None:
    database = open_database(database_url)
    database.run_now(lambda db: db.execute(text("UPDATE about SET value='99' WHERE name='schema'")))
    database.close()
    for writable in (True, False):
        with pytest.raises(RefusedArtifact, match=r"version 99 is newer than .* use the program"):
            open_database(database_url, writable=writable)


def test_a_database_of_another_program_is_refused_and_left_alone(database_url: str) -> None:
    engine = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as db:
        db.execute(text("CREATE TABLE customers (name TEXT)"))
    with pytest.raises(RefusedArtifact, match=r"customers.*another program.*QT_DATABASE_URL"):
        open_database(database_url)
    assert inspect(engine).get_table_names() == ["customers"]
    with engine.begin() as db:
        db.execute(text("CREATE TABLE about (version INTEGER)"))
    with pytest.raises(RefusedArtifact, match="another program"):
        open_database(database_url)
    engine.dispose()


def test_none_is_made_where_none_is_wanted(tmp_path: Path, database_url: str) -> None:
    for options in ({"create": False}, {"writable": False}):
        with pytest.raises(RefusedArtifact, match="there is none; start a run first"):
            open_database(database_url, **options)
    assert list(tmp_path.iterdir()) == []


def test_two_that_start_at_once_make_one_database(database_url: str) -> None:
    code = "import sys; from runtime.store.database import open_database as o; o(sys.argv[1])"
    started = [subprocess.Popen([sys.executable, "-c", code, database_url]) for _ in range(3)]
    assert [process.wait(60) for process in started] == [0, 0, 0]


def test_wrong_urls_are_refused_without_telling_a_password() -> None:
    for url in ("nonsense", "postgresql//u:hunter2@h/d", "://hunter2", "mysql://u:hunter2@h/d"):
        with pytest.raises(FixSettings, match=r"QT_DATABASE_URL.*use sqlite:///FILE") as caught:
            open_database(url)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:hunter2@127.0.0.1:1/none",
        "postgresql://127.0.0.1:1/none?user=u&password=hunter2",
    ],
)
def test_a_server_that_does_not_answer_is_named_without_its_password(url: str) -> None:
    with pytest.raises(StoreUnavailable, match=r"127.0.0.1:1/none.*start it, or mend") as caught:
        open_database(url)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(caught.value.__cause__)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FixSettings, match="psycopg"):
        open_database("postgresql://u@h/d")


def test_the_address_of_a_state() -> None:
    assert url_of("runs/a") == "sqlite:///runs/a/journal.db"
    assert url_of("runs/a", "postgresql://h/d") == "postgresql://h/d"
    assert url_of("sqlite:///x.db", "postgresql://h/d") == "sqlite:///x.db"


def test_a_locked_file_says_who_must_stop(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.store.engines._BUSY_MS", 50)
    other = sqlite3.connect(made, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked; another program is writing it"):
        open_database(f"sqlite:///{made}")
    other.execute("ROLLBACK")
    database = open_database(f"sqlite:///{made}")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked; another program is writing it"):
        database.run_now(lambda db: db.execute(text("DELETE FROM about")))
    other.execute("ROLLBACK")
    assert database.run_now(lambda db: db.execute(text("SELECT count(*) FROM about")).scalar()) == 2
    database.close()
    other.close()


def test_no_folder_and_no_database_say_so(tmp_path: Path, file: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"unable to open.*make its folder"):
        open_database(f"sqlite:///{tmp_path / 'none' / 'x.db'}")
    file.write_text("this is no database, but long enough to be read as one")
    with pytest.raises(DamagedArtifact, match=r"not a database.*restore it"):
        open_database(f"sqlite:///{file}")
    assert file.read_text().startswith("this is no database")


def filled(file: Path) -> None:
    database = open_database(f"sqlite:///{file}")
    rows = [vars(FILL) | {"trade_id": i} for i in range(300)]
    database.run_now(lambda db: db.execute(insert(fills), rows))
    database.close()


def test_flipped_bytes_of_a_page_are_found_when_it_is_opened(file: Path) -> None:
    filled(file)
    data = bytearray(file.read_bytes())
    assert len(data) > 12 * 4096
    for page in range(2, len(data) // 4096):
        # The head of a page: its kind and how many cells it has.
        data[page * 4096 : page * 4096 + 5] = b"\xff" * 5
    file.write_bytes(data)
    with pytest.raises(DamagedArtifact, match="restore it from a backup"):
        open_database(f"sqlite:///{file}")


def test_a_truncated_file_is_found_when_it_is_opened(file: Path) -> None:
    filled(file)
    size = file.stat().st_size
    with file.open("rb+") as stream:
        stream.truncate(size // 2 // 4096 * 4096)
    with pytest.raises(DamagedArtifact, match="restore it from a backup"):
        open_database(f"sqlite:///{file}")


def test_a_full_disk_writes_nothing_and_goes_on_when_there_is_space(file: Path) -> None:
    database = open_database(f"sqlite:///{file}")
    pages = database.run_now(lambda db: db.execute(text("PRAGMA page_count")).scalar())
    database.run_now(lambda db: db.execute(text(f"PRAGMA max_page_count={pages}")))

    async def work() -> None:
        store = SqlStore(database)

        async def add_many() -> None:
            for i in range(1000):
                await store.add_fill(replace(FILL, trade_id=i))

        with pytest.raises(StoreUnavailable, match="full; free space"):
            await add_many()
        before = len(await store.fills("BTCUSDT", -1))
        database.run_now(lambda db: db.execute(text("PRAGMA max_page_count=100000")))
        assert await store.add_fill(replace(FILL, trade_id=10**6))
        assert len(await store.fills("BTCUSDT", -1)) == before + 1

    asyncio.run(work())
    database.close()


def test_a_file_that_may_not_grow_is_named(made: Path, tmp_path: Path) -> None:
    code = (
        "import asyncio, resource, signal, sys\n"
        "from runtime.port_errors import StoreUnavailable\n"
        "from runtime.store.sql_store import SqlStore\n"
        "from runtime.port_values import Fill\n"
        "async def main():\n"
        "    store = SqlStore(sys.argv[1])\n"
        "    await store.open()\n"
        "    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))\n"
        "    try:\n"
        "        for i in range(2000):\n"
        "            await store.add_fill(Fill(i, 1, 'A', 1, 1, 1, 1, 1, 'U', 1, True, 1))\n"
        "    except StoreUnavailable as error:\n"
        "        print(i, error)\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, f"sqlite:///{made}"],
        timeout=60, check=True, capture_output=True, text=True,
    )  # fmt: skip
    told, _, message = ended.stdout.partition(" ")
    assert "full" in message

    async def count() -> int:
        store = SqlStore(f"sqlite:///{made}")
        await store.open()
        found = await store.fills("A", -1)
        await store.close()
        return len(found)

    assert asyncio.run(count()) == int(told)


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="runs as root")
def test_a_file_that_may_not_be_written_is_named(made: Path) -> None:
    code = (
        "import sys\n"
        "from runtime.port_errors import StoreUnavailable\n"
        "from runtime.store.database import open_database\n"
        "try:\n"
        "    open_database(sys.argv[1])\n"
        "except StoreUnavailable as error:\n"
        "    print(error)\n"
    )
    made.chmod(0o444)
    made.parent.chmod(0o555)
    # Root may write everything: without its capabilities it is a user as any other.
    as_user = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"]
    try:
        ended = subprocess.run(
            [*(as_user if os.geteuid() == 0 else ()), sys.executable, "-c", code, f"sqlite:///{made}"],
            timeout=60, capture_output=True, text=True, check=True,
        )  # fmt: skip
    finally:
        made.parent.chmod(0o755)
    assert "make the file and its folder writable" in ended.stdout


def test_a_reader_reads_beside_a_writer_and_writes_nothing(database_url: str) -> None:
    writer = open_database(database_url)
    reader = open_database(database_url, writable=False)
    writer.run_now(lambda db: db.execute(text("INSERT INTO about VALUES ('a', 'b')")))
    found = reader.run_now(lambda db: db.execute(text("SELECT count(*) FROM about")).scalar())
    assert found == 3
    with pytest.raises(StoreUnavailable, match=r"read-?only"):
        reader.run_now(lambda db: db.execute(text("DELETE FROM about")))
    reader.close()
    writer.close()
    with pytest.raises(StoreUnavailable, match="not open"):
        writer.run_now(lambda db: None)


def test_a_database_that_is_not_there_is_named(postgres_server: PostgresServer) -> None:
    url = postgres_server.fresh_url().replace("qt@/t", "qt@/none")
    with pytest.raises(StoreUnavailable, match=r"none.* does not exist; create that database"):
        open_database(url)
    with pytest.raises(StoreUnavailable, match="mend user and password"):
        open_database(url.replace("qt@/none", "nobody_known@/t"))


def test_a_database_that_is_only_read_has_the_same_name(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    open_database(url, threaded=False).close()
    reading = open_database(url, create=False, writable=False, threaded=False)
    assert (reading.name, reading.file) == (url, (tmp_path / "journal.db").resolve())
    reading.close()
