"""Fixtures every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.postgres_server import PostgresServer

ROOT = Path(__file__).resolve().parent.parent

# The same examples on every machine: a failure found once is found again.
settings.register_profile("project", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("project")


@pytest.fixture(scope="session")
def root() -> Path:
    """Root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def real_data_dir() -> Path:
    """Folder of real bars, laid out as README "Real data" says; skips where there is none."""
    given = os.environ.get("QT_REAL_DATA")
    folder = Path(given) if given else ROOT.parent / "shared" / "data"
    if not (folder / "perp").is_dir():
        if given:
            pytest.fail(f"QT_REAL_DATA={given} holds no folder perp/")
        pytest.skip("no real bars: set QT_REAL_DATA to a folder with perp/BTCUSDT-1h.parquet ...")
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server of the tests' own; skips where none is installed."""
    pytest.importorskip("psycopg", reason="no psycopg: pip install -e '.[postgres]'")
    from tests.postgres_server import PostgresServer, binaries

    folder = binaries()
    if folder is None:
        pytest.skip("no PostgreSQL server: install postgresql, or put postgres and initdb in PATH")
    server = PostgresServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a new database, once in a file and once on a server."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'journal.db'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.fresh_url()
