"""Games whose best action is known in every state, to measure sizing learners by.

``SizingGame``: a coin of a known chance in every state, the reward is log growth (Kelly 1956).
``UnstructuredGame``: twenty actions whose mean rewards have nothing to do with each other. The next
state does not depend on the action, so values are exact, and the regret of a policy is too. One
outcome decides all actions of a decision, as bars do: the counterfactual learner is shown all of
them, Q-learning the one it took.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from envs.core.actions import Action, ActionPreset
from envs.core.errors import FixInput
from envs.core.trade import SizingContext
from envs.core.types import ExitStrategy, Float64Array, Int64Array

N_ACTIONS = 20
BETS = ActionPreset(
    "twenty bets", tuple(Action(0.05 * k, 1, ExitStrategy.BALANCED) for k in range(N_ACTIONS))
)
CHOICES = ActionPreset(
    "twenty choices",
    tuple(Action(0.05 * (k + 1), 1, ExitStrategy.BALANCED) for k in range(N_ACTIONS)),
)


_EDGE = np.array([-0.06, 0.02, 0.10, 0.15, 0.20])
"""Chance above one half by confidence, in a regime of strength 1."""


class PlantedGame(ABC):
    """States as they occur (evenly), the exact value of every action, and draws of both.

    Args:
        preset: the twenty actions.
        states: (S,) indices of the agents' 300 states.
        value: (S, A) expected reward.
        notional: (A,) notional of the actions, a fraction of equity.

    Raises:
        FixInput: Shapes that do not fit each other.
    """

    def __init__(
        self, preset: ActionPreset, states: Int64Array, value: Float64Array, notional: Float64Array
    ) -> None:
        if value.shape != (states.size, preset.n) or notional.shape != (preset.n,):
            raise FixInput(
                f"planted game: {states.size} states and {preset.n} actions, but values of shape "
                f"{value.shape} and notional of shape {notional.shape}"
            )
        self.preset, self.states, self.value = preset, states, value
        allowed, slopes = np.ones(preset.n, dtype=np.bool_), np.full((3, 3), np.nan)
        self.contexts = [
            SizingContext(
                int(s), allowed, notional, ~allowed, 0.0, 0.0, 0.001, 0.02, slopes
            ) for s in states
        ]  # fmt: skip

    @abstractmethod
    def rewards(self, places: Int64Array, rng: np.random.Generator) -> Float64Array:
        """(n, A) what each action earns in n decisions at ``places`` of ``states``."""

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Int64Array, Float64Array]:
        """Places (n,) and the rewards (n, A) of ``n`` decisions."""
        places = rng.integers(self.states.size, size=n)
        return places, self.rewards(places, rng)

    def regret(self, chosen: Int64Array) -> float:
        """Mean over the states of the best value minus that of the action ``chosen`` (S,)."""
        taken = self.value[np.arange(self.states.size), chosen]
        return float((self.value.max(axis=1) - taken).mean())


class SizingGame(PlantedGame):
    """Even-money coins, bet with one of twenty fractions of the equity, skip among them.

    The chance follows regime and confidence; exposure and performance shift it by at most .01. In
    the lowest confidence skip is best. Rewards are log growth in units of what the best policy
    earns a decision, so a regret of .05 is a twentieth of it.

    Args:
        seed: draws the strength of the regimes and the shifts.
        confidences: bins in use.
        shifts: pairs of exposure and performance in use, 1..12.

    Raises:
        FixInput: Bins that do not exist, or none.
    """

    def __init__(
        self, seed: int, confidences: tuple[int, ...] = (0, 2, 4), shifts: int = 2
    ) -> None:
        if not (confidences and set(confidences) <= set(range(5)) and 1 <= shifts <= 12):
            raise FixInput(
                f"sizing game: confidences must be bins 0..4 and shifts 1..12, got {confidences} "
                f"and {shifts}"
            )
        rng = np.random.default_rng([seed, 1])
        regime = rng.uniform(0.6, 1.4, size=5)
        shift = rng.uniform(-0.01, 0.01, size=shifts)
        bins = np.asarray(confidences, dtype=np.int64)
        self.chance = (0.5 + regime[:, None, None] * _EDGE[bins][:, None] + shift).reshape(-1)
        states = (np.arange(5)[:, None] * 5 + bins)[:, :, None] * 12 + np.arange(shifts)
        bets = np.array([a.size for a in BETS.actions])
        win, loss = np.log1p(bets), np.log1p(-bets)
        value = self.chance[:, None] * win + (1.0 - self.chance)[:, None] * loss
        unit = float(value.max(axis=1).mean())
        self.outcomes = np.stack([loss, win]) / unit
        super().__init__(BETS, states.reshape(-1).astype(np.int64), value / unit, bets)

    def rewards(self, places: Int64Array, rng: np.random.Generator) -> Float64Array:
        """Log growth of every bet on one coin a decision."""
        won = rng.random(places.size) < self.chance[places]
        return np.asarray(self.outcomes[won.astype(np.int64)])


class UnstructuredGame(PlantedGame):
    """Thirty states, twenty actions, means drawn from N(0, .1), noise of deviation .5 (row 27).

    Of the noise's variance ``shared`` is common to the actions of a decision.
    """

    def __init__(self, seed: int, shared: float) -> None:
        if not 0.0 <= shared < 1.0:
            raise FixInput(f"unstructured game: shared must lie in [0, 1), got {shared}")
        value = np.random.default_rng([seed, 2]).normal(0.0, 0.1, size=(30, N_ACTIONS))
        self.shared = shared
        states = np.arange(30, dtype=np.int64) * 10
        super().__init__(CHOICES, states, value, np.ones(N_ACTIONS))

    def rewards(self, places: Int64Array, rng: np.random.Generator) -> Float64Array:
        """Means plus noise."""
        common = rng.normal(size=(places.size, 1))
        own = rng.normal(size=(places.size, N_ACTIONS))
        noise = np.sqrt(self.shared) * common + np.sqrt(1.0 - self.shared) * own
        return np.asarray(self.value[places] + 0.5 * noise)
