"""``python -m runtime journal``: check, export and read the journal of a trader."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from envs.core.errors import FixInput, QuantumTraderError
from runtime.settings_cli import EXIT_FIX_INPUT

if TYPE_CHECKING:
    from runtime.journal.chain import Line
    from runtime.store.database import Database

HELP = "the journal: verify its chain, export it, show its last lines"
EXIT_BROKEN = 1
EXIT_UNAVAILABLE = 3
_WORDS = {
    "verify": "walk the whole chain of hashes; exit code 1 and the first bad line if it breaks",
    "export": "write every line, with its hash, as a line of JSON",
    "show": "print the last lines, newest last",
}
_NS = 1_000_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one command each for what can be done."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for word, text in _WORDS.items():
        sub = commands.add_parser(word, help=text, description=text)
        sub.add_argument(
            "--state", metavar="DIR|URL", required=True,
            help="state folder of the trader, or the URL of its journal (for a folder, "
            "QT_DATABASE_URL counts as for the trader)",
        )  # fmt: skip
        if word == "verify":
            sub.add_argument(
                "--against", metavar="FILE",
                help="an earlier export: its last line must still be in the journal, unchanged; "
                "only this finds a chain that was wholly computed anew",
            )  # fmt: skip
        if word == "export":
            sub.add_argument("--to", metavar="FILE", required=True, help="file to be written")
        if word == "show":
            sub.add_argument("--kind", metavar="KIND", action="append", help="only this kind")
            sub.add_argument("--key", metavar="TEXT", help="only keys that hold this text")
            sub.add_argument("--last", metavar="N", type=int, default=20, help="[default 20]")
            sub.add_argument("--full", action="store_true", help="whole bodies")
    parser.epilog = (
        "Only reads, also beside a running trader. Exit code: 0 done, 1 the chain is broken, "
        "2 wrong input, 3 the journal cannot be read."
    )


def main(args: argparse.Namespace) -> int:
    """Run one action."""
    from runtime.store.addresses import database_url
    from runtime.wiring.keys import secret_of

    try:
        url = database_url(args.state, secret_of("QT_DATABASE_URL", os.environ))
        with _opened(url) as database:
            if args.action == "verify":
                return _verify(database, args.against)
            if args.action == "export":
                return _export(database, Path(args.to))
            return _show(database, args)
    except FixInput as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_FIX_INPUT
    except QuantumTraderError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_UNAVAILABLE


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    from runtime.store.database import open_database

    database = open_database(url, create=False, writable=False, threaded=False)
    try:
        yield database
    finally:
        database.close()


def _verify(database: Database, against: str | None) -> int:
    from runtime.journal import rows
    from runtime.journal.entries import last_exported

    exported = None if against is None else last_exported(Path(against))
    fault = rows.verify(database)
    if fault is None and exported is not None:
        fault = database.run_now(lambda db: rows.against(db, exported))
    if fault is not None:
        sys.stdout.write(f"journal {database.name}: line {fault.seq}: {fault.problem}\n")
        return EXIT_BROKEN
    end = database.run_now(rows.head)
    database.run_now(lambda db: rows.state_text(db, database.name))
    sys.stdout.write(f"journal {database.name}: {end.seq} lines, the chain holds: {end.hash}\n")
    return 0


def _export(database: Database, path: Path) -> int:
    from runtime.journal import rows
    from runtime.journal.entries import export_lines

    count = export_lines(rows.lines(database), path)
    sys.stdout.write(f"{count} lines are in {path}\n")
    return 0


def _show(database: Database, args: argparse.Namespace) -> int:
    from runtime.journal import rows

    if args.last < 1:
        raise FixInput(f"--last {args.last}: 1 or more")
    found = database.run_now(lambda db: rows.last(db, args.kind, args.key or "", args.last))
    for line in found:
        sys.stdout.write(_row_text(line, args.full) + "\n")
    return 0


def _row_text(line: Line, full: bool) -> str:
    moment = datetime.fromtimestamp(line.time_ns // _NS, UTC).strftime("%Y-%m-%d %H:%M:%S")
    body = line.body if full or len(line.body) <= 120 else f"{line.body[:117]}..."
    return f"{line.seq} {moment} {line.kind} {line.key} {body}"
