from __future__ import annotations

from math import log, sqrt
from typing import Any

import numpy as np
import pytest

from agents.checks import sample_rows
from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.exploration import behaviour, ucb_propensities
from agents.sizing.q_learning import QLearningAgent
from envs.core.actions import preset
from envs.core.decide import decide
from envs.core.hooks import HookChain
from envs.core.view import DecisionView

FULL = preset("full")

MASK = np.array([True, True, False, True])
VALUES = np.array([0.1, 0.3, 9.0, 0.2])
VISITS = np.array([4.0, 9.0, 0.0, 16.0])
SQUARE = np.array([0.04, 0.01, 0.0, 0.01])


def draws(kind: str, n: int = 4000, **options: float) -> tuple[np.ndarray, np.ndarray]:
    settings, rng = SizingSettings(exploration=kind, **options), np.random.default_rng(7)
    chosen = [behaviour(settings, VALUES, VISITS, SQUARE, MASK, 1, rng) for _ in range(n)]
    counts = np.bincount([c.index for c in chosen], minlength=4) / n
    return counts, np.mean([c.propensities for c in chosen], axis=0)


def test_epsilon_matches_its_propensities() -> None:
    counts, propensities = draws("epsilon", epsilon=0.3)
    np.testing.assert_allclose(propensities, [0.1, 0.8, 0.0, 0.1])
    np.testing.assert_allclose(counts, propensities, atol=0.02)


def test_thompson_matches_its_propensities() -> None:
    counts, propensities = draws("thompson", 1500)
    assert counts[2] == propensities[2] == 0.0
    np.testing.assert_allclose(counts, propensities, atol=0.03)
    # P(N(.1, .1) is the largest of three) and so on, by the posteriors N(value, sqrt(square/n)).
    sample = np.random.default_rng(1).normal(
        VALUES[[0, 1, 3]], np.sqrt(SQUARE / np.maximum(VISITS, 1.0))[[0, 1, 3]], (200_000, 3)
    )
    expected = np.bincount(sample.argmax(axis=1), minlength=3) / 200_000
    np.testing.assert_allclose(propensities[[0, 1, 3]], expected, atol=0.01)


def test_thompson_tries_what_it_does_not_know() -> None:
    settings, rng = SizingSettings(exploration="thompson"), np.random.default_rng(0)
    visits, square = np.array([500.0, 0.0, 0.0, 1.0]), np.array([0.04, 0.0, 0.0, 0.0])
    chosen = [
        behaviour(settings, np.zeros(4), visits, square, MASK, 0, rng).index for _ in range(400)
    ]
    assert 0.3 < np.mean([c == 1 for c in chosen]) < 0.7
    nothing = np.zeros(4)
    chosen = [
        behaviour(settings, nothing, nothing, nothing, MASK, 0, rng).index for _ in range(600)
    ]
    assert np.bincount(chosen, minlength=4) / 600 == pytest.approx(
        [1 / 3, 1 / 3, 0, 1 / 3], abs=0.07
    )


def test_thompson_takes_the_widest_spread_for_a_cell_seen_once() -> None:
    """One error is no spread: its square may be 0 by chance, and the cell would be lost."""
    settings, rng = SizingSettings(exploration="thompson"), np.random.default_rng(0)
    visits, square = np.array([1.0, 2.0, 0.0, 50.0]), np.array([0.0, 1e-12, 0.0, 1.0])
    choice = behaviour(settings, np.zeros(4), visits, square, MASK, 0, rng)
    # Half of the draws of N(0, 1) are above 0, where the two others nearly stand still.
    assert 0.35 < choice.propensities[0] < 0.65


def test_ucb_follows_its_formula() -> None:
    bound = [v + 0.5 * sqrt(log(29.0) / n) for v, n in ((0.1, 4), (0.3, 9), (0.2, 16))]
    best = [0, 1, 3][int(np.argmax(bound))]
    chosen = ucb_propensities(VALUES, VISITS, MASK, 0.5)
    assert chosen[best] == 1.0
    assert chosen.sum() == 1.0
    assert ucb_propensities(VALUES, VISITS, MASK, 0.0)[1] == 1.0


def test_ucb_tries_untried_actions_first_and_evenly() -> None:
    visits = np.array([100.0, 0.0, 0.0, 0.0])
    np.testing.assert_allclose(ucb_propensities(VALUES, visits, MASK, 0.5), [0, 0.5, 0, 0.5])
    counts, _ = draws("ucb", 10)
    assert counts.max() == 1.0


def test_none_is_greedy() -> None:
    counts, propensities = draws("none", 50)
    np.testing.assert_array_equal(counts, [0, 1, 0, 0])
    np.testing.assert_array_equal(propensities, [0, 1, 0, 0])


@pytest.mark.parametrize("kind", ["epsilon", "ucb", "thompson", "none", "table"])
def test_every_decision_logs_the_whole_vector_it_was_drawn_from(
    kind: str, views: list[DecisionView]
) -> None:
    """What the core keeps is what the agent drew from, also where a gate cuts the size."""
    rows = list(sample_rows(FULL, 300, 2))
    agent: Any = CounterfactualAgent(FULL, SizingSettings())
    if kind != "table":
        agent = QLearningAgent(FULL, SizingSettings(exploration=kind))
    for row in rows:
        agent.learn_one(row)
    spread = 0
    for k, view in enumerate(v for v in views if v.executable):
        choice = agent.decide(view.context, np.random.default_rng(k))
        made = decide(view, agent, HookChain(), np.random.default_rng(k))
        greedy = decide(view, agent, HookChain())
        assert made.propensities is not None
        assert greedy.propensities is not None
        assert made.chosen == choice.index
        assert np.array_equal(made.propensities, choice.propensities)
        assert made.propensities.sum() == pytest.approx(1.0)
        assert np.flatnonzero(greedy.propensities).tolist() == [greedy.chosen]
        spread += np.count_nonzero(made.propensities) > 1
    assert (spread > 5) == (kind != "none")
