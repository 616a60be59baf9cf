"""Regret bounds of the aggregating algorithm in the immediate game, on any stream."""

from __future__ import annotations

from math import log

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from envs.core.rules import pool

PROBABILITIES = st.floats(0.0, 1.0, width=64)


@st.composite
def games(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    n, rounds = draw(st.integers(2, 7)), draw(st.integers(1, 60))
    experts = draw(arrays(np.float64, (rounds, n), elements=PROBABILITIES))
    return experts, draw(arrays(np.int64, rounds, elements=st.integers(0, 1)))


def play(experts: np.ndarray, outcomes: np.ndarray, share: float) -> float:  # type: ignore[type-arg]
    weights = np.full(experts.shape[1], 1.0 / experts.shape[1])
    total = 0.0
    for p, y in zip(experts, outcomes, strict=True):
        guess = pool.aggregate(p, weights, 2.0)
        total += (guess - y) ** 2
        pool.reweigh(weights, (p - y) ** 2, 2.0, share)
    return total


@given(games())
@settings(max_examples=150)
def test_regret_stays_below_the_bound(game: tuple[np.ndarray, np.ndarray]) -> None:  # type: ignore[type-arg]
    experts, outcomes = game
    best = float(((experts - outcomes[:, None]) ** 2).sum(axis=0).min())
    assert play(experts, outcomes, 0.0) <= best + log(experts.shape[1]) / 2.0 + 1e-9


@given(games(), st.integers(0, 3), st.integers(0, 2**32 - 1))
@settings(max_examples=150)
def test_fixed_share_tracks_switching_experts(
    game: tuple[np.ndarray, np.ndarray],
    switches: int,
    seed: int,  # type: ignore[type-arg]
) -> None:
    experts, outcomes = game
    rounds, n = experts.shape
    share = 0.01
    rng = np.random.default_rng(seed)
    cuts = np.sort(rng.integers(0, rounds, switches))
    path = np.searchsorted(cuts, np.arange(rounds), side="right")
    chosen = rng.integers(0, n, switches + 1)[path]
    k = int(np.count_nonzero(chosen[1:] != chosen[:-1]))
    loss = float(((experts[np.arange(rounds), chosen] - outcomes) ** 2).sum())
    stay = (rounds - 1 - k) * log(1.0 - share + share / n)
    bound = (log(n) + k * log(n / share) - stay) / 2.0
    assert play(experts, outcomes, share) <= loss + bound + 1e-9
