"""The default learner on a market whose optimum is known: shares of it, not exact answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from envs.core.errors import FixInput
from training.planted_edges import (
    CONFIDENCE,
    EXITS,
    FULL,
    LEARNER,
    NOTIONAL,
    STRONG,
    WEAK,
    ZERO,
    PlantedMarket,
    greedy,
    traded,
)

CONSTANT_STEP = replace(LEARNER, min_step=0.15)
SEEDS = pytest.mark.parametrize("seed", [1, 2, 3])


def test_the_markets_are_of_the_strength_they_claim() -> None:
    assert 1e4 * PlantedMarket(STRONG).optimum == pytest.approx(12.4, abs=0.5)
    assert 1e4 * PlantedMarket(WEAK).optimum == pytest.approx(2.6, abs=0.3)
    assert PlantedMarket(ZERO).optimum == 0.0
    for bad in (-0.1, float("nan"), float("inf")):
        with pytest.raises(FixInput, match="strength"):
            PlantedMarket(bad)


def test_the_exact_values_are_those_of_the_draws() -> None:
    """The optimum is worth what it claims: integrated values against plain means of draws."""
    market = PlantedMarket(STRONG)
    states, rewards = market.draw(100_000, np.random.default_rng(7))
    cells = states // 12
    errors = []
    for cell in range(25):
        mine = rewards[cells == cell]
        assert mine.shape[0] / states.size == pytest.approx(CONFIDENCE[cell % 5] / 5, rel=0.1)
        standard = mine.std(axis=0) / np.sqrt(mine.shape[0])
        expected = market.value[cell // 5, cell % 5]
        assert mine[:, 0].max() == expected[0] == 0.0
        errors.append((mine.mean(axis=0) - expected)[1:] / standard[1:])
    assert np.abs(errors).max() < 4.5
    assert np.std(errors) == pytest.approx(1.0, abs=0.4)


@SEEDS
def test_strong_edge(seed: int) -> None:
    market = PlantedMarket(STRONG)
    assert market.share(market.train(10_000, seed)) >= 0.80


@SEEDS
def test_zero_edge(seed: int) -> None:
    market = PlantedMarket(ZERO)
    agent = market.train(100_000, seed)
    assert traded(agent) < 0.02
    assert 1e4 * market.expected(agent) > -0.05


def test_weak_edge() -> None:
    market = PlantedMarket(WEAK)
    few = [market.share(market.train(1_000, seed)) for seed in range(1, 31)]
    assert np.mean(few) > -0.10
    more = [market.share(market.train(10_000, seed)) for seed in range(1, 4)]
    assert min(more) >= 0.30


def test_more_decisions_approach_the_optimum() -> None:
    strong, weak = PlantedMarket(STRONG), PlantedMarket(WEAK)
    assert strong.share(strong.train(100_000, 1)) >= 0.95
    assert weak.share(weak.train(300_000, 1)) >= 0.85


def test_it_beats_every_constant_action() -> None:
    market = PlantedMarket(STRONG)
    constants = [market.mean(market.value[..., a]) for a in range(FULL.n)]
    assert market.expected(market.train(10_000, 1)) > max(constants)


def test_size_is_bang_bang_but_skip_and_exit_are_not() -> None:
    """Skip and the largest action of each exit nearly reach the optimum; one exit does not."""
    for strength in (STRONG, WEAK):
        market = PlantedMarket(strength)
        largest = [0, *(int(np.flatnonzero(e == EXITS)[-1]) for e in range(3))]
        assert [NOTIONAL[a] for a in largest[1:]] == [NOTIONAL[e == EXITS].max() for e in range(3)]
        best = market.mean(market.value[..., largest].max(axis=-1))
        assert best >= 0.99 * market.optimum
        balanced = market.mean(market.value[..., [0, largest[2]]].max(axis=-1))
        assert balanced < 0.97 * market.optimum


@SEEDS
def test_a_constant_step_fails_the_acceptance(seed: int) -> None:
    """The mutation: a step of .15 averages a dozen outcomes and takes noise for edge."""
    strong, weak, zero = (PlantedMarket(s) for s in (STRONG, WEAK, ZERO))
    assert strong.share(strong.train(10_000, seed, CONSTANT_STEP)) < 0.80
    assert weak.share(weak.train(10_000, seed, CONSTANT_STEP)) < 0.30
    agent = zero.train(20_000, seed, CONSTANT_STEP)
    assert traded(agent) > 0.02
    assert 1e4 * zero.expected(agent) < -0.05


def test_training_is_repeatable_and_seeds_differ() -> None:
    market = PlantedMarket(STRONG)
    first, again, other = (market.train(12_000, seed) for seed in (4, 4, 5))
    assert first.digest() == again.digest() != other.digest()
    assert greedy(first).shape == (300,)
