"""A real PostgreSQL of the tests' own: made in a temporary folder, on a socket, thrown away."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

_PLACES = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql*/bin")
_WAIT_S = 90.0


def binaries() -> Path | None:
    """Folder with ``postgres`` and ``initdb``; None where there is no server."""
    named = shutil.which("postgres")
    folders = [Path(named).resolve().parent] if named else []
    folders += [found for pattern in _PLACES for found in sorted(Path("/").glob(pattern))]
    for folder in folders:
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    return None


class PostgresServer:
    """One server; ``fresh_url`` makes a new empty database."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self._bin, self._durable = folder, durable
        self._home = Path(tempfile.mkdtemp(prefix="qt-pg-"))
        self._numbers = itertools.count(1)
        self._server: subprocess.Popen[bytes] | None = None
        # The server refuses to run as root.
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:
            names = {entry.pw_name for entry in pwd.getpwall()}
            entry = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
            os.chown(self._home, entry.pw_uid, entry.pw_gid)
            self._user = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        self._call("initdb", "-D", "data", "-U", "qt", "--auth=trust", "-E", "UTF8", "--no-sync")

    def start(self) -> None:
        """Start it and wait until it answers."""
        fsync = "on" if self._durable else "off"
        settings = ("listen_addresses=", f"fsync={fsync}", "shared_buffers=16MB")
        options = [item for setting in settings for item in ("-c", setting)]
        log = (self._home / "log").open("ab")
        self._server = subprocess.Popen(
            [str(self._bin / "postgres"), "-D", "data", "-k", str(self._home), *options],
            cwd=self._home, stdout=log, stderr=log, **self._user,
        )  # fmt: skip
        until = time.monotonic() + _WAIT_S
        while True:
            try:
                self.execute("SELECT 1")
                return
            except psycopg.OperationalError:
                if time.monotonic() > until or self._server.poll() is not None:
                    raise
                time.sleep(0.05)

    def stop(self) -> None:
        """Stop it at once, as a crash would; ``start`` again brings it back."""
        if self._server is not None:
            self._server.send_signal(3)
            self._server.wait(_WAIT_S)
            self._server = None

    def close(self) -> None:
        """Stop it and remove its files."""
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    def fresh_url(self) -> str:
        """URL of a new empty database."""
        name = f"t{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return f"postgresql://qt@/{name}?host={self._home}"

    def execute(self, statement: str) -> None:
        """Run one statement as the server's owner."""
        with psycopg.connect(
            f"host={self._home} user=qt dbname=postgres", autocommit=True
        ) as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def _call(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._bin / program), *arguments], cwd=self._home, check=True,
            capture_output=True, timeout=120, **self._user,
        )  # fmt: skip
