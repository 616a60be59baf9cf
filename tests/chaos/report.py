"""The table of ``docs/chaos.md``, written from what really ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.chaos.kills import Killed
from tests.chaos.storms import Stormed

BEGIN, END = "<!-- measured: written by make chaos -->", "<!-- end of measured -->"


def table(
    storms: Sequence[Stormed], seconds: float, lockstep: Sequence[Killed],
    clock: Sequence[Killed], took_s: float,
) -> str:  # fmt: skip
    """Markdown of one whole run."""
    lines = ["| what | runs | faults or kills | trades | worst without a stop | faulty runs |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    if storms:
        lines.append(
            f"| random fault schedules of {seconds:g} s, seeds {storms[0].seed} to "
            f"{storms[-1].seed} | {len(storms)} | {sum(s.happened for s in storms)} faults | "
            f"{sum(s.trades for s in storms)} | {max(s.worst_s for s in storms):.2f} s | "
            f"{_failed(storms)} |"
        )
    for name, runs in (("kill -9, lockstep", lockstep), ("kill -9, by the clock", clock)):
        if runs:
            lines.append(
                f"| {name}, seeds {min(r.seed for r in runs)} to {max(r.seed for r in runs)} | "
                f"{len(runs)} | {sum(r.kills for r in runs)} kills | "
                f"{sum(r.trades for r in runs)} | {max(r.worst_s for r in runs):.2f} s | "
                f"{_failed(runs)} |"
            )
    lines += ["", *_details(storms, clock), f"Took {took_s / 60.0:.1f} minutes of wall time.", ""]
    return "\n".join(lines)


def write(path: Path, text: str) -> None:
    """Put the measured part into the page, between its marks."""
    page = path.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")


def faulty(runs: Sequence[Stormed | Killed]) -> list[str]:
    """Every contradiction, with its seed."""
    return [f"seed {r.seed}: {fault}" for r in runs for fault in r.faults]


def _failed(runs: Sequence[Stormed | Killed]) -> str:
    seeds = [str(r.seed) for r in runs if r.faults]
    return "none" if not seeds else f"{len(seeds)}: seeds {', '.join(seeds)}"


def _details(storms: Sequence[Stormed], clock: Sequence[Killed]) -> list[str]:
    out: list[str] = []
    if storms:
        worst = np.asarray([s.worst_s for s in storms])
        kinds: Counter[str] = Counter()
        for s in storms:
            kinds.update(s.kinds)
        told = ", ".join(f"{name} {n}" for name, n in kinds.most_common())
        out += [
            f"Longest time without a covering stop in a schedule: median {np.median(worst):.2f} s, "
            f"95 % {np.quantile(worst, 0.95):.2f} s, worst {worst.max():.2f} s of market time; two "
            f"stops side by side for {max(s.doubled_s for s in storms):.2f} s at most. The auditor "
            f"looked {sum(s.looks for s in storms):,} times.",
            "",
            f"Faults that happened: {told}.",
            "",
        ]
    restarts = np.asarray([x for r in clock for x in r.restarts_s])
    if restarts.size:
        out += [
            f"From kill -9 to a recovered, protected account (children forked from a process that "
            f"has loaded the libraries): median {np.median(restarts):.2f} s, worst "
            f"{restarts.max():.2f} s of {restarts.size} restarts.",
            "",
        ]
    return out
