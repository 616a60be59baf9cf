"""``python -m runtime replay --state DIR|URL``: every journalled decision, recomputed."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from envs.core.errors import QuantumTraderError

if TYPE_CHECKING:
    from rich.console import Console

    from runtime.replay.replaying import Replayer
    from runtime.replay.report import Check, Report

HELP = "recompute every journalled decision and compare it bit for bit"
_SHOWN = 12


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--state", required=True, metavar="DIR|URL", help="folder of a run, or URL of its journal"
    )
    parser.add_argument("--bundle", metavar="DIR", help="the run's bundle, where it has moved")
    parser.add_argument(
        "--config", metavar="FILE", help="the run's config.toml, where --state is a URL"
    )


def main(args: argparse.Namespace) -> int:
    """Run; 0 when all is equal, 1 for a difference, 2 for input that cannot be replayed."""
    from rich.console import Console

    from runtime.replay.opening import open_subject
    from runtime.replay.replaying import Replayer
    from runtime.wiring.keys import secret_of

    console = Console()
    try:
        url = secret_of("QT_DATABASE_URL", os.environ)
        with open_subject(args.state, args.bundle, args.config, url) as subject:
            replayer = Replayer(subject)
            report = _with_progress(console, replayer, subject.journal.last_seq)
    except QuantumTraderError as error:
        Console(stderr=True).print(f"replay: {error}", style="red", markup=False, soft_wrap=True)
        return 2
    show(console, report)
    return 0 if report.passed else 1


def _with_progress(console: Console, replayer: Replayer, total: int) -> Report:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("replay", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("replay", total=total)

        def told(seq: int) -> None:
            bar.update(task, completed=seq)

        return replayer.run(told)


def show(console: Console, report: Report) -> None:
    """Print the table, and of each kind the first record that differs, field by field."""
    from rich.table import Table

    table = Table("check", "checked", "equal", "result", title="Replay")
    for check in report.checks:
        style = "green" if check.passed else "red"
        table.add_row(check.name, str(check.checked), str(check.equal), _result(check), style=style)
    console.print(table)
    for check in report.checks:
        if check.passed:
            continue
        fields = Table("field", "journalled", "recomputed", title=f"{check.name}: {check.where}")
        for d in check.first[:_SHOWN]:
            fields.add_row(d.field, d.journalled, d.recomputed)
        console.print(fields)
        if len(check.first) > _SHOWN:
            console.print(f"... and {len(check.first) - _SHOWN} fields more")


def _result(check: Check) -> str:
    if not check.passed:
        return "DIFFERENT"
    if check.checked == 0:
        return check.note or "nothing to check"
    return "equal"
