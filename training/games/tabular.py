"""Small worlds solved by value iteration, then learned by the classic agent (rows 7 to 10).

The transition tables are those of Gymnasium's toy-text worlds; the gambler's is Sutton & Barto,
example 4.3. The solver is the certificate's own, the learner is ``QLearningAgent``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.settings import SizingSettings
from agents.sizing.q_learning import QLearningAgent
from envs.core.trade import NextState
from envs.core.types import Float64Array, Int64Array
from training.games.bench import game_preset, resolved, sizing_context
from training.games.sheet import Sheet


@dataclass(frozen=True)
class Chain:
    """A finite world: per (state, action) up to K outcomes, padded with probability 0.

    ``chance``, ``reward`` (S, A, K) float64, ``following`` (S, A, K) int64, ``over`` (S, A, K).
    ``start`` (S,) is the distribution of the first state.
    """

    chance: Float64Array
    following: Int64Array
    reward: Float64Array
    over: Float64Array
    start: Float64Array

    def values(self, v: Float64Array, gamma: float) -> Float64Array:
        """One-step values (S, A) of acting and going on with ``v`` (S,)."""
        ahead = self.reward + gamma * (1.0 - self.over) * v[self.following]
        return np.asarray((self.chance * ahead).sum(axis=2))

    def optimum(self, gamma: float, sweeps: int = 20_000, stop: float = 1e-13) -> Float64Array:
        """Optimal values (S,) by value iteration."""
        v = np.zeros(self.chance.shape[0])
        for _ in range(sweeps):
            best = self.values(v, gamma).max(axis=1)
            moved = float(np.abs(best - v).max())
            v = best
            if moved < stop:
                break
        return v

    def worth(self, actions: Int64Array, gamma: float) -> Float64Array:
        """Values (S,) of always taking ``actions`` (S,), by solving the linear equations."""
        n = self.chance.shape[0]
        rows = np.arange(n)
        chance = self.chance[rows, actions]
        onward = chance * (1.0 - self.over[rows, actions])
        step = np.zeros((n, n))
        np.add.at(step, (rows[:, None], self.following[rows, actions]), onward)
        gained = (chance * self.reward[rows, actions]).sum(axis=1)
        return np.asarray(np.linalg.solve(np.eye(n) - gamma * step, gained))


def toy_text(name: str, **options: Any) -> Chain:
    """Transition table of one of Gymnasium's toy-text worlds, by the name of its class.

    The classes, because registered versions come and go while the tables stay.
    """
    from gymnasium.envs import toy_text as worlds

    world: Any = getattr(worlds, name)(**options)
    table = world.P
    n, m = len(table), len(table[0])
    k = max(len(table[s][a]) for s in range(n) for a in range(m))
    chance, reward, over = np.zeros((n, m, k)), np.zeros((n, m, k)), np.zeros((n, m, k))
    following = np.zeros((n, m, k), dtype=np.int64)
    for s in range(n):
        for a in range(m):
            for i, (p, after, r, ended) in enumerate(table[s][a]):
                chance[s, a, i], following[s, a, i] = p, after
                reward[s, a, i], over[s, a, i] = r, float(ended)
    return Chain(chance, following, reward, over, np.asarray(world.initial_state_distrib))


def gambler(p: float) -> Float64Array:
    """Optimal chance (101,) of reaching 100 from each capital, staking whole units."""
    v = np.zeros(101)
    v[100] = 1.0
    while True:
        before = v.copy()
        for s in range(1, 100):
            stakes = np.arange(1, min(s, 100 - s) + 1)
            v[s] = float((p * v[s + stakes] + (1.0 - p) * v[s - stakes]).max())
        if float(np.abs(v - before).max()) < 1e-13:
            return v


def play_values(sheet: Sheet) -> None:
    """Rows 7 to 10 by value iteration."""
    for case, options, gamma, text in (
        ("slippery", {}, 0.99, "0.5420259320"),
        ("slippery, undiscounted", {}, 1.0, "0.8235294"),
        ("8x8 slippery", {"map_name": "8x8"}, 0.99, "0.4146403618"),
        ("not slippery", {"is_slippery": False}, 0.99, "0.9509900499"),
    ):
        v = toy_text("FrozenLakeEnv", **options).optimum(gamma)
        sheet.equal(7, f"FrozenLake {case}: V*(0)", float(v[0]), text)
    cliff = toy_text("CliffWalkingEnv").optimum(0.99)
    sheet.equal(8, "CliffWalking: V*(36)", float(cliff[36]), "-12.2478977")
    taxi = toy_text("TaxiEnv")
    v = taxi.optimum(0.99)
    sheet.equal(9, "Taxi: mean V* of the start states", float(taxi.start @ v), "6.3274643")
    sheet.exact(9, "Taxi: V*[0]", float(v[0]), 18.8)
    g = gambler(0.4)
    for capital, text in ((25, "0.16"), (50, "0.40"), (75, "0.64")):
        sheet.exact(10, f"gambler's problem: V({capital})", float(g[capital]), float(text))
    sheet.equal(10, "gambler's problem: V(51)", float(g[51]), "0.4030984")


@dataclass(frozen=True)
class Lesson:
    """How the classic agent meets a world."""

    settings: SizingSettings
    steps: int
    longest: int
    seed: int = 1


def learn(chain: Chain, lesson: Lesson) -> QLearningAgent:
    """Let the real agent act and learn in a world, episode after episode.

    Half of the episodes start where the world says, half in any state, so that every state is met.
    """
    n, m, _ = chain.chance.shape
    agent = QLearningAgent(game_preset(m), lesson.settings, lesson.seed, n_states=n)
    rng = np.random.default_rng(lesson.seed)
    reach = np.cumsum(chain.chance, axis=2)
    everything = np.ones(m, dtype=np.bool_)
    contexts = [sizing_context(agent.preset, s) for s in range(n)]
    state, age = int(rng.choice(n, p=chain.start)), 0
    for t in range(lesson.steps):
        action = agent.decide(contexts[state], rng).index
        k = int(np.searchsorted(reach[state, action], rng.random(), side="right"))
        after, over = int(chain.following[state, action, k]), bool(chain.over[state, action, k])
        reward = float(chain.reward[state, action, k])
        following = NextState(after, everything, over)
        agent.learn_one(resolved(t, contexts[state], action, reward, following=following))
        state, age = after, age + 1
        if over or age >= lesson.longest:
            anywhere = rng.random() < 0.5
            state = int(rng.integers(n)) if anywhere else int(rng.choice(n, p=chain.start))
            age = 0
    return agent


_SURE = SizingSettings(alpha=1.0, discount="0.99", epsilon=0.1, q0=0.0)
_HOPEFUL = SizingSettings(alpha=1.0, discount="0.99", epsilon=0.1, q0=1.0)
_VISITS = SizingSettings(step="visit", discount="0.99", epsilon=0.5, q0=0.5)


def play_lake(sheet: Sheet) -> None:
    """Row 7 learned: slippery with visit steps and noise, not slippery exactly."""
    slippery = toy_text("FrozenLakeEnv")
    _compare(sheet, 7, "FrozenLake", slippery, Lesson(_VISITS, 80_000, 100), 0.002, 0.06)
    firm = toy_text("FrozenLakeEnv", is_slippery=False)
    _compare(sheet, 7, "FrozenLake not slippery", firm, Lesson(_HOPEFUL, 4_000, 100), 1e-9, 1e-9)


def play_cliff(sheet: Sheet) -> None:
    """Row 8 learned exactly."""
    cliff = toy_text("CliffWalkingEnv")
    _compare(sheet, 8, "CliffWalking", cliff, Lesson(_SURE, 15_000, 200), 1e-9, 1e-9)


def play_taxi(sheet: Sheet) -> None:
    """Row 9 learned, but for a start state in a hundred."""
    _compare(sheet, 9, "Taxi", toy_text("TaxiEnv"), Lesson(_SURE, 150_000, 50), 0.05, 0.05)


def _compare(
    sheet: Sheet, number: int, name: str, chain: Chain, lesson: Lesson, within: float,
    value_within: float,
) -> None:  # fmt: skip
    """Worth of the greedy policy, by linear equations, and the value the agent believes in."""
    best = float(chain.start @ chain.optimum(0.99))
    agent = learn(chain, lesson)
    greedy = np.argmax(agent.q, axis=1).astype(np.int64)
    worth = float(chain.start @ chain.worth(greedy, 0.99))
    learned = float(chain.start @ agent.q.max(axis=1))
    sheet.near(number, f"{name}, Q-learning: worth of the policy", worth, best, within)
    sheet.near(number, f"{name}, Q-learning: learned value", learned, best, value_within)
