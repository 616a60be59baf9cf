"""One learner per residue class: the same forecasts as stepping, and the bound for each class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agents.reinforcement.aggregating import run_pool
from agents.reinforcement.pool import AggregatingPool
from agents.reinforcement.regret import aggregating_bound, tracking_bound
from agents.reinforcement.residue import class_votes, run_classes
from agents.reinforcement.settings import ReinforcementSettings
from envs.core.errors import FixInput
from envs.core.tape import VoteTable
from envs.market.planted import synthetic_market
from envs.market.synthetic import SyntheticSettings

SETTINGS = ReinforcementSettings(share=0.01)


@pytest.fixture(scope="module")
def votes() -> VoteTable:
    return synthetic_market(SyntheticSettings(n_bars=900, seed=4)).votes


def test_every_class_is_the_pool_stepped_over_its_own_bars(votes: VoteTable) -> None:
    tape = run_classes(votes, SETTINGS, "aa")
    step, compared = votes.horizon_bars + 1, 0
    for residue, s in ((0, 0), (3, 1), (step - 1, 0)):
        own, waiting = AggregatingPool(SETTINGS, 1, "aa"), None
        for t in range(residue, votes.label_end.shape[0], step):
            if waiting is not None:
                r = waiting
                own.learn(
                    votes.p_up[r : r + 1, s], votes.p_down[r : r + 1, s],
                    votes.y_long[r : r + 1, s], votes.y_short[r : r + 1, s],
                )  # fmt: skip
                waiting = None
            if votes.valid[t, s].any():
                got = own.predict(votes.p_up[t, s], votes.p_down[t, s])
                assert got == (tape.p_up[t, s], tape.p_down[t, s])
                compared += 1
                if votes.label_end[t, s] >= 0 and np.isfinite(votes.y_long[t, s]):
                    waiting = t
    assert compared > 200


@pytest.mark.parametrize("algorithm", ["aa", "fixed_share"])
def test_no_class_exceeds_its_bound(votes: VoteTable, algorithm: str) -> None:
    tape = run_classes(votes, SETTINGS, algorithm)
    symbols = votes.label_end.shape[1]
    assert tape.regret.size == (votes.horizon_bars + 1) * symbols
    assert (tape.regret <= tape.bound).all()
    for bound, rounds in zip(tape.bound.tolist(), tape.rounds.tolist(), strict=True):
        expected = tracking_bound(7, rounds, 0, 0.01) if algorithm == "fixed_share" else None
        assert bound == pytest.approx(expected or aggregating_bound(7))
    assert tape.rounds.sum() == np.isfinite(votes.y_long)[votes.valid.any(axis=2)].sum()


def test_long_blocks_of_one_outcome_keep_the_bound_per_class(votes: VoteTable) -> None:
    """The stream that breaks the bound of one learner for all delayed labels."""
    n, symbols = votes.label_end.shape
    y = np.repeat(np.random.default_rng(0).integers(0, 2, n // 12 + 1), 12)[:n, None]
    y = np.repeat(y.astype(float), symbols, axis=1)
    stated = np.tile([0.05, 0.95, 0.5, 0.5], (n, symbols, 1))
    ends = np.tile(np.minimum(np.arange(n) + votes.horizon_bars, n - 1)[:, None], (1, symbols))
    hard = replace(
        votes, p_up=stated, p_down=1.0 - stated, valid=np.ones_like(votes.valid), y_long=y,
        y_short=1.0 - y, label_end=ends,
    )  # fmt: skip
    tape = run_classes(hard, SETTINGS, "aa")
    assert 0.2 < tape.regret.max() <= aggregating_bound(7)
    # One learner at the same rate for all of them: what it issued is beyond the bound.
    one = run_pool(hard, AggregatingPool(SETTINGS, 1, "aa"))
    ended = np.isfinite(one.expert_loss[:, 0, 0])
    stated = np.flatnonzero(ended) - votes.horizon_bars
    issued = ((one.p_up - y) ** 2).mean(axis=1)[stated[:-1]]
    best = one.expert_loss[ended][:-1, 0].sum(axis=0).min()
    assert issued.sum() - best > aggregating_bound(7)


def test_a_label_beyond_the_horizon_is_refused(votes: VoteTable) -> None:
    ends = votes.label_end.copy()
    row = int(np.flatnonzero(ends[:, 1] >= 0)[5])
    ends[row, 1] = row + votes.horizon_bars + 2
    with pytest.raises(FixInput, match=f"row {row}, symbol 1: ends 10 bars later"):
        run_classes(replace(votes, label_end=ends), SETTINGS, "aa")


def test_labels_of_a_class_end_at_its_next_row(votes: VoteTable) -> None:
    own = class_votes(votes, 2, 1)
    rows = np.arange(2, votes.label_end.shape[0], votes.horizon_bars + 1)
    assert own.label_end.shape == (rows.size + 1, 1)
    known = own.label_end[:, 0] >= 0
    assert np.array_equal(own.label_end[known, 0], np.flatnonzero(known) + 1)
    assert np.array_equal(known[:-1], votes.label_end[rows, 1] >= 0)
    assert np.array_equal(own.p_up[:-1, 0], votes.p_up[rows, 1], equal_nan=True)
