"""One causal pass per weight algorithm, kept in the run folder so that a resumed run goes on.

A pass runs over the whole period: its training part ends in the checkpoint of the manager, and the
held-out part goes on from there, still forecasting before it learns.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from agents.reinforcement.algorithms import EXPONENTIAL
from agents.reinforcement.calibration import scalers_of
from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.settings import ALGORITHMS
from envs.artifact import load_artifact, save_artifact
from envs.core.errors import RefusedArtifact
from envs.core.series import MarketSeries
from envs.core.types import MODEL_NAMES, BoolArray, Float64Array, Int64Array
from runtime.settings import Settings
from training.inputs import Inputs
from training.reference import ReferenceTrades
from training.weights import gap_of, reference_of, run_weights, with_issued_losses

SCHEMA_NAME = "weight-pass"
SCHEMA_VERSION = 1
_POINTS = 400
EXPERTS = (*MODEL_NAMES, "constant", "mean", "log_pool")


@dataclass(frozen=True)
class WeightRun:
    """What one algorithm forecast, and where it stood on the way.

    Attributes:
        p_up, p_down: (T, S) pooled probabilities as of each bar; ``weights`` (T, 4).
        loss: (T, 2) mean squared error per game of the labels that ended at a bar, NaN without.
        gap_training, gap_held_out: (2, 7) cumulative loss of the forecasts as they were issued
            above each expert of the pool.
        rows: (K,) rows of the path; ``posterior`` (K, 2, 7), ``scalers`` (K, 4) at them.
        trades: (J,) rows at which its reference trades were entered.
        manager: stands as of the end of training.
    """

    algorithm: str
    p_up: Float64Array
    p_down: Float64Array
    weights: Float64Array
    loss: Float64Array
    gap_training: Float64Array
    gap_held_out: Float64Array
    rows: Int64Array
    posterior: Float64Array
    scalers: Float64Array
    trades: Int64Array
    seconds: float
    manager: ReinforcementManager


_ARRAYS = (
    "p_up", "p_down", "weights", "loss", "gap_training", "gap_held_out", "rows", "posterior",
    "scalers", "trades",
)  # fmt: skip


def run_all(
    inputs: Inputs,
    data: MarketSeries,
    settings: Settings,
    folder: Path,
    on_done: Callable[[str, bool], None],
) -> dict[str, WeightRun]:
    """Run every algorithm, or take over those the folder holds from before an interruption.

    ``on_done`` is told the algorithm and whether it was taken over.
    """
    out: dict[str, WeightRun] = {}
    reference: ReferenceTrades | None = None
    for name in ALGORITHMS:
        known = _load(folder, name, settings, inputs)
        if known is None:
            if name in EXPONENTIAL and reference is None:
                reference = reference_of(data, inputs.votes, settings.core)
            known = run_one(name, inputs, data, settings, reference)
            _save(folder, known, settings, inputs)
            out[name] = known
            on_done(name, False)
        else:
            out[name] = known
            on_done(name, True)
    return out


def run_one(
    name: str,
    inputs: Inputs,
    data: MarketSeries,
    settings: Settings,
    reference: ReferenceTrades | None = None,
) -> WeightRun:
    """Run one algorithm over the whole period."""
    begun = time.perf_counter()
    learning = replace(settings.reinforcement, algorithm=name)
    manager = ReinforcementManager(learning, inputs.votes.horizon_bars)
    made = run_weights(
        data, inputs.votes, settings.core, manager, inputs.edges, inputs.first_line, reference
    )
    pool, after = with_issued_losses(inputs.votes, made.pool), inputs.spans.train_last + 1
    rows = np.arange(0, inputs.market.n_bars, max(1, inputs.market.n_bars // _POINTS))
    trained, whole = gap_of(pool, after), gap_of(pool, inputs.market.n_bars)
    return WeightRun(
        name,
        pool.p_up,
        pool.p_down,
        pool.weights,
        pool.loss,
        trained,
        whole - trained,
        rows,
        pool.posterior[rows],
        scalers_of(pool.excess[rows], learning.kappa),
        np.ascontiguousarray(made.trades[:, 0]),
        time.perf_counter() - begun,
        made.manager,
    )


def scored_rows(inputs: Inputs, first: int, last: int) -> BoolArray:
    """Forecasts (T, S) with a vote, stated in rows first .. last, whose labels end by ``last``."""
    votes = inputs.votes
    known = votes.valid.any(axis=2) & np.isfinite(votes.y_long) & np.isfinite(votes.y_short)
    known &= (votes.label_end >= 0) & (votes.label_end <= last)
    known[:first] = False
    known[last + 1 :] = False
    return np.asarray(known)


def _paths(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / "passes" / f"{name}.json", folder / "passes" / f"{name}.manager.json"


def _save(folder: Path, run: WeightRun, settings: Settings, inputs: Inputs) -> None:
    path, manager = _paths(folder, run.algorithm)
    stamp: dict[str, Any] = {
        "config_hash": settings.config_hash(),
        "feature_schema_hash": inputs.market.feature_hash,
    }
    run.manager.checkpoint(manager, **stamp)
    save_artifact(
        path, schema_name=SCHEMA_NAME, schema_version=SCHEMA_VERSION,
        payload={
            "algorithm": run.algorithm, "seconds": run.seconds, "votes": inputs.votes.digest(),
        },
        arrays={name: getattr(run, name) for name in _ARRAYS}, **stamp,
    )  # fmt: skip


def _load(folder: Path, name: str, settings: Settings, inputs: Inputs) -> WeightRun | None:
    """A finished pass over the same votes; None where there is none that can be used."""
    path, manager = _paths(folder, name)
    if not path.exists():
        return None
    features = inputs.market.feature_hash
    try:
        found = load_artifact(
            path, schema_name=SCHEMA_NAME, max_version=SCHEMA_VERSION, feature_schema_hash=features
        )
        learned = ReinforcementManager.load(manager, feature_schema_hash=features)
    except RefusedArtifact:
        return None
    same = found.payload["votes"] == inputs.votes.digest()
    if not same or found.config_hash != settings.config_hash():
        return None
    arrays = {x: found.array(x) for x in _ARRAYS}
    return WeightRun(name, **arrays, seconds=found.payload["seconds"], manager=learned)
