"""The default learner on a market whose optimum is known: shares of it, not exact answers."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from envs.core.actions import preset
from envs.core.trade import Alternatives, Decision, ResolvedDecision, SizingContext

FULL = preset("full")
COST, ATR = 0.00156, 0.02
STOPS = np.array([1.25, 1.5, 2.0]) * ATR
SPREAD = np.array([0.016, 0.02, 0.027])
EXITS = np.array([int(a.exit) for a in FULL.actions])
WISHED = np.array([0.1 * a.size * a.leverage for a in FULL.actions])
NOTIONAL = np.minimum(WISHED, 0.02 / (STOPS[EXITS] + COST))
CONFIDENCE = np.array([0.3, 0.3, 0.2, 0.12, 0.08])
PLAIN = SizingSettings(prior="none")
CONSTANT_STEP = SizingSettings(prior="none", min_step=0.15)
STRONG, WEAK, ZERO = 0.0058, 0.00213, 0.0


class PlantedMarket:
    """Gross move of an exit = edge of (regime, confidence, exit) + noise the exits share in part.

    Exposure and performance carry no information. Rewards are log growth net of the cost.
    """

    def __init__(self, strength: float) -> None:
        by_exit = np.array([0.8, 1.0, 1.3])
        by_confidence = np.array([-0.4, 0.2, 0.7, 1.2, 2.0])
        by_regime = np.array([0.5, 1.5, 0.8, 1.2, 1.0])
        # In two regimes the patient exit is the wrong one.
        twist = np.ones((5, 3))
        twist[[2, 4], 2] = 0.4
        self.edge = strength * (
            by_regime[:, None, None] * by_confidence[:, None] * (by_exit * twist)[:, None, :]
        )
        nodes, weights = np.polynomial.hermite_e.hermegauss(40)
        outcome = self.edge[..., EXITS, None] + SPREAD[EXITS, None] * nodes - COST
        growth = np.log1p(NOTIONAL[:, None] * outcome) @ (weights / weights.sum())
        self.value = growth
        self.optimum = self.mean(growth.max(axis=-1))

    def mean(self, per_cell: np.ndarray) -> float:
        """Mean over the states as they occur, of values per (regime, confidence)."""
        return float((per_cell @ CONFIDENCE).mean())

    def rows(self, n: int, seed: int) -> list[ResolvedDecision]:
        rng = np.random.default_rng(seed)
        regime, confidence = rng.integers(5, size=n), rng.choice(5, n, p=CONFIDENCE)
        states = (regime * 5 + confidence) * 12 + rng.integers(12, size=n)
        shared, own = rng.normal(size=(n, 1)), rng.normal(size=(n, 3))
        noise = SPREAD * (0.8 * shared + 0.6 * own)
        moves = self.edge[regime, confidence] + noise - COST
        rewards = np.log1p(NOTIONAL * moves[:, EXITS])
        nothing, alone = np.zeros(76, dtype=np.int64), np.zeros(3, dtype=np.int64)
        return [
            ResolvedDecision(
                Decision(
                    f"planted:{seed}:{k}", "X", k, 1, context(int(states[k])), None, None, 0, 1, 1,
                    0.0, (), (), (),
                ),
                None, 0.0, Alternatives(rewards[k], nothing, nothing, alone),
            )
            for k in range(n)
        ]  # fmt: skip

    def share(self, agent: CounterfactualAgent) -> float:
        """Expected reward of the greedy policy over the optimum."""
        return self.expected(agent) / self.optimum

    def expected(self, agent: CounterfactualAgent) -> float:
        """Expected reward a decision of the greedy policy."""
        chosen = greedy(agent)
        worth = np.take_along_axis(self.value, chosen.reshape(5, 5, 12), axis=-1)
        return self.mean(worth.mean(axis=-1))


@cache
def context(state: int) -> SizingContext:
    return SizingContext(
        state, np.ones(76, dtype=np.bool_), NOTIONAL, NOTIONAL < WISHED, 0.0, 0.0, COST, ATR,
        np.full((3, 3), np.nan),
    )  # fmt: skip


def greedy(agent: CounterfactualAgent) -> np.ndarray:
    return np.array([agent.decide(context(s), None).index for s in range(300)])


def traded(agent: CounterfactualAgent) -> float:
    """Share of decisions in which the greedy policy trades."""
    acts = (greedy(agent) > 0).reshape(5, 5, 12).mean(axis=-1)
    return float((acts @ CONFIDENCE).mean())


def train(
    market: PlantedMarket, n: int, settings: SizingSettings = PLAIN, seed: int = 1
) -> CounterfactualAgent:
    agent = CounterfactualAgent(FULL, settings)
    for first in range(0, n, 10_000):
        for row in market.rows(min(10_000, n - first), seed + first):
            agent.learn_one(row)
    return agent


def test_the_markets_are_of_the_strength_they_claim() -> None:
    assert 1e4 * PlantedMarket(STRONG).optimum == pytest.approx(12.4, abs=0.5)
    assert 1e4 * PlantedMarket(WEAK).optimum == pytest.approx(2.6, abs=0.3)
    assert PlantedMarket(ZERO).optimum == 0.0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_strong_edge(seed: int) -> None:
    market = PlantedMarket(STRONG)
    assert market.share(train(market, 10_000, seed=seed)) >= 0.80


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_zero_edge(seed: int) -> None:
    market = PlantedMarket(ZERO)
    agent = train(market, 20_000, seed=seed)
    assert traded(agent) < 0.02
    assert 1e4 * market.expected(agent) > -0.05


def test_weak_edge() -> None:
    market = PlantedMarket(WEAK)
    few = [market.share(train(market, 1_000, seed=seed)) for seed in range(1, 31)]
    assert np.mean(few) > -0.10
    more = [market.share(train(market, 10_000, seed=seed)) for seed in range(1, 4)]
    assert min(more) >= 0.30


def test_more_decisions_approach_the_optimum() -> None:
    strong, weak, zero = (PlantedMarket(s) for s in (STRONG, WEAK, ZERO))
    assert strong.share(train(strong, 100_000)) >= 0.95
    assert weak.share(train(weak, 300_000)) >= 0.85
    agent = train(zero, 100_000)
    assert traded(agent) < 0.02
    assert 1e4 * zero.expected(agent) > -0.05


def test_it_beats_every_constant_action() -> None:
    market = PlantedMarket(STRONG)
    constants = [market.mean(market.value[..., a]) for a in range(76)]
    assert market.expected(train(market, 10_000)) > max(constants)


def test_size_is_bang_bang_but_skip_and_exit_are_not() -> None:
    """Skip and the largest action of each exit nearly reach the optimum; one exit does not."""
    for strength in (STRONG, WEAK):
        market = PlantedMarket(strength)
        largest = [0, *(int(np.flatnonzero(e == EXITS)[-1]) for e in range(3))]
        best = market.mean(market.value[..., largest].max(axis=-1))
        assert best >= 0.99 * market.optimum
        balanced = market.mean(market.value[..., [0, largest[2]]].max(axis=-1))
        assert balanced < 0.97 * market.optimum


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_constant_step_fails_the_acceptance(seed: int) -> None:
    """The mutation: a step of .15 averages a dozen outcomes and takes noise for edge."""
    strong, zero = PlantedMarket(STRONG), PlantedMarket(ZERO)
    assert strong.share(train(strong, 10_000, CONSTANT_STEP, seed)) < 0.80
    assert traded(train(zero, 20_000, CONSTANT_STEP, seed)) > 0.02
