"""``python -m tests.chaos``: the long form; ``make chaos`` writes docs/chaos.md with it."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.chaos.kills import Killed, clock_kills, lockstep_kills
from tests.chaos.report import faulty, table, write
from tests.chaos.storms import Stormed, in_a_process

STORM_S = 20.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run storms and kills; 0 only when nothing contradicts the invariants."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--schedules", type=int, default=500, help="random fault schedules")
    parser.add_argument("--kills", type=int, default=200, help="kill -9, 3 of 4 in lockstep")
    parser.add_argument("--seconds", type=float, default=STORM_S, help="length of a schedule, s")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--side-by-side", type=int, default=10, help="schedules at once a process")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--write", type=Path, help="page whose measured part is replaced")
    args = parser.parse_args(argv)
    began = time.monotonic()
    storms = _all_storms(args)
    logging.disable(logging.CRITICAL)
    lockstep: list[Killed] = []
    clock: list[Killed] = []
    with tempfile.TemporaryDirectory() as folder:
        by_clock = args.kills // 4
        if args.kills:
            lockstep = asyncio.run(
                lockstep_kills(args.first_seed, args.kills - by_clock, Path(folder))
            )
            clock = asyncio.run(clock_kills(args.first_seed, by_clock, Path(folder)))
    text = table(storms, args.seconds, lockstep, clock, time.monotonic() - began)
    sys.stdout.write(text)
    wrong = [*faulty(storms), *faulty(lockstep), *faulty(clock)]
    for line in wrong:
        sys.stdout.write(f"{line}\n")
    if args.write is not None:
        write(args.write, text)
    return 1 if wrong else 0


def _all_storms(args: argparse.Namespace) -> list[Stormed]:
    seeds = range(args.first_seed, args.first_seed + args.schedules)
    step = max(args.side_by_side, 1)
    parts = [seeds[i : i + step] for i in range(0, len(seeds), step)]
    storms: list[Stormed] = []
    with ProcessPoolExecutor(args.processes, mp_context=get_context("spawn")) as pool:
        works = [pool.submit(in_a_process, part, args.seconds, args.side_by_side) for part in parts]
        for work in works:
            storms += work.result()
            bad = sum(bool(s.faults) for s in storms)
            sys.stderr.write(f"{len(storms)} schedules, {bad} with faults\n")
    return storms


if __name__ == "__main__":
    sys.exit(main())
