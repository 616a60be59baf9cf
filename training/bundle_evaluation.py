"""Evaluation of a finished bundle on a period of its own choosing."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
from rich.console import Console

from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.q_learning import QLearningAgent
from envs.core.errors import FixData
from envs.core.series import MarketSeries, prepare
from envs.core.tape import VoteTable
from runtime.bundle import Bundle, load_bundle
from runtime.settings import Settings
from runtime.signals.market import first_row_of, instant_of, last_row_of, market_of_bundle
from training.evaluation import BEST_CONSTANT, baselines, evaluate, turnover_of
from training.files import write_json
from training.inputs import iso
from training.report import print_evaluation, to_json
from training.simulate import Period, Simulator
from training.sizing import copy_agent
from training.tape import Tape, make_tape

_MIN_BARS = 100


def evaluate_bundle(
    folder: Path, settings: Settings, args: argparse.Namespace, console: Console
) -> None:
    """Run the bundle's agent and the baselines from ``--start`` to ``--test-end``.

    Lines, slopes, models and the sizing agent are the bundle's; the weights go on from its state.
    Without the two options the period is the bundle's held-out span, so that the figures are those
    of its own run; with a later ``--start`` alone it lasts to the last bar.
    """
    bundle = load_bundle(folder)
    start, end = settings.run.start_ns, settings.run.test_end_ns
    # The bundle's own settings hold the dates of its training.
    if args.start is None and "QT_START" not in os.environ:
        start = instant_of(bundle, "test_start")
    if args.test_end is None and "QT_TEST_END" not in os.environ:
        held_out = instant_of(bundle, "test_end")
        end = held_out if (start or 0) < held_out else None
    data, votes, tape = signals_of(bundle, settings, end)
    market = data.market
    first = first_row_of(start or 0, market, bundle)
    last = last_row_of(end, settings.run, market)
    if last - first < _MIN_BARS:
        raise FixData(
            f"the period holds {max(0, last - first)} usable bars, {_MIN_BARS} are needed: "
            "choose an earlier --start or a later --test-end"
        )
    period = Period(
        data, tape.signals, votes, tape.candidates, settings.core, bundle.table.preset, first, last,
        settings.sizing.reward,
    )  # fmt: skip
    own = Simulator(period).run(bundle.shipped)
    others = baselines(
        period, settings.sizing, settings.kelly, _best_constant(bundle), turnover_of(own),
        settings.run.seed,
    )  # fmt: skip
    if bundle.shipped is not bundle.table:
        others.insert(0, bundle.table)
    learning = None
    if isinstance(bundle.table, CounterfactualAgent | QLearningAgent):
        learning = copy_agent(bundle.table, period, settings.sizing)
    result = evaluate(period, bundle.shipped, others, settings.run.seed, learning)
    span = f"{iso(int(market.close_ns[first]))} to {iso(int(market.close_ns[last]))}"
    print_evaluation(console, result, f"{folder}: {', '.join(market.symbols)}, {span}")
    if args.json is not None:
        write_json(args.json, {"bundle": str(folder), "span": span, **to_json(result)})


def signals_of(
    bundle: Bundle, settings: Settings, end_ns: int | None
) -> tuple[MarketSeries, VoteTable, Tape]:
    """Bars, votes and signals of a bundle up to ``end_ns``; its weights go on from its state.

    Raises:
        RefusedArtifact: The bundle's features are not this version's.
    """
    market, votes = market_of_bundle(settings, bundle, end_ns)
    data = prepare(market, settings.core)
    tape = make_tape(
        data, votes, settings.core, settings.reinforcement, np.zeros(0, dtype=np.int64),
        bundle.pool_line, bundle.manifest["weight_algorithm"], bundle.manager, bundle.exit_slopes,
    )  # fmt: skip
    return data, votes, tape


def _best_constant(bundle: Bundle) -> int | None:
    """The constant action that was best over the bundle's training period, as its run names it."""
    metrics = json.loads((bundle.folder / "metrics.json").read_text(encoding="utf-8"))
    names = {policy["name"] for policy in metrics["evaluation"]["policies"]}
    preset = bundle.table.preset
    found = (i for i in range(preset.n) if BEST_CONSTANT.format(preset.label(i)) in names)
    return next(found, None)
