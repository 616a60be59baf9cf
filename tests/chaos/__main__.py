"""``python -m tests.chaos``: the long form; ``make chaos`` writes docs/chaos.md with it."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

from tests.chaos import report
from tests.chaos.clock_kills import clock_kills
from tests.chaos.killed import Killed
from tests.chaos.kills import lockstep_kills
from tests.chaos.storms import Stormed, in_a_process

STORM_S = 20.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run storms and kills; 0 only when nothing contradicts the invariants."""
    args = _arguments().parse_args(argv)
    by_clock = args.kills // 4 if args.kind == "both" else args.kills
    counts = {
        report.STORMS: args.schedules,
        report.LOCKSTEP: args.kills - by_clock if args.kind == "both" else args.kills,
        report.CLOCK: by_clock,
    }
    phases: dict[str, Callable[[argparse.Namespace, int], tuple[str, list[str]]]] = {
        report.STORMS: _storms, report.LOCKSTEP: _lockstep, report.CLOCK: _clock,
    }  # fmt: skip
    wrong = []
    for phase, count in counts.items():
        if count == 0 or args.kind not in ("both", phase, report.STORMS):
            continue
        text, faults = phases[phase](args, count)
        sys.stdout.write(text + "".join(f"{phase} {line}\n" for line in faults))
        sys.stdout.flush()
        wrong += faults
        # Each at once: the next one takes long, and may be ended before its end.
        if args.write is not None:
            report.write(args.write, phase, text)
    return 1 if wrong else 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--schedules", type=int, default=500, help="random fault schedules")
    parser.add_argument("--kills", type=int, default=200, help="kill -9, 3 of 4 in lockstep")
    parser.add_argument("--kind", choices=("both", report.LOCKSTEP, report.CLOCK), default="both",
                        help="let all kills be of one kind")  # fmt: skip
    parser.add_argument("--seconds", type=float, default=STORM_S, help="length of a schedule, s")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--side-by-side", type=int, default=10, help="schedules at once a process")
    parser.add_argument("--runs-at-once", type=int, default=2, help="runs with kills at once")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="keep the journals of runs with kills here")
    parser.add_argument("--write", type=Path, help="page whose measured parts are replaced")
    return parser


def _storms(args: argparse.Namespace, count: int) -> tuple[str, list[str]]:
    began = time.monotonic()
    seeds = range(args.first_seed, args.first_seed + count)
    step = max(args.side_by_side, 1)
    parts = [seeds[i : i + step] for i in range(0, len(seeds), step)]
    storms: list[Stormed] = []
    with ProcessPoolExecutor(args.processes, mp_context=get_context("spawn")) as pool:
        works = [pool.submit(in_a_process, part, args.seconds, args.side_by_side) for part in parts]
        for work in works:
            storms += work.result()
            bad = sum(bool(s.faults) for s in storms)
            sys.stderr.write(f"{len(storms)} schedules, {bad} with faults\n")
    text = report.storms_text(storms, args.seconds, time.monotonic() - began)
    return text, report.faulty(storms)


def _lockstep(args: argparse.Namespace, count: int) -> tuple[str, list[str]]:
    began = time.monotonic()
    logging.disable(logging.CRITICAL)
    with _folder(args) as folder:
        runs = asyncio.run(
            lockstep_kills(args.first_seed, count, folder, args.runs_at_once, Telling())
        )
    return report.lockstep_text(runs, time.monotonic() - began), report.faulty(runs)


def _clock(args: argparse.Namespace, count: int) -> tuple[str, list[str]]:
    began, telling = time.monotonic(), Telling()
    logging.disable(logging.CRITICAL)
    with _folder(args) as folder:
        runs = asyncio.run(clock_kills(args.first_seed, count, folder, args.runs_at_once, telling))
    text = report.clock_text(runs, time.monotonic() - began, telling.load)
    return text, report.faulty(runs)


@contextmanager
def _folder(args: argparse.Namespace) -> Iterator[Path]:
    """Where runs keep what they leave: the folder asked for, or one that is gone afterwards."""
    if args.folder is not None:
        yield args.folder
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


class Telling:
    """Says on stderr how far the kills are, and notes how busy the machine is."""

    def __init__(self) -> None:
        self._kills = 0
        self._loads: list[float] = []

    def __call__(self, run: Killed) -> None:
        """Hear of a run that has ended."""
        self._kills += run.kills
        self._loads.append(os.getloadavg()[0])
        sys.stderr.write(f"{self._kills} kills, load {self._loads[-1]:.1f}: {run}\n")
        sys.stderr.flush()

    @property
    def load(self) -> float:
        """Mean load average at the ends of the runs."""
        return sum(self._loads) / max(1, len(self._loads))


if __name__ == "__main__":
    sys.exit(main())
