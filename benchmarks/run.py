"""Run the benchmarks: ``python benchmarks/run.py [--only ID ...] [--json FILE] [--write-docs]``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

# Both must be set before Numba and NumPy start their threads: spinning ones starve each other.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from rich.console import Console

from benchmarks.framework.machine import describe
from benchmarks.framework.metrics import Record, to_json
from benchmarks.framework.registry import SCENARIOS, NotHere, Options, Scenario, select
from benchmarks.framework.report import show

FAILED = "failed, "


def run_scenarios(
    chosen: Sequence[Scenario],
    options: Options,
    console: Console,
    keep: Callable[[Sequence[Record]], None] | None = None,
) -> list[Record]:
    """Run scenarios one after another; one that cannot run here is recorded as skipped.

    ``keep`` is handed what there is after each, so that an interrupted run leaves its figures.
    """
    out: list[Record] = []
    for one in chosen:
        console.print(f"{one.id}: {one.about}", highlight=False, soft_wrap=True)
        try:
            out.append(Record(one.id, one.run(options)))
        except NotHere as error:
            out.append(Record(one.id, skipped=str(error)))
        except Exception as error:
            # The other figures are worth having; the program's status tells.
            console.print_exception()
            out.append(Record(one.id, skipped=f"{FAILED}{type(error).__name__}: {error}"))
        if keep is not None:
            keep(out)
    return out


def parser() -> argparse.ArgumentParser:
    """Options of the command line."""
    p = argparse.ArgumentParser(prog="benchmarks/run.py", description=__doc__)
    p.add_argument("--only", nargs="+", default=[], metavar="ID", help="ids or their first parts")
    p.add_argument("--slow", action="store_true", help="also what takes minutes (main-job)")
    p.add_argument("--quick", action="store_true", help="shorter runs; figures are coarser")
    p.add_argument("--repeats", type=int, default=5, help="timed runs of each [default 5]")
    p.add_argument("--json", type=Path, default=None, help="write the figures to this file")
    p.add_argument("--list", action="store_true", help="list the scenarios and stop")
    p.add_argument(
        "--write-docs", action="store_true",
        help="write docs/benchmarks.md; with --from, from an earlier run's file",
    )  # fmt: skip
    p.add_argument("--from", dest="earlier", type=Path, nargs="+", default=[], metavar="FILE",
                   help="show figures of earlier runs instead of measuring")  # fmt: skip
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Run, print, write."""
    from benchmarks.framework.docs import merged, write_docs
    from benchmarks.scenarios import load_all

    args = parser().parse_args(argv)
    console = Console()
    if args.earlier:
        document = merged([json.loads(p.read_text(encoding="utf-8")) for p in args.earlier])
    else:
        load_all()
        try:
            chosen = select(args.only, args.slow)
        except ValueError as error:
            console.print(str(error), style="red", soft_wrap=True)
            return 2
        if args.list:
            for one in SCENARIOS.values():
                text = f"{one.id:28} {one.about}{' (slow)' if one.slow else ''}"
                console.print(text, highlight=False, soft_wrap=True)
            return 0
        machine = describe()

        def keep(records: Sequence[Record]) -> None:
            if args.json:
                text = json.dumps(to_json(records, machine), indent=1) + "\n"
                args.json.write_text(text, encoding="utf-8")

        options = Options(args.repeats, args.quick)
        document = to_json(run_scenarios(chosen, options, console, keep), machine)
    show(document, console)
    if args.write_docs:
        write_docs(document)
    failed = [r for r in document["scenarios"].values() if r.get("skipped", "").startswith(FAILED)]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
