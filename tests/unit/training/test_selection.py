"""Weight algorithms scored on the last fifth of the training votes, and the rule of ``auto``."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from agents.reinforcement.settings import ALGORITHMS, ReinforcementSettings
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from envs.core.types import NS_PER_HOUR, Float64Array
from envs.market.planted import SyntheticMarket, synthetic_market
from envs.market.synthetic import SyntheticSettings
from training.selection import Selection, judge, scored_rows, select
from training.tape import fifth_edges

N = 4_000
WHEN = np.arange(N, dtype=np.int64) * NS_PER_HOUR
RUNS: dict[str, tuple[float, float | None, int]] = {name: (0.0, None, 0) for name in ALGORITHMS}


def losses(**shifts: float) -> dict[str, Float64Array]:
    rng = np.random.default_rng(1)
    common = rng.uniform(0.1, 0.4, N)
    return {name: common + shifts.get(name, 0.01) + rng.normal(0.0, 0.02, N) for name in ALGORITHMS}


def test_the_lowest_score_is_taken_when_uniform_is_clearly_worse() -> None:
    got = judge(losses(exponential=-0.01), WHEN, RUNS)
    assert got.auto == "exponential"
    assert got.scores[0].algorithm == "exponential"
    uniform = next(s for s in got.scores if s.algorithm == "uniform")
    assert uniform.minus_best.low > 0.0
    assert got.taken("auto") == "exponential"
    assert got.taken("aa") == "aa"


def test_uniform_wins_a_tie_and_when_it_is_best() -> None:
    tie = judge(losses(aa=0.0097), WHEN, RUNS)
    assert tie.scores[0].algorithm == "aa"
    assert tie.auto == "uniform"
    assert "not told apart from the best, aa" in tie.reason
    assert judge(losses(uniform=-0.01), WHEN, RUNS).reason == "lowest Brier score"


def test_the_report_says_when_auto_would_have_chosen_otherwise() -> None:
    got = judge(losses(fixed_share=-0.01), WHEN, RUNS)
    assert "auto would have chosen fixed_share" in got.remark("aa")
    assert "as auto would" in got.remark("fixed_share")
    assert "taken by auto" in got.remark("auto")
    assert got.to_json("aa")["auto_differs"]
    assert not got.to_json("auto")["auto_differs"]


def test_without_a_scored_forecast_uniform_is_taken() -> None:
    nothing = {name: np.zeros(0) for name in ALGORITHMS}
    got = judge(nothing, np.zeros(0, dtype=np.int64), RUNS)
    assert got.auto == "uniform"
    assert json.dumps(got.to_json("auto"), allow_nan=False)


@pytest.fixture(scope="module")
def made() -> SyntheticMarket:
    return synthetic_market(SyntheticSettings(n_bars=1_500, seed=8))


def scored(made: SyntheticMarket, last: int) -> Selection:
    core = CoreSettings()
    edges = fifth_edges(1_600, last)
    data = prepare(made.market, core)
    return select(data, made.votes, core, ReinforcementSettings(), edges, last, made.pool_line)


def test_the_scored_votes_are_the_last_fifth_and_end_within_training(made: SyntheticMarket) -> None:
    last = made.market.n_bars - 200
    rows = scored_rows(made.votes, last)
    first = int(np.flatnonzero(made.votes.valid.any(axis=(1, 2)))[0])
    found = np.flatnonzero(rows.any(axis=1))
    assert found[0] == pytest.approx(first + 0.8 * (last - first), abs=2)
    assert made.votes.label_end[rows].max() <= last


def test_every_algorithm_is_scored_and_nothing_held_out_is_read(made: SyntheticMarket) -> None:
    last = made.market.n_bars - 200
    plain = scored(made, last)
    assert {s.algorithm for s in plain.scores} == set(ALGORITHMS)
    assert all(0.15 < s.brier < 0.30 for s in plain.scores)
    by = {s.algorithm: s for s in plain.scores}
    assert by["exponential"].trades > 50
    assert by["aa"].trades == 0
    late = np.arange(made.market.n_bars)[:, None] > last
    unknown = made.votes.label_end > last
    votes = replace(
        made.votes,
        p_up=np.where(late[:, :, None], 0.99, made.votes.p_up),
        y_long=np.where(unknown, 1.0 - made.votes.y_long, made.votes.y_long),
        gross=np.where(unknown, 99.0, made.votes.gross),
    )
    market = replace(
        made.market, high_ticks=np.where(late, made.market.high_ticks * 2, made.market.high_ticks)
    )
    assert scored(replace(made, votes=votes, market=market), last) == plain


def test_weights_pay_where_one_model_is_right_and_the_others_guess(made: SyntheticMarket) -> None:
    """Three models say the opposite of the fourth: equal weights must lose to learned ones."""
    v = made.votes
    truth = np.clip(0.5 + 0.35 * (2.0 * np.nan_to_num(v.y_long) - 1.0), 0.0, 1.0)
    rng = np.random.default_rng(5)
    up = np.repeat(truth[:, :, None], 4, axis=2)
    up[:, :, 1:] = rng.uniform(0.1, 0.9, up[:, :, 1:].shape)
    votes = replace(
        v, p_up=np.where(v.valid, up, np.nan), p_down=np.where(v.valid, 1.0 - up, np.nan)
    )
    got = scored(replace(made, votes=votes), made.market.n_bars - 200)
    by = {s.algorithm: s for s in got.scores}
    assert by["aa"].minus_uniform.high < 0.0
    assert got.auto in ("aa", "fixed_share")
