"""``python -m runtime ess``: look at the emergency stop, acknowledge, trip, halt and release it."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envs.core.errors import FixInput, QuantumTraderError
from envs.core.rules.limits import COOLING_DOWN, TRIPPED
from runtime.kernel_ports import Journal
from runtime.settings_cli import EXIT_FIX_INPUT
from runtime.subsystems.stop_gate import STATES
from runtime.subsystems.stop_requests import Ask, StopRequest
from runtime.subsystems.stop_state import StopState

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

HELP = "the emergency stop: status, acknowledge, trip, halt, release"
STATUS = "status"
EXIT_UNAVAILABLE = 3
_WORDS = {
    STATUS: "state, causes, cool-down and what was asked for",
    Ask.ACK: "acknowledge the stop, so that its cool-down may end (levels 2 and 3), or accept the "
    "venue's wallet where it differs",
    Ask.TRIP: "stop: --level 1 no new trades, 2 also cancel entries and tighten stops, 3 close all",
    Ask.HALT: "no new trades until released; exits and stops go on",
    Ask.RELEASE: "end a halt by hand; a stop goes on until its cool-down is over",
}


@dataclass(frozen=True)
class Seen:
    """What the state says: the stop as of the last commit, and requests it has not taken yet."""

    name: str
    stop: StopState
    waiting: tuple[StopRequest, ...]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add one command each for what can be done."""
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for word, text in _WORDS.items():
        sub = commands.add_parser(str(word), help=text, description=text)
        sub.add_argument(
            "--state", metavar="DIR|URL", required=True,
            help="state folder of the trader, or the URL of its journal (for a folder, "
            "QT_DATABASE_URL counts as for the trader)",
        )  # fmt: skip
        if word == STATUS:
            continue
        sub.add_argument("--by", metavar="NAME", required=True, help="who asks")
        sub.add_argument("--note", metavar="TEXT", required=True, help="why; kept in the journal")
        if word is Ask.TRIP:
            sub.add_argument("--level", type=int, default=1, help="1, 2 or 3 [default 1]")
    parser.epilog = (
        "A request is written beside the journal. A running trader carries it out within one "
        "monitor cycle (QT_MONITOR_S), another one at its next start. Exit code: 0 done, 2 wrong "
        "input, 3 the journal cannot be read or written."
    )


def main(args: argparse.Namespace) -> int:
    """Run one action."""
    from rich.console import Console

    console = Console(file=sys.stdout)
    try:
        url = journal_url(args.state, os.environ)
        if args.action == STATUS:
            show(look(url), console)
            return 0
        request = StopRequest(
            0, Ask(args.action), args.by, args.note, time.time_ns(), getattr(args, "level", 0)
        )
        number = ask(url, request)
        console.print(
            f"request {number} ({args.action}) is noted; a running trader carries it out within "
            "one monitor cycle, another one at its next start",
            soft_wrap=True,
        )
    except FixInput as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_FIX_INPUT
    except QuantumTraderError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_UNAVAILABLE
    return 0


def journal_url(state: str, environ: Mapping[str, str]) -> str:
    """URL of the journal that ``--state`` names, found as the trader finds it."""
    from runtime.store.addresses import database_url
    from runtime.wiring.keys import secret_of

    return database_url(state, secret_of("QT_DATABASE_URL", environ))


def ask(url: str, request: StopRequest) -> int:
    """Write a request down beside an existing journal; returns its number.

    Raises:
        FixInput: There is no journal, or it is no journal of this program.
        StoreUnavailable: It cannot be written.
    """
    from runtime.store.database import open_database
    from runtime.store.stop_requests import StopRequests

    database = open_database(url, create=False, threaded=False)
    try:
        return StopRequests(database).put(request)
    finally:
        database.close()


