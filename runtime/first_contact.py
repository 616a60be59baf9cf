"""``python -m runtime first-contact``: the demo exchange asked what the contract left open."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from envs.core.errors import FixInput, FixSettings
from runtime.adapters.ccxt_factory import LOCAL_KEYS, Keys, make_exchange
from runtime.adapters.ccxt_link import CallFailed, CcxtLink
from runtime.adapters.clocks import SystemClock
from runtime.adapters.contact import Contact, Finding, Match
from runtime.adapters.contact_checks import CHECKS, Check
from runtime.adapters.host_guard import Mode
from runtime.settings_cli import refuse
from runtime.wiring.keys import secret_of

HELP = "check the demo exchange against what this program expects of it, with one small position"
KEY, SECRET = "QT_DEMO_API_KEY", "QT_DEMO_API_SECRET"
_COLOURS = {
    Match.AGREES: "green", Match.ANSWERED: "cyan", Match.DIFFERS: "bold red",
    Match.FAILED: "bold red",
}  # fmt: skip


@dataclass(frozen=True)
class Result:
    """A check and what came of it."""

    check: Check
    finding: Finding


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options; keys come from the environment, so that no history holds them."""
    parser.add_argument(
        "--venue", choices=("demo", "local"), default="demo",
        help=f"demo needs {KEY} and {SECRET}; local rehearses on --exchange-url [default demo]",
    )  # fmt: skip
    parser.add_argument(
        "--exchange-url", metavar="URL", default="",
        help="the local exchange, such as http://127.0.0.1:18080",
    )  # fmt: skip
    parser.add_argument(
        "--symbol", default="BTCUSDT", help="contract that is traded a little [default BTCUSDT]"
    )
    parser.add_argument(
        "--out", metavar="FILE.json", type=Path, default=None,
        help="write findings and the venue's bodies there [default: not written]",
    )  # fmt: skip


def main(args: argparse.Namespace) -> int:
    """Run all checks; 0 when none differs, 1 when one does, 2 for wrong input."""
    try:
        if args.out is not None and not args.out.parent.is_dir():
            raise FixInput(f"--out {args.out}: its folder is not there: make it first")
        exchange = make_exchange(
            args.venue, keys=keys_of(args.venue, os.environ), url=args.exchange_url
        )
        results, bodies = asyncio.run(
            run(exchange, args.venue, args.symbol, Console(file=sys.stdout))
        )
        if args.out is not None:
            write(args.out, results, bodies)
    except FixInput as error:
        refuse(error)
    return int(any(r.finding.match in (Match.DIFFERS, Match.FAILED) for r in results))


def keys_of(venue: Mode, environ: Mapping[str, str]) -> Keys:
    """Keys of a venue.

    Raises:
        FixInput: The demo's keys are not set, or their files are open to others.
    """
    if venue == "local":
        return LOCAL_KEYS
    key, secret = secret_of(KEY, environ), secret_of(SECRET, environ)
    if not key or not secret:
        raise FixSettings(
            f"first contact: set {KEY} and {SECRET} to keys of demo.binance.com (never live keys), "
            f"or {KEY}_FILE and {SECRET}_FILE to files of mode 600 that hold them, "
            "or rehearse with --venue local --exchange-url http://127.0.0.1:18080"
        )
    return Keys(key, secret)


async def run(
    exchange: Any, venue: Mode, symbol: str, console: Console,
    checks: Sequence[Check] = CHECKS,
) -> tuple[list[Result], dict[str, Any]]:  # fmt: skip
    """Ask every question, leave nothing behind, and show what differs; closes the client.

    Raises:
        FixInput: The contract is not listed or in use, or the venue cannot be reached.
    """
    link = CcxtLink(exchange, SystemClock())
    contact = Contact(link, venue, symbol, str(link.clock.now_ms()))
    results: list[Result] = []
    try:
        try:
            await link.measure_offset()
            await contact.prepare()
        except CallFailed as error:
            raise FixInput(f"first contact: {error}") from error
        try:
            for check in checks:
                results.append(Result(check, await _one(check, contact)))
                _line(console, results[-1])
        finally:
            with contextlib.suppress(CallFailed):
                await contact.flatten()
    finally:
        await exchange.close()
    _summary(console, results)
    return results, contact.bodies


def write(path: Path, results: Sequence[Result], bodies: Mapping[str, Any]) -> None:
    """Write findings and bodies as JSON; listen keys are left out.

    Raises:
        FixInput: The file cannot be written.
    """
    shown = {n: b for n, b in bodies.items() if "ListenKey" not in n}
    rows = [
        {"check": r.check.name, "expected": r.check.expected, "open": r.check.open_,
         "match": r.finding.match.value, "seen": r.finding.seen}
        for r in results
    ]  # fmt: skip
    try:
        path.write_text(json.dumps({"findings": rows, "bodies": shown}, indent=1) + "\n", "utf-8")
    except OSError as error:
        raise FixInput(f"--out {path}: cannot be written: {error.strerror}") from error


async def _one(check: Check, contact: Contact) -> Finding:
    """One check; whatever goes wrong in it is a finding, the others go on."""
    try:
        return await check.run(contact)
    except Exception as error:
        return Finding(Match.FAILED, f"{type(error).__name__}: {error}"[:400])


def _line(console: Console, result: Result) -> None:
    colour = _COLOURS[result.finding.match]
    console.print(f"[{colour}]{result.finding.match.value:>8}[/]  {result.check.name}")


def _summary(console: Console, results: Sequence[Result]) -> None:
    table = Table("question", "expected", "seen", title="First contact", show_lines=True)
    for r in results:
        if r.check.open_ or r.finding.match is not Match.AGREES:
            seen = f"[{_COLOURS[r.finding.match]}]{r.finding.match.value}[/]: {_plain(r)}"
            table.add_row(r.check.name, r.check.expected, seen)
    agreed = sum(r.finding.match is Match.AGREES for r in results)
    if table.row_count:
        console.print(table)
    console.print(f"{agreed} of {len(results)} checks agree with the contract; above: the rest")


def _plain(result: Result) -> str:
    from rich.markup import escape

    return escape(result.finding.seen)
