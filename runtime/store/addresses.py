"""Where the database of a journal is: URLs of SQLite and PostgreSQL."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from envs.core.errors import FixSettings

FILE_NAME = "journal.db"
_MEMORY = (None, "", ":memory:")
_WANTED = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"


def database_url(state: str | Path, configured: str = "") -> str:
    """URL for ``--state DIR|URL`` and QT_DATABASE_URL (``configured``, empty where not set).

    A URL given as state wins, then the setting, then ``DIR/journal.db``.
    """
    if "://" in str(state):
        return str(state)
    return configured or f"sqlite:///{Path(state) / FILE_NAME}"


def parsed_url(url: str) -> URL:
    """Address with the driver that is used.

    Raises:
        FixSettings: Not a URL, another kind of database, or its driver is not installed.
    """
    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError):
        # Not told further: the text may hold a password.
        raise FixSettings(f"QT_DATABASE_URL: not the URL of a database; use {_WANTED}") from None
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        return parsed.set(drivername="sqlite")
    if kind not in ("postgresql", "postgres"):
        raise FixSettings(f"QT_DATABASE_URL: {kind} is not supported; use {_WANTED}")
    if importlib.util.find_spec("psycopg") is None:
        raise FixSettings(
            "QT_DATABASE_URL: PostgreSQL needs the package psycopg: "
            "pip install 'quantum-trader[postgres]'"
        )
    return parsed.set(drivername="postgresql+psycopg")


def shown(url: URL) -> str:
    """The address without its password, and without options, which may hold one."""
    return url.set(query={}).render_as_string(hide_password=True)


def shown_text(url: str) -> str:
    """The same of a text; of one that is no such URL only its begin."""
    try:
        parsed = make_url(url)
    except (SQLAlchemyError, ValueError):
        return f"{url.partition('://')[0]}://***"
    return shown(parsed) + ("?***" if parsed.query else "")


def file_of(url: URL) -> Path | None:
    """File of an SQLite database; None in memory and on a server."""
    if url.get_backend_name() != "sqlite" or url.database in _MEMORY:
        return None
    return Path(str(url.database)).resolve()
