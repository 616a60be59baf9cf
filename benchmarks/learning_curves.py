"""Learning curves: what each sizing learner earns held out, by the decisions it learned from.

    python benchmarks/learning_curves.py [--write-docs] [--markets N] [--most N] [--json FILE]

Every market is the built-in one with its strong planted edge, drawn from another seed; the learners
see the same training part and are judged on the same held-out candidates. ``--write-docs`` draws
``docs/learning_curves.svg`` and writes the section of ``docs/results.md``; ``--from FILE`` takes
the figures of an earlier ``--json`` instead of measuring.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agents.baselines import FixedLargest
from agents.deep.settings import DeepSettings
from agents.settings import SizingSettings
from agents.sizing.q_learning import QLearningAgent
from benchmarks.agents_compare import periods
from benchmarks.curve_picture import Curve, Level, Picture, curves_svg
from benchmarks.docs_section import DOCS, paragraph, write_section
from envs.artifact import atomic_write_text
from training.deep import train_deep
from training.simulate import Period, Simulator
from training.sizing import train

PREFIXES = (500, 1_000, 2_000, 4_000, 8_000)
PASSES = (1, 3, 10)
BUDGETS = (10_000, 30_000, 100_000, 300_000, 1_000_000)
FIXED = "fixed largest"
LABELS = {
    "counterfactual": ("table, all actions", "#0072B2"),
    "no prior": ("the same, no prior", "#CC79A7"),
    "classic": ("table, Q-learning", "#E69F00"),
    "dqn": ("DQN", "#009E73"),
    "ppo": ("PPO", "#D55E00"),
}
SECTION = "Learning curves"
IMAGE = "learning_curves.svg"


@dataclass(frozen=True)
class Point:
    """One learner trained once; ``place`` orders the points of a curve over the markets."""

    learner: str
    market: int
    place: int
    decisions: int
    bps: float


def table_points(market: int, training: Period, held_out: Period, learner: str) -> Iterator[Point]:
    """The table trained on the first rows of the period, then on all of it, several times over."""
    sim, rows = Simulator(held_out), training.rows()
    settings = SizingSettings(
        prior="none" if learner == "no prior" else "ev_line",
        learner="classic" if learner == "classic" else "counterfactual",
    )
    cuts = [(int(training.candidates.rows[rows[n]]), 1) for n in PREFIXES if n < rows.size]
    cuts += [(training.last, passes) for passes in PASSES]
    for place, (last, passes) in enumerate(cuts):
        part = replace(training, last=last)
        agent, _ = train(part, settings, passes, market, None)
        decisions = passes * int(part.rows().size)
        if isinstance(agent, QLearningAgent):
            decisions = round(float(agent.visits.sum()))
        yield Point(learner, market, place, decisions, _bps(sim, agent))


def deep_points(
    market: int, training: Period, held_out: Period, learner: str, most: int
) -> Iterator[Point]:
    """A network trained afresh for each budget, so each is what that budget buys."""
    sim = Simulator(held_out)
    for place, budget in enumerate(b for b in BUDGETS if b <= most):
        settings = deep_settings(budget)
        agent, took = train_deep(training, learner, settings, market)
        yield Point(learner, market, place, took.timesteps, _bps(sim, agent))


def deep_settings(timesteps: int) -> DeepSettings:
    """The defaults, but DQN spends at most a tenth of a small budget on random decisions."""
    default = DeepSettings()
    starts = min(default.learning_starts, timesteps // 10)
    return replace(default, timesteps=timesteps, learning_starts=starts)


def _bps(sim: Simulator, agent: Any) -> float:
    return 1e4 * float(sim.run(agent).reward.mean())


def measure(markets: int, bars: int, most: int) -> Iterator[Point]:
    """All points, market by market."""
    for market in range(markets):
        training, held_out, _ = periods(bars, market)
        yield Point(
            FIXED, market, 0, 0, _bps(Simulator(held_out), FixedLargest(held_out.preset))
        )  # fmt: skip
        for learner in ("counterfactual", "no prior", "classic"):
            yield from table_points(market, training, held_out, learner)
        for learner in ("dqn", "ppo"):
            yield from deep_points(market, training, held_out, learner, most)


def curve_of(points: list[Point], learner: str) -> Curve:
    """Mean over the markets, and the band from the lowest to the highest of them."""
    label, colour = LABELS[learner]
    by_place: dict[int, list[Point]] = {}
    for p in points:
        if p.learner == learner:
            by_place.setdefault(p.place, []).append(p)
    groups = [by_place[k] for k in sorted(by_place)]
    bps = [[p.bps for p in group] for group in groups]
    return Curve(
        label, colour, [float(np.mean([p.decisions for p in group])) for group in groups],
        [float(np.mean(b)) for b in bps], [min(b) for b in bps], [max(b) for b in bps],
    )  # fmt: skip


def markdown(points: list[Point], bars: int) -> str:
    """The section: command, picture, how to read it, and the figures behind it."""
    markets = 1 + max(p.market for p in points)
    fixed = float(np.mean([p.bps for p in points if p.learner == FIXED]))
    out = [
        "```", "python benchmarks/learning_curves.py --write-docs", "```", "",
        f"![Held-out reward by decisions learned from]({IMAGE})", "",
        paragraph(
            f"{markets} built-in markets of {bars:,} bars with a strong planted edge, 65 % of each "
            "for training. Line: mean over the markets; band: worst to best market. A decision of "
            "the counterfactual table is a candidate row seen once (all 76 actions learn from it; "
            "a later pass over the same rows counts again), of the others an executed decision. "
            "The table begins from expected-value lines, unless it has no prior. A network is "
            "trained afresh for each budget, in the episodes of `--agent dqn|ppo`."
        ),
        "", paragraph(_said(points, fixed)), "",
        "| learner | decisions | held-out bps a candidate, mean | worst .. best market |",
        "|---|---|---|---|",
    ]  # fmt: skip
    for learner in LABELS:
        c = curve_of(points, learner)
        for x, mean, low, high in zip(c.x, c.mean, c.low, c.high, strict=True):
            out.append(f"| {c.label} | {x:,.0f} | {mean:+.2f} | {low:+.2f} .. {high:+.2f} |")
    return "\n".join(out)


def _said(points: list[Point], fixed: float) -> str:
    """What the curves show, in figures."""
    ends = []
    for learner in LABELS:
        c = curve_of(points, learner)
        ends.append(f"{c.label} {c.mean[-1]:+.2f} after {c.x[-1]:,.0f}")
    first = curve_of(points, "counterfactual")
    return (
        f"The table starts at {first.mean[0]:+.2f} bps a candidate after {first.x[0]:,.0f} "
        f"decisions. At the ends: {'; '.join(ends)}. `fixed largest` earns {fixed:+.2f}, skip 0. "
        "Where bands overlap, so few markets do not tell the learners apart."
    )


def picture(points: list[Point]) -> str:
    """The curves as SVG."""
    markets = 1 + max(p.market for p in points)
    fixed = float(np.mean([p.bps for p in points if p.learner == FIXED]))
    words = Picture(
        "Held-out reward by decisions learned from",
        "decisions learned from (repeats counted)", "held-out bps a candidate",
        f"{markets} built-in markets, strong planted edge; line: mean, band: worst to best market",
    )  # fmt: skip
    curves = [curve_of(points, learner) for learner in LABELS]
    return curves_svg(words, curves, [Level("skip", 0.0), Level("fixed largest", fixed)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markets", type=int, default=4)
    parser.add_argument("--bars", type=int, default=17_520)
    parser.add_argument("--most", type=int, default=BUDGETS[-1], help="largest budget of a network")
    parser.add_argument("--json", type=Path, default=None, help="write the figures here")
    parser.add_argument("--from", dest="source", type=Path, default=None, help="read them instead")
    parser.add_argument("--write-docs", action="store_true")
    args = parser.parse_args()
    if args.markets < 1 or args.most < BUDGETS[0]:
        parser.error(f"--markets must be at least 1 and --most at least {BUDGETS[0]}")
    points: list[Point] = []
    bars = args.bars
    if args.source:
        body = json.loads(args.source.read_text(encoding="utf-8"))
        points, bars = [Point(**p) for p in body["points"]], int(body["bars"])
    else:
        start = time.perf_counter()
        for point in measure(args.markets, args.bars, args.most):
            points.append(point)
            sys.stderr.write(f"{time.perf_counter() - start:7.1f} s {point}\n")
            if args.json:
                body = {"bars": args.bars, "points": [asdict(p) for p in points]}
                args.json.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(markdown(points, bars) + "\n")
    if args.write_docs:
        atomic_write_text(DOCS / IMAGE, picture(points))
        write_section(DOCS / "results.md", SECTION, markdown(points, bars))


if __name__ == "__main__":
    main()
