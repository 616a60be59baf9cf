"""Held-out scores of every weight algorithm, their baselines and the single models (spec 6.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from agents.reinforcement.algorithms import AGGREGATING, EXPONENTIAL
from agents.reinforcement.regret import Regret, bound_of, used
from agents.reinforcement.residue import run_classes
from agents.reinforcement.settings import ReinforcementSettings
from envs.core.tape import VoteTable
from envs.core.types import BoolArray, Float64Array, Int64Array
from training.inputs import Inputs
from training.selection import Selection, forecast_losses, judge
from training.selection import scored_rows as selection_rows
from training.weights_runs import WeightRun, scored_rows
from training.weights_scores import Forecasts, ForecastScore, score
from training.weights_view import bounded, view_forecasts

UNIFORM, CONSTANT, BEST_SINGLE = "uniform", "constant 0.5", "best single"
MARGIN = 1e-4
"""By how much the aggregating family may lie above its rivals."""


@dataclass(frozen=True)
class RegretRow:
    """Loss above the best expert of the pool: in training and in the held-out period.

    ``classes`` is the largest regret of one learner per residue class and symbol over the whole
    period, with the bound that is proved for it; None outside the aggregating family.
    """

    algorithm: str
    training: Regret
    held_out: float
    classes: Regret | None
    classes_brier: float | None


@dataclass(frozen=True)
class FamilyCheck:
    """Whether the aggregating family forecasts at least as well as each rival, plus the margin."""

    brier: float
    rivals: Mapping[str, float]

    @property
    def holds(self) -> bool:
        """Against every rival."""
        return all(self.brier <= x + MARGIN for x in self.rivals.values())


@dataclass(frozen=True)
class WeightsEvaluation:
    """Everything the report shows; scores are of held-out forecasts.

    ``view`` are Brier scores of the same weights used linearly, as the weights view pays them.
    """

    forecasts: int
    best_single: str
    pooled: tuple[ForecastScore, ...]
    models: tuple[ForecastScore, ...]
    view: Mapping[str, float]
    regrets: tuple[RegretRow, ...]
    family: FamilyCheck
    selection: Selection

    def row(self, name: str) -> ForecastScore:
        """Score of one forecaster by name."""
        return next(x for x in (*self.pooled, *self.models) if x.name == name)


def evaluate_weights(
    inputs: Inputs,
    runs: Mapping[str, WeightRun],
    learning: ReinforcementSettings,
    close_ns: Int64Array,
) -> WeightsEvaluation:
    """Score all runs and baselines on the same held-out forecasts.

    Raises:
        FixData: The held-out period has no label.
    """
    votes, spans = inputs.votes, inputs.spans
    held_out = scored_rows(inputs, spans.test_first, spans.test_last)
    single = best_single(votes, scored_rows(inputs, spans.first, spans.train_last))
    tables = {name: (run.p_up, run.p_down) for name, run in runs.items()}
    half = np.full(held_out.shape, 0.5)
    tables[CONSTANT] = half, half
    tables[BEST_SINGLE] = single_forecasts(votes, single)
    taken = {name: taken_rows(votes, *pair, held_out, close_ns) for name, pair in tables.items()}
    losses = {name: x.losses() for name, x in taken.items()}
    pooled = [
        score(name, x, {other: losses[other] for other in (UNIFORM, CONSTANT, BEST_SINGLE)})
        for name, x in taken.items()
    ]
    models = []
    for m, name in enumerate(votes.models):
        own = held_out & votes.valid[:, :, m]
        if own.any():
            stated = votes.p_up[:, :, m], votes.p_down[:, :, m]
            equal = taken_rows(votes, *tables[UNIFORM], own, close_ns).losses()
            models.append(score(name, taken_rows(votes, *stated, own, close_ns), {UNIFORM: equal}))
    return WeightsEvaluation(
        int(held_out.sum()),
        votes.models[single],
        tuple(sorted(pooled, key=lambda x: x.brier)),
        tuple(models),
        {name: _view_brier(votes, run, learning, held_out, close_ns) for name, run in runs.items()},
        tuple(_regret(votes, run, learning, held_out, close_ns) for run in runs.values()),
        family_check({x.name: x.brier for x in pooled}),
        selection_of(inputs, runs, close_ns),
    )


def best_single(votes: VoteTable, rows: BoolArray) -> int:
    """Model with the lowest mean Brier score over both games on its own votes of the rows."""
    found = []
    for m in range(len(votes.models)):
        own = rows & votes.valid[:, :, m]
        miss = forecast_losses(votes, votes.p_up[:, :, m], votes.p_down[:, :, m], own)
        found.append(float(miss.mean()) if miss.size else np.inf)
    return int(np.argmin(found))


def single_forecasts(votes: VoteTable, model: int) -> tuple[Float64Array, Float64Array]:
    """One model's probabilities (T, S); the mean of the others where it abstains."""
    even = np.full((votes.p_up.shape[0], len(votes.models)), 1.0)
    up, down = view_forecasts(votes, even)
    ok = votes.valid[:, :, model]
    return (
        np.where(ok, votes.p_up[:, :, model], up),
        np.where(ok, votes.p_down[:, :, model], down),
    )


