"""The classic learner: bootstrapped epsilon-greedy Q-learning between consecutive decisions.

Sources: Watkins 1989 (Q-learning), van Hasselt 2010 (double Q), van Seijen et al. 2009 (Expected
SARSA); parameters from specification 8.3. A named comparison beside the counterfactual default.
"""

from __future__ import annotations

import hashlib

import numpy as np

from agents.protocol import AgentState
from agents.settings import SizingSettings
from agents.sizing.exploration import behaviour
from envs.core.actions import ActionPreset
from envs.core.errors import RefusedArtifact
from envs.core.rules.exits import stop_atr
from envs.core.rules.state import N_STATES
from envs.core.trade import NextState, ResolvedDecision, SizingChoice, SizingContext
from envs.core.types import BoolArray, Float64Array

SCHEMA = "q-table"
_TABLES = ("q", "q2", "visits", "square")
_COLD_SIZE = 0.5


class QLearningAgent:
    """Q-table of (state, action); learns the executed action only.

    ``rng`` decides which of two tables double Q updates; it belongs to the checkpoint.
    """

    name: str = "classic"

    def __init__(self, preset: ActionPreset, settings: SizingSettings, seed: int = 0) -> None:
        self.preset, self.settings = preset, settings
        shape = (N_STATES, preset.n)
        self.q, self.q2 = np.full(shape, settings.q0), np.full(shape, settings.q0)
        self.visits, self.square = np.zeros(shape), np.zeros(shape)
        self._stops = np.asarray([stop_atr(int(a.exit)) for a in preset.actions])
        self._rng = np.random.default_rng(seed)
        self._learned: set[tuple[str, int]] = set()

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        """Greedy without a generator, else the configured exploration."""
        values = self.values(context.state)
        greedy = self._greedy(values, context)
        if rng is None:
            propensities = np.zeros(self.preset.n)
            propensities[greedy] = 1.0
            cold = not self.visits[context.state].any()
            return SizingChoice(greedy, propensities, "COLD_STATE" if cold else "")
        return behaviour(
            self.settings, values, self.visits[context.state], self.square[context.state],
            context.mask, greedy, rng,
        )  # fmt: skip

    def values(self, state: int) -> Float64Array:
        """Action values of a state: the mean of both tables under double Q."""
        if self.settings.algorithm == "double":
            return np.asarray(0.5 * (self.q[state] + self.q2[state]))
        return np.asarray(self.q[state].copy())

    def learn_one(self, resolved: ResolvedDecision) -> None:
        """One update of the executed action; rows without one are ignored, each id once."""
        decision = resolved.decision
        if decision.chosen is None or resolved.id in self._learned:
            return
        if not np.isfinite(resolved.reward):
            raise RefusedArtifact(f"decision {resolved.id}: reward is not finite; not learned")
        self._learned.add(resolved.id)
        s, a = decision.context.state, decision.chosen
        self.visits[s, a] += 1.0
        step = self.settings.alpha
        if self.settings.step == "visit":
            step = max(0.01, float(self.visits[s, a] ** -0.77))
        table, other = self.q, self.q
        if self.settings.algorithm == "double":
            table, other = (self.q, self.q2) if self._rng.random() < 0.5 else (self.q2, self.q)
        target = resolved.reward + self._bootstrap(resolved.next, table, other)
        error = target - table[s, a]
        table[s, a] += step * error
        self.square[s, a] += step * (error * error - self.square[s, a])

    def begin_pass(self) -> None:
        """Forget which decisions were learned: the next planned pass repeats their ids."""
        self._learned.clear()

    def digest(self) -> str:
        """SHA-256 of the learned tables."""
        h = hashlib.sha256()
        for name in _TABLES:
            h.update(getattr(self, name).tobytes())
        return h.hexdigest()

    def coverage(self) -> float:
        """Share of cells ever updated."""
        return float((self.visits > 0.0).mean())

    def state_dict(self) -> AgentState:
        """Tables, learned ids and the generator's state."""
        values = {
            "schema": SCHEMA,
            "preset": self.preset.name,
            "learned": sorted([list(i) for i in self._learned]),
            "rng": self._rng.bit_generator.state,
        }
        return values, {name: getattr(self, name).copy() for name in _TABLES}

    def load_state_dict(self, state: AgentState) -> None:
        """Restore.

        Raises:
            RefusedArtifact: Another learner or preset; both shapes are named.
        """
        values, arrays = state
        if values.get("schema") != SCHEMA:
            raise RefusedArtifact(f"expected a {SCHEMA}, found {values.get('schema')}")
        for name in _TABLES:
            if arrays[name].shape != self.q.shape:
                raise RefusedArtifact(
                    f"table {name}: preset {self.preset.name} needs shape {self.q.shape}, the file "
                    f"has {arrays[name].shape} (preset {values.get('preset')})"
                )
        for name in _TABLES:
            setattr(self, name, arrays[name].astype(np.float64))
        self._rng.bit_generator.state = values["rng"]
        self._learned = {(str(i), int(p)) for i, p in values["learned"]}

    def _bootstrap(self, following: NextState | None, table: Float64Array, other: Float64Array) -> float:
        if following is None or following.terminal or not following.mask.any():
            return 0.0
        own = np.where(following.mask, table[following.state], -np.inf)
        best = int(np.argmax(own))
        if self.settings.algorithm == "expected_sarsa":
            value = self._expected(own, following.mask, best)
        else:
            value = float(other[following.state, best])
        return self.settings.discount * value

    def _expected(self, values: Float64Array, mask: BoolArray, best: int) -> float:
        epsilon = self.settings.epsilon
        mean = float(values[mask].mean())
        return epsilon * mean + (1.0 - epsilon) * float(values[best])

    def _greedy(self, values: Float64Array, context: SizingContext) -> int:
        """Highest value; ties: skip first, then the smaller notional at risk; cold: half a plan."""
        skip = self.preset.skip_index
        if not self.visits[context.state].any():
            return self._cold(context)
        shown = np.where(context.mask, values, -np.inf)
        top = float(shown.max())
        tied = np.flatnonzero(shown == top)
        if skip is not None and skip in tied:
            return skip
        risk = context.notional_frac[tied] * self._stops[tied]
        return int(tied[int(np.argmin(risk))])

    def _cold(self, context: SizingContext) -> int:
        """The plan at half margin: balanced exit, largest allowed leverage up to 3."""
        best, place = -1, (0.0, 0.0)
        for i in np.flatnonzero(context.mask).tolist():
            a = self.preset.actions[i]
            if a.size <= 0.0 or a.leverage > 3 or int(a.exit) != 1:
                continue
            order = (-abs(a.size - _COLD_SIZE), float(a.leverage))
            if best < 0 or order > place:
                best, place = i, order
        if best >= 0:
            return best
        skip = self.preset.skip_index
        return skip if skip is not None else int(np.flatnonzero(context.mask)[0])
