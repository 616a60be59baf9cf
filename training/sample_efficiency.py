"""Decisions a sizing learner needs until its greedy policy is nearly the best of a planted game.

The counterfactual learner is ``CounterfactualAgent`` itself. Epsilon-greedy Q-learning plays
millions of decisions under many settings, so its rule (``QLearningAgent``, a decision that ends
its episode) is compiled here; a test compares the two to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.q_learning import QLearningAgent
from envs.core.errors import FixInput
from envs.core.trade import Alternatives, Decision, ResolvedDecision
from envs.core.types import Float64Array, Int64Array
from training.planted_game import PlantedGame

REGRET = 0.05
PLAIN_MEANS = SizingSettings(prior="none", shrink_k=(0.0, 0.0, 0.0), lcb_z=0.0, min_step=0.0)
"""The counterfactual learner without shrinkage and bound: the sample mean of every cell."""
ALPHAS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.15)
EPSILONS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
STARTS = (0.0, 0.3, 1.0, 3.0)
_CHUNK = 50_000
Games = Sequence[PlantedGame]
Make = Callable[[PlantedGame], CounterfactualAgent]


@dataclass(frozen=True)
class Needed:
    """Decisions until the mean regret over the games was under the bar; None: not within reach.

    ``regret`` is the mean regret then, or at the end; ``settings`` the best ones where several
    were tried.
    """

    decisions: int | None
    regret: float
    settings: SizingSettings


def grid(alphas: Sequence[float] = ALPHAS) -> list[SizingSettings]:
    """Settings epsilon-greedy Q-learning is tuned over: steps, exploration, optimism."""
    steps = [SizingSettings(step="constant", alpha=a) for a in alphas]
    steps.append(SizingSettings(step="visit"))
    return [replace(s, epsilon=e, q0=q) for s in steps for e in EPSILONS for q in STARTS]


def checkpoints(first: int, last: int, ratio: float = 1.05) -> list[int]:
    """Ascending numbers of decisions at which the policies are judged.

    Raises:
        FixInput: Not 1 <= first <= last, or a ratio that does not grow.
    """
    if not 1 <= first <= last or not ratio > 1.0:
        raise FixInput(f"checkpoints: need 1 <= first <= last, got {first}, {last}, {ratio}")
    out = [first]
    while out[-1] < last:
        out.append(min(last, max(out[-1] + 1, int(out[-1] * ratio))))
    return out


def needed_by_table(
    games: Games, make: Make, marks: Sequence[int], seed: int = 0, bar: float = REGRET
) -> Needed:
    """Decisions the counterfactual learner ``make`` builds needs, one learner a game."""
    learners = [make(game) for game in games]
    chances = [np.random.default_rng([seed, k, 0]) for k in range(len(games))]
    done, regret = 0, float("inf")
    for mark in marks:
        for game, learner, rng in zip(games, learners, chances, strict=True):
            learn_table(game, learner, mark - done, rng, done)
        done = mark
        pairs = zip(games, learners, strict=True)
        regret = float(np.mean([g.regret(greedy(g, learner)) for g, learner in pairs]))
        if regret < bar:
            return Needed(mark, regret, learners[0].settings)
    return Needed(None, regret, learners[0].settings)


def learn_table(
    game: PlantedGame, learner: CounterfactualAgent, n: int, rng: np.random.Generator, first: int
) -> None:
    """Learn ``n`` decisions, all actions of each; ids count from ``first``."""
    ends, nets = np.ones(game.preset.n, dtype=np.int64), np.zeros(game.preset.n, dtype=np.int64)
    alone = np.zeros(3, dtype=np.int64)
    places, rewards = game.draw(n, rng)
    for i, place in enumerate(places.tolist()):
        decision = Decision(
            f"planted:{first + i}", "X", 0, 1, game.contexts[place], None, None, 0, 1, 1, 0.0, (),
            (), (),
        )  # fmt: skip
        got = Alternatives(rewards[i], nets, ends, alone)
        learner.learn_one(ResolvedDecision(decision, None, 0.0, got))


def greedy(game: PlantedGame, agent: CounterfactualAgent | QLearningAgent) -> Int64Array:
    """(S,) actions the agent takes without exploration."""
    return np.array([agent.decide(c, None).index for c in game.contexts], dtype=np.int64)


@dataclass
class QTables:
    """Epsilon-greedy Q-learning in one game: (S, A) values and visits."""

    settings: SizingSettings
    q: Float64Array
    visits: Float64Array
    cold: int

    @classmethod
    def untrained(cls, game: PlantedGame, settings: SizingSettings) -> QTables:
        """Tables as the agent begins with; ``cold`` is what it does in a state never tried."""
        cold = QLearningAgent(game.preset, settings).decide(game.contexts[0], None).index
        shape = game.value.shape
        return cls(settings, np.full(shape, settings.q0), np.zeros(shape), cold)

    def learn(self, places: Int64Array, rewards: Float64Array, chance: Float64Array) -> Int64Array:
        """Play and learn decisions; returns the actions (n,) taken.

        Args:
            places: (n,) which of the game's states.
            rewards: (n, A) what each action would earn; only the taken one's is read.
            chance: (n, 2) uniform numbers: whether to explore, and what.
        """
        s, chosen = self.settings, np.empty(places.size, dtype=np.int64)
        _compiled()(
            self.q, self.visits, places, rewards, chance, s.epsilon, s.alpha, s.step == "visit",
            self.cold, chosen,
        )  # fmt: skip
        return chosen

    def greedy(self) -> Int64Array:
        """(S,) actions without exploration."""
        tried = self.visits.any(axis=1)
        return np.where(tried, self.q.argmax(axis=1), self.cold).astype(np.int64)


def needed_by_q(
    games: Games, settings: Sequence[SizingSettings], marks: Sequence[int], seed: int = 0,
    bar: float = REGRET,
) -> Needed:  # fmt: skip
    """Decisions the best of the settings needs: the first whose mean regret is under the bar.

    All settings see the same decisions. Choosing the best on the games it is judged by favours
    Q-learning.
    """
    tables = [[QTables.untrained(game, s) for s in settings] for game in games]
    chances = [np.random.default_rng([seed, k, 1]) for k in range(len(games))]
    done, means = 0, np.full(len(settings), np.inf)
    for mark in marks:
        for game, mine, rng in zip(games, tables, chances, strict=True):
            for first in range(done, mark, _CHUNK):
                n = min(_CHUNK, mark - first)
                places, rewards = game.draw(n, rng)
                chance = rng.random((n, 2))
                for table in mine:
                    table.learn(places, rewards, chance)
        done = mark
        pairs = zip(games, tables, strict=True)
        means = np.mean([[g.regret(t.greedy()) for t in mine] for g, mine in pairs], axis=0)
        if means.min() < bar:
            break
    best = int(np.argmin(means))
    reached = bool(means[best] < bar)
    return Needed(done if reached else None, float(means[best]), settings[best])


def _learn_q(
    q: Any, visits: Any, places: Any, rewards: Any, chance: Any, epsilon: float, alpha: float,
    by_visits: bool, cold: int, chosen: Any,
) -> None:  # fmt: skip
    n_actions = q.shape[1]
    for i in range(places.shape[0]):
        s = places[i]
        if chance[i, 0] < epsilon:
            a = int(chance[i, 1] * n_actions)
        else:
            a, tried = 0, False
            for b in range(n_actions):
                tried = tried or visits[s, b] > 0.0
                if q[s, b] > q[s, a]:
                    a = b
            if not tried:
                a = cold
        visits[s, a] += 1.0
        step = max(0.01, visits[s, a] ** -0.77) if by_visits else alpha
        q[s, a] += step * (rewards[i, a] - q[s, a])
        chosen[i] = a


@cache
def _compiled() -> Any:
    from numba import njit

    return njit(cache=True, error_model="numpy")(_learn_q)
