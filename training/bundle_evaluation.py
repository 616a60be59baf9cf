"""Evaluation of a finished bundle on a period of its own choosing."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from rich.console import Console

from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.q_learning import QLearningAgent
from ensemble.crossfit import first_row, votes_of_bundle
from ensemble.store import load_bundle_models
from envs.core.errors import FixData
from envs.core.market_data import MarketData
from envs.core.series import prepare
from envs.core.tape import VoteTable
from envs.market.build import load_market
from runtime.bundle import Bundle, load_bundle
from runtime.settings import Settings, load_settings, replace_run
from training.evaluation import baselines, evaluate
from training.files import write_json
from training.inputs import detail_of, generated, iso
from training.report import print_evaluation, to_json
from training.simulate import Period
from training.sizing import copy_agent
from training.tape import make_tape

_MIN_BARS = 100


def evaluate_bundle(
    folder: Path, settings: Settings, args: argparse.Namespace, console: Console
) -> None:
    """Run the bundle's agent and the baselines from ``--start`` to ``--test-end``.

    Lines, slopes, models and the sizing agent are the bundle's; the weights go on from its state.
    Without ``--start`` the period begins where the bundle's held-out span did.
    """
    bundle = load_bundle(folder)
    market, votes = _market(settings, bundle)
    if market.feature_hash != bundle.feature_hash:
        load_bundle(folder, feature_hash=market.feature_hash)
    data = prepare(market, settings.core)
    tape = make_tape(
        data, votes, settings.core, settings.reinforcement, np.zeros(0, dtype=np.int64),
        bundle.pool_line, bundle.manifest["weight_algorithm"], bundle.manager, bundle.exit_slopes,
    )  # fmt: skip
    first = _first(settings, args, market, bundle)
    last = _last(settings, market)
    if last - first < _MIN_BARS:
        raise FixData(
            f"the period holds {max(0, last - first)} usable bars, {_MIN_BARS} are needed: "
            "choose an earlier --start or a later --test-end"
        )
    period = Period(
        data, tape.signals, votes, tape.candidates, settings.core, bundle.table.preset, first, last,
        settings.sizing.reward,
    )  # fmt: skip
    others = baselines(period, settings.sizing, settings.kelly, None, 0.5, settings.run.seed)
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


def _market(settings: Settings, bundle: Bundle) -> tuple[MarketData, VoteTable]:
    run = settings.run
    if run.is_synthetic:
        return _synthetic(settings, bundle)
    market, _ = load_market(
        Path(run.data).expanduser(), run.symbols, run.timeframe, None, run.test_end_ns,
        funding_default=run.funding == "default", default_rate=settings.core.costs.funding_rate,
        default_mmr=settings.core.costs.default_mmr, settings=settings.market,
        detail=detail_of(settings),
    )  # fmt: skip
    fitted = load_bundle_models(bundle.folder, settings.ensemble, market.feature_hash)
    return market, votes_of_bundle(market, settings.core, fitted)


def _synthetic(settings: Settings, bundle: Bundle) -> tuple[MarketData, VoteTable]:
    """The bars the bundle was trained on, whatever part of them is evaluated.

    A market of another length is another market, so the length is that of the bundle's own run.
    """
    own = load_settings(toml_path=bundle.folder / "config.toml").run
    if own.is_synthetic:
        keep = {"start": own.start, "test_end": own.test_end, "synthetic_bars": own.synthetic_bars}
        settings = replace_run(settings, **keep)
    made = generated(settings)
    return made.market, made.votes


def _last(settings: Settings, market: MarketData) -> int:
    end = settings.run.test_end_ns
    last = market.n_bars - 1
    if end is None or not settings.run.is_synthetic:
        return last
    if end > int(market.close_ns[last]):
        raise FixData(
            f"--test-end {iso(end)}: the built-in market of this bundle ends "
            f"{iso(int(market.close_ns[last]))}"
        )
    return market.row_at(end)


def _first(settings: Settings, args: argparse.Namespace, market: MarketData, bundle: Bundle) -> int:
    start = settings.run.start_ns if args.start is not None else None
    if start is None:
        text = bundle.manifest["spans"]["test_start"].removesuffix("Z")
        start = int(np.datetime64(text, "ns").astype(np.int64))
    trained = bundle.manifest["spans"]["train_end"].removesuffix("Z")
    if start <= int(np.datetime64(trained, "ns").astype(np.int64)):
        raise FixData(
            f"--start {iso(start)} lies inside the bundle's training span, which ends "
            f"{bundle.manifest['spans']['train_end']}: an evaluation there would flatter"
        )
    return max(first_row(market), market.row_at(start))
