"""Compare the working tree with a revision: ``python benchmarks/compare.py BASE [--only ID ...]``.

Runs the same scenarios, by this checkout's benchmark code, alternately on both sources; exit 1 on a
regression beyond a metric's tolerance, 2 when the comparison could not be made.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table

from benchmarks.data import real_folder
from benchmarks.framework.compare import Verdict, judge, unmatched
from benchmarks.framework.metrics import from_json
from benchmarks.framework.report import number

ROOT = Path(__file__).resolve().parent.parent
DEFAULT = ("vector/4096/threads-1", "single", "counterfactual/76", "learn/table-update", "memory")
"""What a comparison runs unless told: the scenarios with judged metrics, on one thread."""


def check_out(revision: str, folder: Path) -> None:
    """Unpack a revision of this repository, with the present benchmark code instead of its own.

    Raises:
        ValueError: The revision is unknown here.
    """
    done = subprocess.run(
        ["git", "-C", str(ROOT), "archive", "--format=tar", revision],  # noqa: S607 - user's git
        check=False, capture_output=True,
    )  # fmt: skip
    if done.returncode != 0:
        raise ValueError(f"revision {revision!r}: {done.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    use_present_benchmarks(folder)


def use_present_benchmarks(folder: Path) -> None:
    """Lay this checkout's ``benchmarks`` over another source tree."""
    shutil.rmtree(folder / "benchmarks", ignore_errors=True)
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "benchmarks", folder / "benchmarks", ignore=skip)


def run_tree(tree: Path, arguments: Sequence[str], out: Path) -> dict[str, Any]:
    """Figures of one source tree.

    Raises:
        ValueError: Its run failed; the last line says why.
    """
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    folder = real_folder()
    if folder is not None:
        environment["QT_REAL_DATA"] = str(folder.resolve())
    done = subprocess.run(
        [sys.executable, str(tree / "benchmarks" / "run.py"), "--json", str(out), *arguments],
        cwd=tree, env=environment, check=False, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or ["no message"]
        raise ValueError(f"the run failed: {said[0]}")
    document: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return document


def disturbed(document: Mapping[str, Any]) -> list[str]:
    """Scenarios that other processes disturbed."""
    return [id_ for id_, entry in document["scenarios"].items() if entry.get("disturbed")]


def show(verdicts: Sequence[Verdict], console: Console) -> None:
    """Table of all verdicts."""
    table = Table(title="base against head, medians over pairs", title_justify="left")
    for name in ("scenario", "metric", "base", "head", "loss", "tolerance", ""):
        table.add_column(name, justify="left" if name in ("scenario", "metric") else "right")
    for v in verdicts:
        allowed = "-" if v.tolerance is None else f"{v.tolerance:.0%}"
        mark = "REGRESSION" if v.regressed else ""
        loss = f"{v.loss:+.1%}"
        table.add_row(v.scenario, v.metric, number(v.base), number(v.head), loss, allowed, mark)
    console.print(table)


def main(argv: Sequence[str] | None = None) -> int:
    """Compare, print, judge."""
    p = argparse.ArgumentParser(prog="benchmarks/compare.py", description=__doc__)
    p.add_argument("base", help="a revision: commit, tag or branch")
    p.add_argument("--only", nargs="+", default=list(DEFAULT), metavar="ID")
    p.add_argument("--pairs", type=int, default=3, help="pairs of runs [default 3]")
    p.add_argument("--repeats", type=int, default=5, help="timed runs in each [default 5]")
    p.add_argument("--quick", action="store_true", help="shorter runs")
    args = p.parse_args(argv)
    console = Console()
    if args.pairs < 1:
        console.print("--pairs must be at least 1", style="red")
        return 2
    arguments = ["--only", *args.only, "--repeats", str(args.repeats)]
    arguments += ["--quick"] if args.quick else []
    pairs = []
    shared: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        tree, out = Path(folder) / "base", Path(folder) / "figures.json"
        try:
            check_out(args.base, tree)
            for k in range(args.pairs):
                order = [tree, ROOT] if k % 2 == 0 else [ROOT, tree]
                runs = {t: run_tree(t, arguments, out) for t in order}
                found = {t: from_json(run) for t, run in runs.items()}
                shared |= {i for r in runs.values() for i in disturbed(r)}
                pairs.append((found[tree], found[ROOT]))
                console.print(f"pair {k + 1} of {args.pairs}")
        except ValueError as error:
            console.print(str(error), style="red", highlight=False)
            return 2
    verdicts = judge(pairs)
    show(verdicts, console)
    for name in unmatched(pairs):
        console.print(f"only one side measured {name}: not compared", style="yellow")
    for name in sorted(shared):
        console.print(f"{name} had to share its cores: run it again", style="yellow")
    if not any(v.tolerance is not None for v in verdicts):
        console.print("nothing that is judged was measured on both sides", style="red")
        return 2
    return 1 if any(v.regressed for v in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
