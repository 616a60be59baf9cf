"""Table, DQN and PPO trained on the same tape and judged on the same held-out candidates.

    python benchmarks/agents_compare.py [--data DIR] [--timesteps N ...] [--seeds N] [--write-docs]

Prints a Markdown table: mean decision reward a candidate, the difference to the table with its
interval, the reward on the training period (what was learned by heart), wall time and speed. The
market is the built-in one, whose planted edge is known to be there, or with ``--data`` the real
bars of 2020 to 2024, the last year held out. ``--write-docs`` writes a section of
``docs/results.md``; ``--from FILE`` takes the figures of an earlier ``--json``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agents.baselines import EvKelly, FixedLargest, Skip, fixed_1x
from agents.deep.agent import ALGORITHMS
from agents.deep.settings import DeepSettings
from agents.protocol import SizingAgent
from agents.settings import SizingSettings
from benchmarks.docs_section import DOCS, paragraph, write_section
from envs.core.actions import preset
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from envs.core.types import Int64Array
from envs.defaults import uniform_tape
from envs.market.planted import synthetic_market
from envs.market.synthetic import SyntheticSettings
from runtime.settings import load_settings
from training.cli import cache_folder
from training.deep import WishCount, train_deep
from training.inputs import load_inputs
from training.scores import Interval, bootstrap_difference
from training.simulate import Period, PolicyRun, Simulator
from training.sizing import train
from training.tape import candidate_rows, make_tape

TRAIN_SHARE = 0.65
EMBARGO = 100
REAL = {
    "symbols": "BTCUSDT,ETHUSDT,XRPUSDT,LTCUSDT", "start": "2020-01-01", "train_end": "2024-01-01",
    "test_end": "2025-01-01",
}  # fmt: skip
HEAD = (
    "policy", "seed", "bps/cand.", "minus table (95 %)", "bps/cand. in training", "trades",
    "decisions", "train s", "decisions/s",
)  # fmt: skip
SECTIONS = {False: "Deep baselines: the built-in market", True: "Deep baselines: real bars"}


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


@dataclass(frozen=True)
class Result:
    """All lines of one market, and how much there was to learn from."""

    real: bool
    bars: int
    training_candidates: int
    held_out_candidates: int
    passes: int
    lines: list[Line]


def periods(bars: int, seed: int) -> tuple[Period, Period, Int64Array]:
    settings = SyntheticSettings(n_bars=bars, seed=seed)
    made = synthetic_market(settings)
    core = CoreSettings()
    data = prepare(made.market, core)
    tape = uniform_tape(made.market, made.votes, made.pool_line, made.exit_slopes)
    found = candidate_rows(data, core, tape.candidate, tape.side)
    first, last = settings.warmup_bars, made.market.n_bars - 1
    cut = first + int((last - first) * TRAIN_SHARE)
    training = Period(data, tape, made.votes, found, core, preset("full"), first, cut)
    held_out = replace(training, first=cut + EMBARGO, last=last)
    return training, held_out, made.market.close_ns[found.rows[held_out.rows()]]


def real_periods(folder: Path) -> tuple[Period, Period, Int64Array]:
    """The periods of the main job on real bars; votes come from its cache or are fitted."""
    settings = load_settings(argv_options={"data": str(folder), **REAL})
    inputs = load_inputs(settings, cache_folder(), lambda text: sys.stderr.write(text + "\n"))
    core, spans = settings.core, inputs.spans
    data = prepare(inputs.market, core)
    tape = make_tape(
        data, inputs.votes, core, settings.reinforcement, inputs.edges, inputs.first_line, "aa",
        None, inputs.first_slopes,
    )  # fmt: skip
    training = Period(
        data, tape.signals, inputs.votes, tape.candidates, core, preset("full"), spans.first,
        spans.train_last,
    )  # fmt: skip
    held_out = replace(training, first=spans.test_first, last=spans.test_last)
    return training, held_out, inputs.market.close_ns[tape.candidates.rows[held_out.rows()]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=None, help="folder of real bars")
    parser.add_argument("--timesteps", type=int, nargs="+", default=[200_000, 1_000_000])
    parser.add_argument("--bars", type=int, default=17_520, help="of the built-in market")
    parser.add_argument("--passes", type=int, default=3, help="passes of the table")
    parser.add_argument("--seeds", type=int, default=1, help="networks of each kind")
    parser.add_argument("--json", type=Path, default=None, help="write the figures here")
    parser.add_argument("--from", dest="source", type=Path, default=None, help="read them instead")
    parser.add_argument("--write-docs", action="store_true")
    args = parser.parse_args()
    if min(args.passes, args.seeds, *args.timesteps) < 1:
        parser.error("--passes, --seeds and --timesteps must be at least 1")
    result = _read(args.source) if args.source else measure(args)
    sys.stdout.write(markdown(result) + "\n")
    if args.json:
        args.json.write_text(json.dumps(asdict(result), indent=2) + "\n", encoding="utf-8")
    if args.write_docs:
        write_section(DOCS / "results.md", SECTIONS[result.real], markdown(result))


def measure(args: argparse.Namespace) -> Result:
    """Train and judge everything on one market."""
    if args.data:
        training, held_out, when = real_periods(args.data)
        bars = training.data.market.n_bars
    else:
        training, held_out, when = periods(args.bars, 0)
        bars = args.bars
    lines = compare(training, held_out, when, args)
    return Result(
        args.data is not None, bars, int(training.rows().size),
        int(held_out.rows().size), args.passes, lines,
    )  # fmt: skip


def _read(path: Path) -> Result:
    body = json.loads(path.read_text(encoding="utf-8"))
    lines = []
    for x in body.pop("lines"):
        versus = x.pop("minus_table")
        lines.append(Line(**x, minus_table=None if versus is None else Interval(**versus)))
    return Result(**body, lines=lines)


def compare(
    training: Period, held_out: Period, when: Int64Array, args: argparse.Namespace
) -> list[Line]:
    sim, past = Simulator(held_out), Simulator(training)
    sizing = SizingSettings()
    # Compiling is no part of the figures.
    part = replace(training, last=min(training.last, training.first + 2_000))
    train(part, sizing, 1, 0, None)
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


def markdown(result: Result) -> str:
    """The section: command, what was measured, the table, and how often masks interfered."""
    where = "--data DIR " if result.real else ""
    seeds = 1 + max(x.seed for x in result.lines)
    market = "The main job's real bars and votes" if result.real else "The built-in market"
    wishes = max(x.masked_wishes for x in result.lines)
    out = [
        "```", f"python benchmarks/agents_compare.py {where}--seeds {seeds} --write-docs", "```",
        "",
        paragraph(
            f"{market}, {result.bars:,} bars: {result.training_candidates:,} candidates to train "
            f"on, {result.held_out_candidates:,} held out. The table passes {result.passes} times "
            "over the former and learns all actions of each; a network's decisions are steps of "
            "its environments. The same tape, costs, masks and accounts for all; one core. In at "
            f"most {100 * wishes:.2f} % of its held-out decisions a network wished for a masked "
            "action."
        ),
        "", "| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD),
    ]  # fmt: skip
    return "\n".join([*out, *(_row(x) for x in result.lines), "", paragraph(_verdict(result))])


def _verdict(result: Result) -> str:
    """How many networks differ from the table with the whole interval."""
    gaps = [x.minus_table for x in result.lines if x.policy in ALGORITHMS and x.minus_table]
    below, above = sum(g.high < 0.0 for g in gaps), sum(g.low > 0.0 for g in gaps)
    return (
        f"Of {len(gaps)} networks {below} earn less than the table with the whole interval below "
        f"zero, {above} more with the whole interval above it."
    )


def _row(x: Line) -> str:
    gap = "-"
    if x.minus_table is not None:
        low, high = 1e4 * x.minus_table.low, 1e4 * x.minus_table.high
        gap = f"{1e4 * x.minus_table.mean:+.2f} [{low:+.2f}, {high:+.2f}]"
    trained = [f"{x.timesteps:,}", f"{x.seconds:.1f}", f"{x.per_second:,.0f}"]
    cells = [
        x.policy, str(x.seed), f"{x.held_out_bps:+.2f}", gap, f"{x.training_bps:+.2f}",
        str(x.trades), *(trained if x.timesteps else ["-"] * 3),
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
