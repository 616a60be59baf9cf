"""Regret bounds of the aggregating algorithm, immediate and delayed, on any stream."""

from __future__ import annotations

from math import log

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.pool import AggregatingPool
from agents.reinforcement.regret import aggregating_bound, tracking_bound
from agents.reinforcement.settings import ReinforcementSettings
from envs.core.rules import pool
from envs.core.trade import ResolvedLabel

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
    bound = tracking_bound(n, rounds, k, share)
    assert play(experts, outcomes, share) <= loss + bound + 1e-9


@st.composite
def votes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Stated probabilities (T, S, 4), some models asleep, and outcomes (T, S)."""
    rounds, symbols = draw(st.integers(1, 40)), draw(st.integers(1, 3))
    stated = draw(arrays(np.float64, (rounds, symbols, 4), elements=PROBABILITIES))
    return stated, draw(arrays(np.int64, (rounds, symbols), elements=st.integers(0, 1)))


@given(votes(), st.sampled_from(["aa", "fixed_share"]))
@settings(max_examples=100, deadline=None)
def test_the_managers_regret_stays_below_its_bound(
    drawn: tuple[np.ndarray, np.ndarray],  # type: ignore[type-arg]
    algorithm: str,
) -> None:
    """Horizon 1: Platt, seven experts, several symbols a bar, as the manager runs them."""
    stated, outcomes = drawn
    m = ReinforcementManager(ReinforcementSettings(algorithm=algorithm, share=0.01), 1)
    for t in range(stated.shape[0]):
        m.learn_labels(
            [
                ResolvedLabel(str(s), t, t + 1, p, 1.0 - p, int(y), 1 - int(y))
                for s, (p, y) in enumerate(zip(stated[t], outcomes[t], strict=True))
            ]
        )
    got = m.regret()
    assert got.bound is not None
    assert got.used <= got.bound + 1e-9


@given(votes(), st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_the_bound_holds_for_each_expert_over_the_rounds_it_is_awake(
    drawn: tuple[np.ndarray, np.ndarray],  # type: ignore[type-arg]
    seed: int,
) -> None:
    """One symbol, models that abstain at random: a sleeper keeps its weight and is not judged."""
    stated, outcomes = drawn
    asleep = np.random.default_rng(seed).random(stated[:, 0].shape) < 0.4
    asleep[asleep.all(axis=1), 0] = False
    m = ReinforcementManager(ReinforcementSettings(), 1)
    for t, y in enumerate(outcomes[:, 0].tolist()):
        p = np.where(asleep[t], np.nan, stated[t, 0])
        m.learn_label(ResolvedLabel("A", t, t + 1, p, 1.0 - p, y, 1 - y))
    assert m.regret().used <= aggregating_bound(pool.N_EXPERTS) + 1e-9


def delayed_regret(
    stated: np.ndarray,  # type: ignore[type-arg]
    outcomes: np.ndarray,  # type: ignore[type-arg]
    horizon: int,
    classes: bool,
) -> float:
    """Largest regret over the learners when labels end ``horizon`` bars later, eta 2."""
    learners: dict[tuple[int, int], AggregatingPool] = {}
    ours: dict[tuple[int, int], float] = {}
    theirs: dict[tuple[int, int], np.ndarray] = {}  # type: ignore[type-arg]
    issued: dict[tuple[int, int], float] = {}
    for t in range(stated.shape[0] + horizon):
        for s in range(stated.shape[1]):
            key = (t % (horizon + 1), s) if classes else (0, s)
            old = ((t - horizon) % (horizon + 1), s) if classes else (0, s)
            if t >= horizon:
                p, y = stated[t - horizon, s], float(outcomes[t - horizon, s])
                one = learners[old]
                one.learn(p[None], 1.0 - p[None], np.array([y]), np.array([1.0 - y]))
                ours[old] = ours.get(old, 0.0) + (issued[t - horizon, s] - y) ** 2
                theirs[old] = theirs.get(old, np.zeros(pool.N_EXPERTS)) + one.losses[0]
            if t < stated.shape[0]:
                fresh = AggregatingPool(ReinforcementSettings(), 1, "aa")
                learner = learners.setdefault(key, fresh)
                issued[t, s] = learner.predict(stated[t, s], 1.0 - stated[t, s])[0]
    return max(ours[k] - float(theirs[k].min()) for k in ours)


@given(votes(), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_a_learner_per_residue_class_restores_the_bound_for_delayed_labels(
    drawn: tuple[np.ndarray, np.ndarray],  # type: ignore[type-arg]
    horizon: int,
) -> None:
    stated, outcomes = drawn
    assert delayed_regret(stated, outcomes, horizon, True) <= aggregating_bound(7) + 1e-9


def test_one_learner_for_all_delayed_labels_breaks_the_bound() -> None:
    rng = np.random.default_rng(0)
    outcomes = np.repeat(rng.integers(0, 2, 30), 12)[:, None]
    stated = np.tile(np.array([0.05, 0.95, 0.5, 0.5]), (outcomes.size, 1, 1))
    assert delayed_regret(stated, outcomes, 12, False) > aggregating_bound(7)
    assert delayed_regret(stated, outcomes, 12, True) <= aggregating_bound(7)