def taken_rows(
    votes: VoteTable,
    p_up: Float64Array,
    p_down: Float64Array,
    rows: BoolArray,
    close_ns: Int64Array,
) -> Forecasts:
    """Forecasts and outcomes of the rows (T, S) asked for, in order of time."""
    return Forecasts(
        np.stack([p_up[rows], p_down[rows]]),
        np.stack([votes.y_long[rows], votes.y_short[rows]]),
        close_ns[np.nonzero(rows)[0]],
    )


def family_check(brier: Mapping[str, float]) -> FamilyCheck:
    """Mean of the aggregating family against uniform weights, the other family and 0.5."""

    def mean(names: tuple[str, ...]) -> float:
        return sum(brier[name] for name in names) / len(names)

    rivals = {
        UNIFORM: brier[UNIFORM],
        "exponential family": mean(EXPONENTIAL),
        **{name: brier[name] for name in EXPONENTIAL},
        CONSTANT: brier[CONSTANT],
    }
    return FamilyCheck(mean(AGGREGATING), rivals)


def selection_of(inputs: Inputs, runs: Mapping[str, WeightRun], close_ns: Int64Array) -> Selection:
    """What ``training.selection.select`` finds, from passes that were run already.

    A pass forecasts before it learns, so its training part is the pass that ends with training.
    """
    last = inputs.spans.train_last
    scored = selection_rows(inputs.votes, last)
    losses = {
        name: forecast_losses(inputs.votes, run.p_up, run.p_down, scored)
        for name, run in runs.items()
    }
    found = {}
    for name, run in runs.items():
        regret = run.manager.regret()
        found[name] = (regret.used, regret.bound, int((run.trades <= last).sum()))
    return judge(losses, close_ns[np.nonzero(scored)[0]], found)


def _view_brier(
    votes: VoteTable,
    run: WeightRun,
    learning: ReinforcementSettings,
    rows: BoolArray,
    close_ns: Int64Array,
) -> float:
    weights = bounded(run.weights, learning.min_weight, learning.max_weight)
    up, down = view_forecasts(votes, weights)
    return float(taken_rows(votes, up, down, rows, close_ns).losses().mean())


def _regret(
    votes: VoteTable,
    run: WeightRun,
    learning: ReinforcementSettings,
    rows: BoolArray,
    close_ns: Int64Array,
) -> RegretRow:
    training = Regret(used(run.gap_training), run.manager.regret().bound)
    held_out = used(run.gap_held_out)
    if run.algorithm not in AGGREGATING:
        return RegretRow(run.algorithm, training, held_out, None, None)
    tape = run_classes(votes, replace(learning, algorithm=run.algorithm), run.algorithm)
    worst = int(np.argmax(tape.regret - tape.bound))
    bound = bound_of(run.algorithm, 1, int(tape.rounds[worst]), learning.share)
    losses = taken_rows(votes, tape.p_up, tape.p_down, rows, close_ns).losses()
    return RegretRow(
        run.algorithm, training, held_out, Regret(float(tape.regret[worst]), bound),
        float(losses.mean()),
    )  # fmt: skip
