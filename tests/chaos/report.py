"""The measured parts of ``docs/chaos.md``, each written from what really ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from envs.core.errors import FixInput
from tests.chaos.killed import Killed
from tests.chaos.storms import Stormed

STORMS, LOCKSTEP, CLOCK = "storms", "lockstep", "clock"
PHASES = (STORMS, LOCKSTEP, CLOCK)
_HEAD = (
    "| what | runs | {} | trades | worst without a stop | faulty runs |\n|---|---|---|---|---|---|"
)


def storms_text(storms: Sequence[Stormed], seconds: float, took_s: float) -> str:
    """Markdown of the random fault schedules of one run."""
    worst = np.asarray([s.worst_s for s in storms])
    kinds: Counter[str] = Counter()
    for s in storms:
        kinds.update(s.kinds)
    told = ", ".join(f"{name} {n}" for name, n in kinds.most_common())
    return _joined(
        _HEAD.format("faults"),
        f"| random fault schedules of {seconds:g} s, {_seeds(storms)} | {len(storms)} | "
        f"{sum(s.happened for s in storms)} | {sum(s.trades for s in storms)} | "
        f"{worst.max():.2f} s | {_failed(storms)} |",
        "",
        f"Longest time without a covering stop in a schedule: {_spread(worst)} of market time; two "
        f"stops side by side for {max(s.doubled_s for s in storms):.2f} s at most. The auditor "
        f"looked {sum(s.looks for s in storms):,} times.",
        "",
        f"Faults that happened: {told}.",
        "",
        _took(took_s),
    )


def lockstep_text(runs: Sequence[Killed], took_s: float) -> str:
    """Markdown of the kills in lockstep of one run."""
    return _joined(
        _HEAD.format("kills"),
        _row("kill -9 in lockstep", runs),
        "",
        f"{sum(r.lives for r in runs)} lives of {len(runs)} runs; in the end each run had the "
        "trades, the cash and the digests of both agents of the run that nothing interrupted, "
        "unless it is named above.",
        "",
        _took(took_s),
    )


def clock_text(runs: Sequence[Killed], took_s: float, load: float) -> str:
    """Markdown of the kills by the clock of one run."""
    bare = np.asarray([x for r in runs for x in r.bare_s])
    first = np.asarray([x for r in runs for x in r.first_s])
    ready = np.asarray([x for r in runs for x in r.ready_s])
    cpu = np.asarray([x for r in runs for x in r.cpu_s])
    lines = [
        _HEAD.format("kills"),
        _row("kill -9 by the clock, cold starts", runs),
        "",
        f"{sum(r.aimed for r in runs)} of the kills were aimed at the moment at which a position "
        "had filled and had no stop yet; two stops stood side by side for "
        f"{max(r.doubled_s for r in runs):.2f} s at most.",
        "",
    ]
    if bare.size:
        lines += [
            f"Without a stop after such a kill, from the fill on, the restart included: "
            f"{_spread(bare)} of market time, {int((bare > 5.0).sum())} of {bare.size} above 5 s.",
            "",
        ]
    if first.size and ready.size:
        lines += [
            f"From kill -9 of one process to the end of first aid of the next, a cold start of "
            f"Python included: {_spread(first)} (of it processor time of the process: median "
            f"{np.median(cpu):.2f} s); to a recovered account that trades: {_spread(ready)}.",
            "",
        ]
    return _joined(*lines, f"{_took(took_s)} Load of the machine: {load:.1f} on average.")


def write(path: Path, phase: str, text: str) -> None:
    """Put the measured part of a phase into the page, between its marks; the others stay.

    Raises:
        FixInput: The page has no such marks.
    """
    page = path.read_text(encoding="utf-8")
    begin, end = f"<!-- {phase}: written by make chaos -->", f"<!-- end of {phase} -->"
    before, found, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise FixInput(f"{path}: the marks {begin} and {end} are missing: put them back")
    path.write_text(f"{before}{begin}\n{text}{end}{after}", encoding="utf-8")


def faulty(runs: Sequence[Stormed | Killed]) -> list[str]:
    """Every contradiction, with its seed."""
    return [f"seed {r.seed}: {fault}" for r in runs for fault in r.faults]


def _row(name: str, runs: Sequence[Killed]) -> str:
    return (
        f"| {name}, {_seeds(runs)} | {len(runs)} | {sum(r.kills for r in runs)} | "
        f"{sum(r.trades for r in runs)} | {max(r.worst_s for r in runs):.2f} s | {_failed(runs)} |"
    )


def _seeds(runs: Sequence[Stormed | Killed]) -> str:
    return f"seeds {min(r.seed for r in runs)} to {max(r.seed for r in runs)}"


def _failed(runs: Sequence[Stormed | Killed]) -> str:
    seeds = [str(r.seed) for r in runs if r.faults]
    return "none" if not seeds else f"{len(seeds)}: seeds {', '.join(seeds)}"


def _spread(seconds: np.ndarray) -> str:
    return (
        f"median {np.median(seconds):.2f} s, 95 % {np.quantile(seconds, 0.95):.2f} s, "
        f"worst {seconds.max():.2f} s"
    )


def _took(seconds: float) -> str:
    return f"Took {seconds / 60.0:.1f} minutes of wall time."


def _joined(*lines: str) -> str:
    return "\n".join(lines) + "\n"
