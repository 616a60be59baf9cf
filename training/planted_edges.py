"""A market of single decisions with planted edges, whose best policy is computed exactly.

The gross move of an exit is the edge of (regime, confidence, exit) plus noise that the exits share
in part; exposure and performance say nothing. Rewards are log growth net of costs at the sizes of
the full preset, capped as the world caps them. Nothing of the optimum passes through a learner.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from envs.core.actions import preset
from envs.core.errors import FixInput
from envs.core.rules.state import N_STATES
from envs.core.trade import Alternatives, Decision, ResolvedDecision, SizingContext
from envs.core.types import Float64Array, Int64Array

FULL = preset("full")
STRONG, WEAK, ZERO = 0.0058, 0.00213, 0.0
"""Strengths whose best policies earn about 12.4, 2.6 and 0 bps of equity a decision."""
COST, ATR = 0.00156, 0.02
STOPS = np.array([1.25, 1.5, 2.0]) * ATR
SPREAD = np.array([0.016, 0.02, 0.027])
EXITS = np.array([int(a.exit) for a in FULL.actions])
WISHED = np.array([0.1 * a.size * a.leverage for a in FULL.actions])
NOTIONAL = np.minimum(WISHED, 0.02 / (STOPS[EXITS] + COST))
CONFIDENCE = np.array([0.3, 0.3, 0.2, 0.12, 0.08])
LEARNER = SizingSettings(prior="none")
"""The default learner without a prior: no line is planted that it could begin from."""
_SHARED, _OWN = 0.8, 0.6
_NODES = 40
_CHUNK = 10_000


class PlantedMarket:
    """The market of one strength.

    ``edge`` (5, 5, 3) by regime, confidence and exit; ``value`` (5, 5, A) exact expected reward;
    ``optimum`` what the best policy earns a decision.

    Args:
        strength: edge of the balanced exit at confidence 1 and regime 1, fraction of notional.

    Raises:
        FixInput: A strength that is negative or not finite.
    """

    def __init__(self, strength: float) -> None:
        if not 0.0 <= strength < float("inf"):
            raise FixInput(f"planted market: strength must be 0 or more, got {strength}")
        by_exit = np.array([0.8, 1.0, 1.3])
        by_confidence = np.array([-0.4, 0.2, 0.7, 1.2, 2.0])
        by_regime = np.array([0.5, 1.5, 0.8, 1.2, 1.0])
        # In two regimes the patient exit is the wrong one.
        twist = np.ones((5, 3))
        twist[[2, 4], 2] = 0.4
        self.edge = strength * (
            by_regime[:, None, None] * by_confidence[:, None] * (by_exit * twist)[:, None, :]
        )
        nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
        outcome = self.edge[..., EXITS, None] + SPREAD[EXITS, None] * nodes - COST
        growth = np.log1p(NOTIONAL[:, None] * outcome) @ (weights / weights.sum())
        self.value: Float64Array = growth
        self.optimum = self.mean(growth.max(axis=-1))

    def mean(self, per_cell: Float64Array) -> float:
        """Mean over the states as they occur, of values (5, 5) by regime and confidence."""
        return float((per_cell @ CONFIDENCE).mean())

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Int64Array, Float64Array]:
        """States (n,) and the rewards (n, A) of all actions of ``n`` decisions."""
        regime, confidence = rng.integers(5, size=n), rng.choice(5, n, p=CONFIDENCE)
        states = (regime * 5 + confidence) * 12 + rng.integers(12, size=n)
        shared, own = rng.normal(size=(n, 1)), rng.normal(size=(n, 3))
        moves = self.edge[regime, confidence] + SPREAD * (_SHARED * shared + _OWN * own) - COST
        return states.astype(np.int64), np.log1p(NOTIONAL * moves[:, EXITS])

    def rows(self, n: int, seed: int) -> Iterator[ResolvedDecision]:
        """``n`` resolved decisions with the outcome of every action; ids begin with the seed."""
        nothing, alone = np.zeros(FULL.n, dtype=np.int64), np.zeros(3, dtype=np.int64)
        for first in range(0, n, _CHUNK):
            states, rewards = self.draw(
                min(_CHUNK, n - first), np.random.default_rng([seed, first])
            )
            for k, state in enumerate(states.tolist()):
                decision = Decision(
                    f"planted:{seed}:{first + k}", "X", k, 1, context(state), None, None, 0, 1, 1,
                    0.0, (), (), (),
                )  # fmt: skip
                got = Alternatives(rewards[k], nothing, nothing, alone)
                yield ResolvedDecision(decision, None, 0.0, got)

    def expected(self, agent: CounterfactualAgent) -> float:
        """Exact expected reward a decision of the agent's greedy policy."""
        worth = np.take_along_axis(self.value, greedy(agent).reshape(5, 5, 12), axis=-1)
        return self.mean(worth.mean(axis=-1))

    def share(self, agent: CounterfactualAgent) -> float:
        """Expected reward of the greedy policy over the optimum."""
        return self.expected(agent) / self.optimum

    def train(
        self, n: int, seed: int, settings: SizingSettings = LEARNER
    ) -> CounterfactualAgent:  # fmt: skip
        """A counterfactual learner after ``n`` decisions."""
        agent = CounterfactualAgent(FULL, settings)
        for row in self.rows(n, seed):
            agent.learn_one(row)
        return agent


@cache
def context(state: int) -> SizingContext:
    """What an agent sees in a state: all actions allowed, no line."""
    return SizingContext(
        state, np.ones(FULL.n, dtype=np.bool_), NOTIONAL, NOTIONAL < WISHED, 0.0, 0.0, COST, ATR,
        np.full((3, 3), np.nan),
    )  # fmt: skip


def greedy(agent: CounterfactualAgent) -> Int64Array:
    """(300,) actions the agent takes without exploration."""
    return np.array([agent.decide(context(s), None).index for s in range(N_STATES)])


def traded(agent: CounterfactualAgent) -> float:
    """Share of decisions in which the greedy policy trades."""
    acts = (greedy(agent) > 0).reshape(5, 5, 12).mean(axis=-1)
    return float((acts @ CONFIDENCE).mean())
