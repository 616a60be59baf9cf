"""Full information against tuned Q-learning on planted games: safe versions of the measured ratios.

The measured figures are in ``docs/learning.md`` (benchmarks/sample_efficiency.py).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.q_learning import QLearningAgent
from envs.core.errors import FixInput
from envs.core.trade import Decision, ResolvedDecision, Skipped
from training.planted_game import PlantedGame, SizingGame, UnstructuredGame
from training.sample_efficiency import (
    PLAIN_MEANS,
    QTables,
    checkpoints,
    greedy,
    grid,
    needed_by_q,
    needed_by_table,
)

GAMES = [SizingGame(seed) for seed in range(4)]
DEFAULT = SizingSettings()
WITHIN = 10_000
ALPHAS = (0.001, 0.002, 0.005)


class OneAction(CounterfactualAgent):
    """A broken learner: from each decision it learns the action it would have taken, no other."""

    def learn_one(self, resolved: ResolvedDecision) -> None:
        got = resolved.alternatives
        if got is not None:
            reward = np.full(self.preset.n, np.nan)
            taken = self.decide(resolved.decision.context, np.random.default_rng(0)).index
            reward[taken] = got.reward[taken]
            super().learn_one(replace(resolved, alternatives=replace(got, reward=reward)))


def default(game: PlantedGame) -> CounterfactualAgent:
    return CounterfactualAgent(game.preset, DEFAULT)


@pytest.mark.parametrize(
    "settings",
    [
        SizingSettings(step="constant", alpha=0.05, epsilon=0.3, q0=0.4),
        SizingSettings(step="visit", epsilon=0.1, q0=0.0),
    ],
)
@pytest.mark.parametrize("game", [SizingGame(1), UnstructuredGame(1, 0.64)])
def test_the_compiled_rule_is_the_agents(game: PlantedGame, settings: SizingSettings) -> None:
    tables, agent = QTables.untrained(game, settings), QLearningAgent(game.preset, settings)
    assert np.array_equal(tables.greedy(), greedy(game, agent))
    rng = np.random.default_rng(0)
    explored = 0
    for part in range(40):
        # One decision first, so the greedy choice among few tried states is compared too.
        n = 1 if part < 10 else 50
        before = tables.greedy()
        places, rewards = game.draw(n, rng)
        chosen = tables.learn(places, rewards, rng.random((n, 2)))
        explored += int(chosen[0] != before[places[0]])
        for k in range(n):
            decision = Decision(
                f"{part}:{k}", "X", 0, 1, game.contexts[places[k]], int(chosen[k]), None, 0, 1, 1,
                0.0, (), (), (),
            )  # fmt: skip
            paid = float(rewards[k, chosen[k]])
            agent.learn_one(ResolvedDecision(decision, Skipped("GAME"), paid))
        assert np.array_equal(tables.q, agent.q[game.states])
        assert np.array_equal(tables.visits, agent.visits[game.states])
        assert np.array_equal(tables.greedy(), greedy(game, agent))
    assert 0 < explored < 40
    assert tables.visits.sum() == 10 + 30 * 50


def test_full_information_needs_fifty_times_fewer_decisions_than_tuned_q_learning() -> None:
    """The default learner on 30 states x 20 bets; Q-learning is the best of 112 settings."""
    table = needed_by_table(GAMES, default, checkpoints(1_000, WITHIN, 1.2))
    assert table.decisions is not None
    marks = checkpoints(table.decisions, 50 * table.decisions, 2.0)
    q = needed_by_q(GAMES, grid(ALPHAS), marks)
    assert q.decisions is None, q
    assert q.regret > 0.05


def test_plain_sample_means_need_twenty_times_fewer_on_the_unstructured_game() -> None:
    games = [UnstructuredGame(seed, 0.64) for seed in range(10)]

    def learner(game: PlantedGame) -> CounterfactualAgent:
        return CounterfactualAgent(game.preset, PLAIN_MEANS)

    table = needed_by_table(games, learner, checkpoints(100, 1_000))
    assert table.decisions is not None
    q = needed_by_q(games, grid(), checkpoints(table.decisions, 20 * table.decisions))
    assert q.decisions is None, q


@pytest.mark.parametrize("change", [{"min_step": 0.15}, {"lcb_z": 10.0}, {"shrink_k": (1e9,) * 3}])
def test_a_mutated_learner_does_not_get_there(change: dict[str, object]) -> None:
    """A constant step, a bound too wide, or all evidence shrunk away: the bar is not reached."""

    def mutated(game: PlantedGame) -> CounterfactualAgent:
        return CounterfactualAgent(game.preset, replace(DEFAULT, **change))  # type: ignore[arg-type]

    table = needed_by_table(GAMES, mutated, checkpoints(1_000, WITHIN, 1.2))
    assert table.decisions is None
    assert table.regret > 0.05


def test_a_learner_of_one_action_a_decision_does_not_get_there() -> None:
    """Without the alternatives nothing is left of the lead: the same table, the same decisions."""
    marks = checkpoints(1_000, WITHIN, 3.0)
    table = needed_by_table(GAMES[:2], lambda g: OneAction(g.preset, DEFAULT), marks)
    assert table.decisions is None
    assert table.regret > 0.5


def test_q_learning_gets_there_given_enough() -> None:
    """The comparison can be lost: on one easy state a good setting is soon under the bar."""
    good = SizingSettings(step="constant", alpha=0.002, epsilon=0.7, q0=0.0)
    bad = SizingSettings(step="constant", alpha=0.15, epsilon=0.02, q0=0.0)
    q = needed_by_q([SizingGame(0, (4,), 1)], [bad, good], checkpoints(1_000, 2_000_000, 1.3))
    assert q.decisions is not None
    assert q.settings == good
    assert q.regret < 0.05


def test_the_best_of_the_settings_counts_not_their_mean() -> None:
    """Settings that never learn keep the good ones from nothing."""
    good, hopeless = SizingSettings(step="visit", epsilon=0.4), SizingSettings(alpha=1e-9)
    marks = checkpoints(1_000, 2_000_000, 1.3)
    alone = needed_by_q([SizingGame(0, (4,), 1)], [good], marks)
    among = needed_by_q([SizingGame(0, (4,), 1)], [hopeless] * 5 + [good], marks)
    assert alone.decisions is not None
    assert among.settings == good
    assert among.decisions == alone.decisions


def test_the_seed_decides_everything() -> None:
    marks = checkpoints(2_000, 4_000, 2.0)
    first, again = (needed_by_table(GAMES[:2], default, marks, seed=5, bar=0.0) for _ in range(2))
    other = needed_by_table(GAMES[:2], default, marks, seed=6, bar=0.0)
    assert first == again
    assert first.regret != other.regret


def test_checkpoints_ascend_to_the_last() -> None:
    assert checkpoints(10, 25, 1.5) == [10, 15, 22, 25]
    assert checkpoints(1, 4, 1.01) == [1, 2, 3, 4]
    for first, last, ratio in ((0, 5, 2.0), (6, 5, 2.0), (1, 5, 1.0), (1, 5, float("nan"))):
        with pytest.raises(FixInput, match="checkpoints"):
            checkpoints(first, last, ratio)