def look(url: str) -> Seen:
    """Read the stop's state of the last commit, and the requests after it; changes nothing.

    Raises:
        FixInput: There is no journal, or nothing of the stop in it.
        StoreUnavailable: It cannot be read.
    """
    from runtime.journal.sql_journal import SqlJournal
    from runtime.store.database import open_database
    from runtime.store.stop_requests import StopRequests

    database = open_database(url, create=False, writable=False, threaded=False)
    try:
        state = asyncio.run(_last_state(SqlJournal(database)))
        if "stop" not in state:
            raise FixInput(
                f"journal {database.name}: holds no state of the emergency stop yet; the trader "
                "writes it at its start"
            )
        stop = StopState.from_json(state["stop"])
        waiting = StopRequests(database).after_now(max(stop.obeyed, 0))
        return Seen(database.name, stop, waiting)
    finally:
        database.close()


async def _last_state(journal: Journal) -> Mapping[str, Any]:
    return await journal.last_state() or {}


def show(seen: Seen, console: Console) -> None:
    """Print the state, its causes, and what waits."""
    from rich.table import Table

    console.print(_overview(seen))
    if len(seen.stop.causes):
        causes = Table("cause", "level", "since", "lasts", "detail", title="Causes")
        for cause in seen.stop.causes:
            lasts = "yes" if cause.standing else "no"
            causes.add_row(
                cause.name, str(cause.level), moment(cause.since_ns), lasts, _plain(cause.detail)
            )
        console.print(causes)
    if seen.waiting:
        waiting = Table("request", "asks for", "by", "note", "asked at", title="Not taken yet")
        for r in seen.waiting:
            what = f"{r.ask.value} level {r.level}" if r.ask is Ask.TRIP else r.ask.value
            waiting.add_row(str(r.number), what, _plain(r.by), _plain(r.note), moment(r.asked_ns))
        console.print(waiting)


def _overview(seen: Seen) -> Table:
    from rich.table import Table

    stop, table = seen.stop, Table("", "", title="Emergency stop", show_header=False)
    ess = stop.ess
    table.add_row("journal", _plain(seen.name))
    table.add_row("market time of the last commit", moment(stop.now_ns))
    table.add_row("state", f"{STATES[ess.state]}{f', level {ess.level}' if ess.level else ''}")
    table.add_row("since", moment(ess.since_ns))
    entries = ess.state not in (TRIPPED, COOLING_DOWN) and stop.halted is None
    table.add_row("entries", "allowed" if entries else "blocked")
    if ess.state == COOLING_DOWN:
        left = max(0, stop.release_ns - stop.now_ns) // 1_000_000_000
        end = f"until {moment(stop.release_ns)} ({left} s left at the last commit)"
        table.add_row("cool-down", end)
    if ess.state in (TRIPPED, COOLING_DOWN):
        table.add_row("acknowledged", _acknowledged(stop))
    if stop.halted is not None:
        h = stop.halted
        table.add_row("halted by hand", _plain(f"by {h.by} at {moment(h.at_ns)}: {h.note}"))
    for symbol, until in stop.symbols.items():
        if until > stop.now_ns:
            table.add_row(f"{symbol} halted", f"until {moment(until)}")
    table.add_row("drawdown: day, open, total", ", ".join(f"{d:.2%}" for d in stop.drawdowns))
    return table


def _acknowledged(stop: StopState) -> str:
    given = stop.acknowledgement
    if given is None:
        return "no"
    return _plain(f"by {given.by} at {moment(given.at_ns)}, level {given.level}: {given.note}")


def moment(time_ns: int) -> str:
    """A time for people, UTC."""
    from datetime import UTC, datetime

    try:
        when = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
    except (OverflowError, ValueError, OSError):
        return str(time_ns)
    return when.strftime("%Y-%m-%d %H:%M:%S UTC")


def _plain(text: str) -> str:
    """Text of people as it is, not as markup, without control characters."""
    from rich.markup import escape

    return escape("".join(c if c.isprintable() else " " for c in text))
