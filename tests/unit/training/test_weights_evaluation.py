"""Passes and held-out scores of the weight algorithms: causal, equal to the main job's choice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agents.reinforcement.algorithms import AGGREGATING
from agents.reinforcement.regret import used
from agents.reinforcement.settings import ALGORITHMS
from envs.core.series import prepare
from runtime.settings import Settings, load_settings
from training.inputs import Inputs, load_inputs
from training.selection import select
from training.weights_evaluation import (
    best_single,
    evaluate_weights,
    family_check,
    selection_of,
    single_forecasts,
)
from training.weights_runs import WeightRun, run_all, run_one, scored_rows


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(environ={"QT_SYNTHETIC_BARS": "2000", "QT_SEED": "3"})


@pytest.fixture(scope="module")
def inputs(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return load_inputs(settings, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def runs(
    settings: Settings, inputs: Inputs, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, WeightRun]:
    data = prepare(inputs.market, settings.core)
    folder = tmp_path_factory.mktemp("run")
    told: list[tuple[str, bool]] = []
    first = run_all(inputs, data, settings, folder, lambda *x: told.append(x))
    again = run_all(inputs, data, settings, folder, lambda *x: told.append(x))
    assert told == [(name, known) for known in (False, True) for name in ALGORITHMS]
    for name, run in first.items():
        assert np.array_equal(run.p_up, again[name].p_up, equal_nan=True)
        assert np.array_equal(run.posterior, again[name].posterior)
        assert again[name].manager.get_diagnostics() == run.manager.get_diagnostics()
    return again


def test_the_choice_of_auto_is_the_main_jobs(
    settings: Settings, inputs: Inputs, runs: dict[str, WeightRun]
) -> None:
    data = prepare(inputs.market, settings.core)
    expected = select(
        data, inputs.votes, settings.core, settings.reinforcement, inputs.edges,
        inputs.spans.train_last, inputs.first_line,
    )  # fmt: skip
    assert selection_of(inputs, runs, inputs.market.close_ns) == expected


def test_what_was_learned_in_training_knows_nothing_of_the_held_out_period(
    settings: Settings, inputs: Inputs, runs: dict[str, WeightRun], tmp_path: Path
) -> None:
    votes, last = inputs.votes, inputs.spans.train_last
    late = np.arange(inputs.market.n_bars)[:, None] > last
    unknown = votes.label_end > last
    other = replace(
        inputs,
        votes=replace(
            votes,
            p_up=np.where(late[:, :, None], 0.9, votes.p_up),
            y_long=np.where(unknown, 1.0 - votes.y_long, votes.y_long),
            y_short=np.where(unknown, 1.0 - votes.y_short, votes.y_short),
        ),
    )
    data = prepare(inputs.market, settings.core)
    for name in ("aa", "exponential"):
        changed = run_one(name, other, data, settings)
        assert changed.manager.get_diagnostics() == runs[name].manager.get_diagnostics()
        assert np.array_equal(changed.gap_training, runs[name].gap_training)
        assert not np.array_equal(changed.gap_held_out, runs[name].gap_held_out)
    rows = scored_rows(inputs, inputs.spans.first, last)
    assert np.array_equal(rows, scored_rows(other, inputs.spans.first, last))
    assert best_single(votes, rows) == best_single(other.votes, rows)


def test_another_markets_passes_are_not_taken_over(
    settings: Settings, inputs: Inputs, tmp_path: Path
) -> None:
    data = prepare(inputs.market, settings.core)
    run_all(inputs, data, settings, tmp_path, lambda *_: None)
    told: list[bool] = []
    y = inputs.votes.y_long
    other = replace(inputs, votes=replace(inputs.votes, y_long=1.0 - y))
    run_all(other, data, settings, tmp_path, lambda _, known: told.append(known))
    assert told == [False] * len(ALGORITHMS)


def test_held_out_scores(inputs: Inputs, settings: Settings, runs: dict[str, WeightRun]) -> None:
    close_ns = inputs.market.close_ns
    got = evaluate_weights(inputs, runs, settings.reinforcement, close_ns)
    rows = scored_rows(inputs, inputs.spans.test_first, inputs.spans.test_last)
    votes = inputs.votes
    assert got.forecasts == rows.sum() > 500
    assert np.nonzero(rows)[0].min() >= inputs.spans.test_first
    for name, run in runs.items():
        up = np.mean((run.p_up[rows] - votes.y_long[rows]) ** 2)
        down = np.mean((run.p_down[rows] - votes.y_short[rows]) ** 2)
        assert got.row(name).brier == pytest.approx((up + down) / 2)
    # Linear algorithms forecast in the view what they forecast.
    for name in ("uniform", "exponential"):
        assert got.view[name] == pytest.approx(got.row(name).brier, abs=1e-12)
    for row in got.regrets:
        assert (row.classes is not None) == (row.algorithm in AGGREGATING)
        if row.classes is not None and row.classes.bound is not None:
            assert row.classes.used <= row.classes.bound
    mean = np.mean([got.row(name).brier for name in AGGREGATING])
    assert got.family.brier == pytest.approx(mean)


def test_regret_of_the_passes_is_that_of_the_forecasts_as_issued(
    inputs: Inputs, runs: dict[str, WeightRun]
) -> None:
    """Against the constant expert it can be reckoned from the forecasts alone."""
    votes, run, constant = inputs.votes, runs["aa"], 4
    for rows, gap in (
        (slice(0, inputs.spans.train_last + 1), run.gap_training),
        (slice(inputs.spans.train_last + 1, None), run.gap_held_out),
    ):
        ends = np.arange(inputs.market.n_bars)[rows]
        total = 0.0
        for t in ends.tolist():
            due = (votes.label_end == t) & votes.valid.any(axis=2)
            if due.any():
                total += float(np.mean((run.p_up[due] - votes.y_long[due]) ** 2)) - 0.25
        assert gap[0, constant] == pytest.approx(total, abs=1e-9)
    assert used(run.gap_training) >= run.gap_training[0, constant]


def test_a_single_model_that_abstains_leaves_the_forecast_to_the_others(inputs: Inputs) -> None:
    valid = inputs.votes.valid.copy()
    row = int(np.flatnonzero(valid[:, 0].all(axis=1))[3])
    valid[row, 0, 2] = False
    votes = replace(inputs.votes, valid=valid)
    up, _ = single_forecasts(votes, 2)
    assert up[row, 0] == pytest.approx(votes.p_up[row, 0, [0, 1, 3]].mean())
    assert up[row, 1] == votes.p_up[row, 1, 2]


def test_the_family_is_held_to_each_rival() -> None:
    even = dict.fromkeys((*ALGORITHMS, "constant 0.5"), 0.25)
    assert family_check(even).holds
    assert family_check({**even, "aa": 0.2501}).holds
    for rival in ("uniform", "exponential", "platt_exponential", "constant 0.5"):
        assert not family_check({**even, rival: 0.2498}).holds
