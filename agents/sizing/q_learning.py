"""The classic learner: bootstrapped epsilon-greedy Q-learning between consecutive decisions.

Sources: Watkins 1989 (Q-learning), van Hasselt 2010 (double Q), van Seijen et al. 2009 (Expected
SARSA); parameters from specification 8.3. A named comparison beside the counterfactual default.
"""

from __future__ import annotations

import numpy as np

from agents.learned import LearnedIds
from agents.protocol import AgentState
from agents.settings import SizingSettings
from agents.sizing.exploration import behaviour
from agents.sizing.table_math import LARGEST
from agents.sizing.tables import (
    Tables,
    checked_tables,
    preset_mismatch,
    tables_digest,
    whole_number,
)
from envs.core.actions import ActionPreset
from envs.core.errors import FixInput, RefusedArtifact
from envs.core.rules.exits import stop_atr
from envs.core.rules.state import N_STATES
from envs.core.trade import (
    NextState,
    ResolvedDecision,
    SizingChoice,
    SizingContext,
    no_propensities,
)
from envs.core.types import BoolArray, ExitStrategy, Float64Array

SCHEMA = "q-table"
_TABLES = ("q", "q2", "visits", "square")
_COLD_SIZE = 0.5
_COLD_LEVERAGE = 3
_COLD_EXIT = ExitStrategy.BALANCED
COLD_STATE = "COLD_STATE"
"""Reason of a choice made in a state none of whose actions was ever tried."""


class QLearningAgent:
    """Q-table of (state, action); learns the executed action only.

    ``seed`` starts the generator that decides which of two tables double Q updates; its state
    belongs to the checkpoint. ``n_states`` other than that of the sizing state is for known games.
    """

    name: str = "classic"

    def __init__(
        self, preset: ActionPreset, settings: SizingSettings, seed: int = 0,
        n_states: int = N_STATES,
    ) -> None:  # fmt: skip
        self.preset, self.settings, self.n_states = preset, settings, n_states
        shape = (n_states, preset.n)
        self.q, self.q2 = np.full(shape, settings.q0), np.full(shape, settings.q0)
        self.visits, self.square = np.zeros(shape), np.zeros(shape)
        self._stops = np.asarray([stop_atr(int(a.exit)) for a in preset.actions])
        self._rng = np.random.default_rng(seed)
        self._learned = LearnedIds()
        self.last_update_ns = 0

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        """Greedy without a generator, else the configured exploration.

        Raises:
            FixInput: The context belongs to another preset, or its state is not 0..299.
        """
        self._check(context)
        values = self.values(context.state)
        greedy = self._greedy(values, context)
        if rng is None:
            reason = "" if self.visits[context.state].any() else COLD_STATE
            return SizingChoice(greedy, no_propensities(self.preset.n, greedy), reason)
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
        """One update of the executed action, each decision once, whichever part brings its outcome.

        Rows that were not executed (no action, or no outcome of it) teach nothing here.

        Raises:
            FixInput: A masked action, a reward that is not finite or too large to be squared,
                another preset, or a next state that does not exist; nothing is learned then.
        """
        decision = resolved.decision
        identity = (decision.decision_id, 0)
        if decision.chosen is None or resolved.outcome is None or identity in self._learned:
            return
        self._check(decision.context)
        s, a = decision.context.state, decision.chosen
        if not 0 <= a < self.preset.n or not decision.context.mask[a]:
            raise FixInput(f"decision {identity}: action {a} was masked; not learned")
        if not abs(resolved.reward) <= LARGEST:
            raise FixInput(
                f"decision {identity}: reward is {resolved.reward}: not finite or beyond "
                f"{LARGEST:.0e}; not learned"
            )
        if resolved.next is not None:
            self._check(resolved.next)
        self._learned.add(identity)
        self.last_update_ns = max(self.last_update_ns, resolved.decision.bar_close_ns)
        self.visits[s, a] += 1.0
        table, other = self.q, self.q
        if self.settings.algorithm == "double":
            table, other = (self.q, self.q2) if self._rng.random() < 0.5 else (self.q2, self.q)
        target = resolved.reward + self._bootstrap(resolved.next, table, other)
        error = target - table[s, a]
        step = step_size(self.settings, float(self.visits[s, a]))
        table[s, a] += step * error
        first = max(step, 1.0 / float(self.visits[s, a]))
        self.square[s, a] += first * (error * error - self.square[s, a])

    def begin_pass(self) -> None:
        """Forget which decisions were learned: the next planned pass repeats their ids."""
        self._learned.clear()

    def digest(self) -> str:
        """SHA-256 of the learned tables."""
        return tables_digest(self._tables())

    def coverage(self) -> float:
        """Share of cells ever updated."""
        return float((self.visits > 0.0).mean())

    def state_dict(self) -> AgentState:
        """Tables, learned ids and the generator's state."""
        values = {
            "schema": SCHEMA,
            "preset": self.preset.name,
            "last_update_ns": self.last_update_ns,
            "rng": self._rng.bit_generator.state,
        }
        arrays = {name: table.copy() for name, table in self._tables().items()}
        return values, {**arrays, "learned": self._learned.to_array()}

    def load_state_dict(self, state: AgentState) -> None:
        """Restore; on refusal nothing has changed.

        Raises:
            RefusedArtifact: Another learner or preset; both shapes are named.
        """
        tables = checked_tables(state, self.state_dict(), self._tables())
        learned = LearnedIds()
        learned.load_array(state[1]["learned"])
        last_ns = whole_number(state, "last_update_ns", 0)
        try:
            self._rng.bit_generator.state = state[0]["rng"]
        except (KeyError, TypeError, ValueError) as error:
            raise RefusedArtifact(f"{SCHEMA}: state of the generator: {error!r}") from error
        for name, table in tables.items():
            setattr(self, name, table)
        self._learned = learned
        self.last_update_ns = last_ns

    def _tables(self) -> Tables:
        return {name: getattr(self, name) for name in _TABLES}

    def _check(self, context: SizingContext | NextState) -> None:
        if context.mask.shape != (self.preset.n,):
            raise FixInput(preset_mismatch("mask", self.preset.n, context.mask.shape))
        if not 0 <= context.state < self.n_states:
            raise FixInput(f"state: expected 0..{self.n_states - 1}, found {context.state}")

    def _bootstrap(
        self, following: NextState | None, table: Float64Array, other: Float64Array
    ) -> float:
        if following is None or following.terminal or not following.mask.any():
            return 0.0
        own = np.where(following.mask, table[following.state], -np.inf)
        best = int(np.argmax(own))
        if self.settings.algorithm == "expected_sarsa":
            value = self._expected(own, following.mask, best)
        else:
            value = float(other[following.state, best])
        return self.settings.classic_discount * value

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
            if a.size <= 0.0 or a.leverage > _COLD_LEVERAGE or a.exit is not _COLD_EXIT:
                continue
            order = (-abs(a.size - _COLD_SIZE), float(a.leverage))
            if best < 0 or order > place:
                best, place = i, order
        if best >= 0:
            return best
        skip = self.preset.skip_index
        return skip if skip is not None else int(np.flatnonzero(context.mask)[0])


def step_size(settings: SizingSettings, visits: float) -> float:
    """Constant alpha, or ``max(.01, n^-.77)`` of the cell's visits (this one included)."""
    if settings.step == "visit":
        return max(0.01, float(visits**-0.77))
    return settings.alpha
