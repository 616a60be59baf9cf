"""Environment, simulation and local exchange from one bundle on the same bars: do they differ.

Exit status 0: no difference; 1: a difference, the first one is printed; 2: bad input.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from envs.core.errors import FixInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from runtime.parity.faces import Told
    from runtime.parity.ground import Field, ParityPlan

HELP = "prove that environment, simulation and local exchange trade alike"
_OPTIONS = ("data", "symbols", "timeframe", "start", "funding")
_SAME = 0
_DIFFERENT = 1
_BAD_INPUT = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    from runtime.settings_cli import add_arguments as add_settings

    parser.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="trained bundle")
    parser.add_argument(
        "--end", metavar="DATE", help="last close [UTC date; default: of the held-out period]"
    )
    parser.add_argument(
        "--learn", action=argparse.BooleanOptionalAction, default=True,
        help="let both agents learn from what happens [default: yes]",
    )  # fmt: skip
    parser.add_argument(
        "--faces", default="env,sim,local", metavar="LIST",
        help="two or more of env, compiled, sim, local [default: env,sim,local]",
    )  # fmt: skip
    parser.add_argument(
        "--policy", default="shipped", choices=("shipped", "always", "random"),
        help="who decides: the bundle's agent, or an action drawn by the decision's id "
        "(always: never skip where anything is allowed) [default: shipped]",
    )  # fmt: skip
    parser.add_argument("--max-bars", type=int, metavar="N", help="bars at most [default: all]")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcome there too")
    add_settings(parser, only=_OPTIONS, without={
        "data": "the bundle's own", "symbols": "the bundle's own",
        "timeframe": "the bundle's own", "start": "the held-out period", "funding": "file",
    })  # fmt: skip


def main(args: argparse.Namespace) -> int:
    """Compare and report."""
    try:
        return _compare(args)
    except FixInput as error:
        text = str(error).replace("--test-end", "--end").replace("QT_TEST_END", "--end")
        sys.stderr.write(f"error: {text}\n")
        return _BAD_INPUT
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        sys.stderr.write(f"error: {error.strerror or error}{where}\n")
        return _BAD_INPUT


def _compare(args: argparse.Namespace) -> int:
    from rich.console import Console

    from runtime.parity.compare import compare
    from runtime.parity.faces import chosen_faces, run_faces
    from runtime.parity.ground import Field
    from runtime.parity.report import print_comparison, print_notes, print_tales, to_json

    console = Console()
    faces = chosen_faces(args.faces)
    plan = plan_of(args)
    with console.status("market and votes ..."):
        field = Field(plan)
    print_notes(console, plan, field)
    with _bars(console, field, faces) as progress:
        tales = run_faces(field, faces, progress)
    first, *others = tales
    found = [compare(first, other) for other in others]
    print_tales(console, tales)
    for comparison in found:
        print_comparison(console, comparison)
    same = all(comparison.equal for comparison in found)
    console.print("[green]no difference[/green]" if same else "[red]the faces differ[/red]")
    if not same:
        print_notes(console, plan, field)
    if args.json is not None:
        text = json.dumps(to_json(tales, found, plan.settings.core), indent=1) + "\n"
        args.json.write_text(text, encoding="utf-8")
    return _SAME if same else _DIFFERENT


def plan_of(args: argparse.Namespace) -> ParityPlan:
    """What a command line asks for.

    Raises:
        FixInput: A setting, a date or a number is refused.
    """
    from runtime.bundle import read_manifest
    from runtime.parity.ground import ParityPlan
    from runtime.settings import load_settings

    manifest = read_manifest(args.bundle)
    if args.max_bars is not None and args.max_bars < 1:
        raise FixInput(f"--max-bars: at least 1, got {args.max_bars}")
    # A bundle's own settings hold the dates of its training, which say nothing of this period.
    dates = load_settings({"start": args.start, "test_end": args.end}).run
    config = args.bundle / "config.toml"
    given = {name: getattr(args, name) for name in (*_OPTIONS, "set") if name != "start"}
    environ = {k: v for k, v in os.environ.items() if k not in ("QT_START", "QT_TEST_END")}
    settings = load_settings(given, args.config, environ, base_toml=config)
    strange = sorted(set(settings.run.symbols) - set(manifest["symbols"]))
    if strange:
        raise FixInput(
            f"--symbols {','.join(strange)}: not in the bundle {args.bundle}, which knows "
            f"{', '.join(manifest['symbols'])}"
        )
    return ParityPlan(
        args.bundle, settings, dates.start_ns, dates.test_end_ns, args.learn, args.policy,
        args.max_bars, _cache_folder(),
    )  # fmt: skip


def _cache_folder() -> Path:
    base = os.environ.get("QT_CACHE_DIR")
    return Path(base) if base else Path.home() / ".cache" / "quantum-trader"


@contextmanager
def _bars(console: Console, field: Field, faces: tuple[str, ...]) -> Iterator[Told]:
    """One progress bar a face."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:8}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as progress:
        tasks = {name: progress.add_task(name, total=field.bars, start=False) for name in faces}

        def told(face: str, bars: int) -> None:
            if bars == 1:
                progress.start_task(tasks[face])
            progress.update(tasks[face], completed=bars)

        yield told
