"""Download history of perpetuals to Parquet files, and check files of bars.

``download`` continues files it finds, so that an interrupted one is simply repeated. ``check``
reports what a folder holds, and every defect with its file and row.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from envs.core.errors import FixData
from envs.core.types import NS_PER_SECOND
from runtime.settings import RunSettings, load_settings
from training.cli import EXIT_INTERRUPTED, run_program
from training.download import Retry, plan, run_task
from training.history import Task

EXCHANGE = "binanceusdm"
FIRST_START_NS = 1_567_296_000 * NS_PER_SECOND
"""2019-09-01, when the oldest of these contracts began."""

_MS_PER_DAY = 86_400_000


def main(argv: list[str] | None = None) -> int:
    """Run ``download`` or ``check``."""
    args = _parser().parse_args(argv)

    def work(console: Console) -> None:
        options = {"symbols": args.symbols, "timeframe": args.timeframe}
        if args.command == "check":
            check(Path(args.folder), load_settings(options, environ=os.environ).run, args, console)
            return
        options |= {"start": args.start, "test_end": args.end, "QT_DATA_DIR": args.out}
        run = load_settings(options, environ=os.environ).run
        download(_exchange(), run, console, marks=not args.no_mark, retry=_retry())

    return run_program(work, "repeat the command to continue")


def download(
    exchange: Any, run: RunSettings, console: Console, *, marks: bool = True,
    retry: Retry | None = None,
) -> None:  # fmt: skip
    """Fetch bars, funding and marks of ``run.symbols`` into ``run.data_dir``.

    Raises:
        FixInput: What the operator must change; what came so far is saved.
    """
    start = run.start_ns if run.start_ns is not None else FIRST_START_NS
    tasks = plan(
        exchange, run.symbols, run.timeframe, start, run.test_end_ns, run.data_dir, marks=marks,
        retry=retry,
    )  # fmt: skip
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("days"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as progress:
        try:
            for task in tasks:
                _run_shown(exchange, task, progress, retry)
        except KeyboardInterrupt:
            console.print("interrupted: what came is saved; repeat the command to continue")
            raise SystemExit(EXIT_INTERRUPTED) from None


def check(folder: Path, run: RunSettings, args: argparse.Namespace, console: Console) -> None:
    """Print the validation report of a folder's bars.

    Raises:
        FixData: A file has a defect; all files are looked at first.
    """
    from envs.market.bars import validate
    from envs.market.report import REPORT_HEADER, MarketReport
    from envs.market.sources import read_folder, symbols_in

    symbols = run.symbols if args.symbols else symbols_in(folder, run.timeframe)
    if not symbols:
        raise FixData(f"{folder}: no file SYMBOL-{run.timeframe}.parquet or .csv")
    reports, defects = [], []
    for symbol in symbols:
        try:
            raw = read_folder(folder, symbol, run.timeframe, funding_default=True)
            reports.append(validate(raw))
        except FixData as error:
            defects.append(str(error))
    # The last three columns are known only for the bars of a run.
    table = Table(title=f"{folder}, {run.timeframe}", padding=(0, 0))
    for k, name in enumerate(REPORT_HEADER[:8]):
        table.add_column(name, no_wrap=k < 3, justify="left" if k < 3 else "right")
    for row in MarketReport(tuple(reports), "", 0).rows():
        table.add_row(*row[:8])
    console.print(table)
    if defects:
        raise FixData("\n".join(defects))


def _run_shown(exchange: Any, task: Task, progress: Progress, retry: Retry | None) -> None:
    days = max(1, (task.end_ms - task.start_ms) // _MS_PER_DAY)
    shown = progress.add_task(f"{task.symbol} {task.kind}", total=days)
    fresh = run_task(
        exchange, task, retry=retry,
        on_progress=lambda ms: progress.update(shown, completed=min(days, ms // _MS_PER_DAY)),
    )  # fmt: skip
    progress.update(
        shown, completed=days, description=f"{task.symbol} {task.kind}: {fresh:,} new rows"
    )


def _exchange() -> Any:
    import ccxt

    return getattr(ccxt, EXCHANGE)({"enableRateLimit": True})


def _retry() -> Retry:
    import ccxt

    return Retry((ccxt.NetworkError,), (ccxt.BaseError,))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="data.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    get = commands.add_parser("download", help="fetch bars, funding rates and mark prices")
    get.add_argument("--start", metavar="DATE", help="first day, UTC (default: all there is)")
    get.add_argument("--end", metavar="DATE", help="end, UTC, excluded (default: now)")
    get.add_argument("--out", metavar="DIR", help="folder of the files (QT_DATA_DIR, data)")
    get.add_argument("--no-mark", action="store_true", help="leave mark prices out")
    look = commands.add_parser("check", help="report what a folder holds, and its defects")
    look.add_argument("folder", metavar="DIR")
    for command, default in ((get, "QT_SYMBOLS"), (look, "all there are")):
        command.add_argument(
            "--symbols", metavar="LIST", help=f"such as BTCUSDT,ETHUSDT ({default})"
        )
        command.add_argument("--timeframe", metavar="TF", help="length of a bar (QT_INTERVAL, 1h)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
