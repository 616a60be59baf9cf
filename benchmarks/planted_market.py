"""The default learner on the planted market: which share of the exact optimum it reaches, and when.

    python benchmarks/planted_market.py [--write-docs]

Beside it the same learner with a constant step of .15, which the acceptance must refuse.
``--write-docs`` writes the table of ``docs/learning.md``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agents.settings import SizingSettings
from benchmarks.docs_section import DOCS, paragraph, write_section
from training.planted_edges import EXITS, LEARNER, STRONG, WEAK, ZERO, PlantedMarket, traded

SECTION = "Share of the optimum on the planted market"
MUTATION = replace(LEARNER, min_step=0.15)


@dataclass(frozen=True)
class Case:
    """One line: so many decisions of a market, over so many seeds, and what is asked for."""

    edge: str
    strength: float
    decisions: int
    seeds: int
    wanted: str


CASES = (
    Case("strong", STRONG, 10_000, 10, "at least 80 %"),
    Case("strong", STRONG, 100_000, 3, "at least 95 %"),
    Case("weak", WEAK, 1_000, 30, "above -10 %"),
    Case("weak", WEAK, 10_000, 10, "at least 30 %"),
    Case("weak", WEAK, 300_000, 3, "at least 85 %"),
    Case("zero", ZERO, 100_000, 3, "loss under .05 bps, under 2 % traded"),
)


def reached(case: Case, settings: SizingSettings) -> str:
    """Share of the optimum, mean over the seeds and the range; without edge bps and trades."""
    market = PlantedMarket(case.strength)
    agents = [market.train(case.decisions, seed, settings) for seed in range(1, case.seeds + 1)]
    if case.strength == ZERO:
        bps = [1e4 * market.expected(agent) for agent in agents]
        acts = [100.0 * traded(agent) for agent in agents]
        return f"{np.mean(bps):+.3f} bps, {np.mean(acts):.1f} % traded"
    shares = [100.0 * market.share(agent) for agent in agents]
    return f"{np.mean(shares):.0f} % ({min(shares):.0f} .. {max(shares):.0f})"


def restricted(strength: float) -> float:
    """Percent of the optimum that skip and the largest action of each exit reach."""
    market = PlantedMarket(strength)
    largest = [0, *(int(np.flatnonzero(e == EXITS)[-1]) for e in range(3))]
    return 100.0 * market.mean(market.value[..., largest].max(axis=-1)) / market.optimum


def markdown(rows: Sequence[tuple[Case, str, str]]) -> str:
    """The section: command, what was measured, and the table."""
    strong, weak = (1e4 * PlantedMarket(s).optimum for s in (STRONG, WEAK))
    out = [
        "```", "python benchmarks/planted_market.py --write-docs", "```", "",
        paragraph(
            f"Greedy policy over the exact optimum ({strong:.1f} bps a decision with the strong "
            f"edge, {weak:.1f} with the weak one), mean over the seeds (worst .. best). The "
            "optimum is integrated from the planted edges."
        ),
        "",
        "| edge | decisions | seeds | wanted | default learner | constant step .15 |",
        "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for case, default, mutated in rows:
        out.append(
            f"| {case.edge} | {case.decisions:,} | {case.seeds} | {case.wanted} | {default} "
            f"| {mutated} |"
        )
    out += [
        "",
        paragraph(
            f"Skip and the largest action of each exit alone reach {restricted(STRONG):.2f} % of "
            f"the strong and {restricted(WEAK):.2f} % of the weak optimum (wanted: 99 %): the caps "
            "decide the amount; skip and exit are what is learned."
        ),
    ]  # fmt: skip
    return "\n".join(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write-docs", action="store_true")
    args = parser.parse_args()
    rows = []
    for case in CASES:
        rows.append((case, reached(case, LEARNER), reached(case, MUTATION)))
        sys.stderr.write(f"{rows[-1]}\n")
    sys.stdout.write(markdown(rows) + "\n")
    if args.write_docs:
        write_section(DOCS / "learning.md", SECTION, markdown(rows))


if __name__ == "__main__":
    main()
