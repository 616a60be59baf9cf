"""Table, DQN and PPO trained on the same tape and judged on the same held-out candidates.

    python benchmarks/agents_compare.py [--timesteps N ...] [--bars N] [--seeds N] [--json FILE]

Prints a Markdown table: mean decision reward a candidate, the difference to the table with its
interval, the reward on the training period (what was learned by heart), wall time and speed. The
market is the built-in one, so the planted edge is known to be there.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agents.baselines import EvKelly, FixedLargest, Skip, fixed_1x
from agents.deep.settings import DeepSettings
from agents.protocol import SizingAgent
from agents.settings import SizingSettings
from envs.core.actions import preset
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from envs.core.types import Int64Array
from envs.defaults import uniform_tape
from envs.market.planted import synthetic_market
from envs.market.synthetic import SyntheticSettings
from training.deep import WishCount, train_deep
from training.scores import Interval, bootstrap_difference
from training.simulate import Period, PolicyRun, Simulator
from training.sizing import train
from training.tape import _candidate_rows

TRAIN_SHARE = 0.65
EMBARGO = 100
HEAD = (
    "policy", "seed", "bps/cand.", "minus table (95 %)", "bps/cand. in training", "trades",
    "decisions", "train s", "decisions/s",
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One trained or fixed policy; rewards in bps of equity a candidate."""

    policy: str
    seed: int
    held_out_bps: float
    minus_table: Interval | None
    training_bps: float
    trades: int
    timesteps: int
    seconds: float
    per_second: float
    masked_wishes: float


def periods(bars: int, seed: int) -> tuple[Period, Period, Int64Array]:
    settings = SyntheticSettings(n_bars=bars, seed=seed)
    made = synthetic_market(settings)
    core = CoreSettings()
    data = prepare(made.market, core)
    tape = uniform_tape(made.market, made.votes, made.pool_line, made.exit_slopes)
    found = _candidate_rows(data, core, tape.candidate, tape.side)
    first, last = settings.warmup_bars, made.market.n_bars - 1
    cut = first + int((last - first) * TRAIN_SHARE)
    training = Period(data, tape, made.votes, found, core, preset("full"), first, cut)
    held_out = replace(training, first=cut + EMBARGO, last=last)
    return training, held_out, made.market.close_ns[found.rows[held_out.rows()]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--timesteps", type=int, nargs="+", default=[200_000, 1_000_000])
    parser.add_argument("--bars", type=int, default=17_520)
    parser.add_argument("--passes", type=int, default=3, help="passes of the table")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--json", type=Path, default=None)
    args = parser.parse_args()
    training, held_out, when = periods(args.bars, 0)
    lines = compare(training, held_out, when, args)
    sys.stdout.write(markdown(lines) + "\n")
    if args.json:
        body = {
            "bars": args.bars, "training_candidates": int(training.rows().size),
            "held_out_candidates": int(held_out.rows().size), "lines": [asdict(x) for x in lines],
        }  # fmt: skip
        args.json.write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")


def compare(training: Period, held_out: Period, when: Int64Array, args: Any) -> list[Line]:
    sim, past = Simulator(held_out), Simulator(training)
    sizing = SizingSettings()
    start = time.perf_counter()
    table, _ = train(training, sizing, args.passes, 0, None)
    seconds = time.perf_counter() - start
    reference = sim.run(table)
    rows = args.passes * int(training.rows().size)

    def line(
        name: str, agent: SizingAgent, run: PolicyRun, seed: int, steps: int, took: float,
        speed: float, wishes: float = 0.0,
    ) -> Line:  # fmt: skip
        versus = None
        if run is not reference:
            versus = bootstrap_difference(run.reward, reference.reward, when, seed)
        return Line(
            name, seed, 1e4 * float(run.reward.mean()), versus,
            1e4 * float(past.run(agent).reward.mean()), int(run.executed.sum()), steps,
            round(took, 1), speed, wishes,
        )  # fmt: skip

    lines = [line("table", table, reference, 0, rows, seconds, rows / seconds)]
    fixed: list[SizingAgent] = [
        Skip(held_out.preset), fixed_1x(held_out.preset), FixedLargest(held_out.preset),
        EvKelly(held_out.preset, sizing),
    ]  # fmt: skip
    lines += [line(a.name, a, sim.run(a), 0, 0, 0.0, 0.0) for a in fixed]
    for algorithm in ("dqn", "ppo"):
        for steps in args.timesteps:
            for seed in range(args.seeds):
                deep = replace(DeepSettings(), timesteps=steps)
                agent, took = train_deep(training, algorithm, deep, seed)
                counted = WishCount(agent)
                run = sim.run(counted)
                lines.append(
                    line(
                        algorithm, agent, run, seed, took.timesteps, took.seconds,
                        took.steps_per_second, counted.share,
                    )
                )  # fmt: skip
                sys.stderr.write(f"{lines[-1]}\n")
    return lines


def markdown(lines: list[Line]) -> str:
    out = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    for x in lines:
        gap = "-"
        if x.minus_table is not None:
            low, high = 1e4 * x.minus_table.low, 1e4 * x.minus_table.high
            gap = f"{1e4 * x.minus_table.mean:+.2f} [{low:+.2f}, {high:+.2f}]"
        cells = [
            x.policy, str(x.seed), f"{x.held_out_bps:+.2f}", gap, f"{x.training_bps:+.2f}",
            str(x.trades), f"{x.timesteps:,}" if x.timesteps else "-",
            f"{x.seconds:.1f}" if x.timesteps else "-",
            f"{x.per_second:,.0f}" if x.timesteps else "-",
        ]  # fmt: skip
        out.append("| " + " | ".join(cells) + " |")
    return "\n".join(out)


if __name__ == "__main__":
    main()
