"""Probability of backtest overfitting on strategies whose skill is known."""

from __future__ import annotations

from itertools import combinations
from math import log

import numpy as np
import pytest

from envs.core.errors import FixInput
from training.statistics_overfitting import overfitting_probability, splits


def test_skill_that_lasts_is_not_overfitted() -> None:
    returns = np.random.default_rng(1).standard_normal((800, 20))
    returns[:, 7] += 0.5
    assert overfitting_probability(returns) == 0.0


def test_gains_that_turn_round_are_overfitted() -> None:
    rng = np.random.default_rng(2)
    returns = 0.05 * rng.standard_normal((800, 8))
    for k in range(8):
        returns[:, k] -= 0.1
        returns[100 * k : 100 * (k + 1), k] += 0.8
    assert overfitting_probability(returns) > 0.9


@pytest.mark.parametrize("strategies", [2, 3, 4, 5, 9])
def test_it_is_the_share_of_splits_whose_best_ranks_in_the_lower_half(strategies: int) -> None:
    """Written once more, split by split: the logit of the best one's rank is at most 0."""
    for seed in range(5):
        returns = np.random.default_rng(seed).standard_normal((48, strategies))
        below = 0
        for chosen in combinations(range(6), 3):
            rows = np.repeat(np.isin(np.arange(6), chosen), 8)
            inside, outside = (
                part.mean(axis=0) / part.std(axis=0) for part in (returns[rows], returns[~rows])
            )
            rank = 1 + sorted(outside).index(outside[inside.argmax()])
            share = rank / (strategies + 1)
            below += log(share / (1.0 - share)) <= 1e-12
        assert overfitting_probability(returns, 6) == below / 20


def test_a_trailing_rest_is_left_out() -> None:
    returns = np.random.default_rng(3).standard_normal((405, 10))
    assert overfitting_probability(returns) == overfitting_probability(returns[:400])


@pytest.mark.parametrize(
    ("shape", "blocks"), [((100, 5), 7), ((100, 5), 0), ((100, 1), 8), ((15, 5), 8), ((100, 5), -2)]
)
def test_what_cannot_be_split_is_refused(shape: tuple[int, int], blocks: int) -> None:
    with pytest.raises(FixInput, match=f"overfitting: {blocks} blocks of returns"):
        overfitting_probability(np.zeros(shape), blocks)


def test_counts_of_splits() -> None:
    assert [splits(n) for n in (2, 4, 8, 16)] == [2, 6, 70, 12_870]
