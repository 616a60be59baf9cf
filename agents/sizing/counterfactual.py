"""The default sizing learner: every action of a decision learned from the same bars (spec 8.3).

A contextual learner with full information: the market does not react, so one decision tells what
every action would have earned. Sample means at three levels, shrunk towards the expected-value
prior, scored by a lower confidence bound; without evidence there is no trade.
"""

from __future__ import annotations

import hashlib

import numpy as np

from agents.protocol import AgentState
from agents.settings import SizingSettings
from agents.sizing.table_math import compiled
from envs.core.actions import ActionPreset
from envs.core.errors import RefusedArtifact
from envs.core.rules.exits import stop_atr
from envs.core.rules.state import N_STATES
from envs.core.trade import ResolvedDecision, SizingChoice, SizingContext
from envs.core.types import Float64Array

_TABLES = ("raw", "eff", "mean", "msq", "all_raw", "all_mean", "all_msq")
SCHEMA = "counterfactual-table"


class CounterfactualAgent:
    """Tabular sizing from alternatives; greedy unless a generator is passed to ``decide``.

    Args:
        preset: the action grid.
        settings: learner parameters.
        planned_passes: how often the same bars will be learned; divides the effective counts, since
            passing over the same bars again is no new evidence.
    """

    name: str = "table"

    def __init__(
        self, preset: ActionPreset, settings: SizingSettings, planned_passes: int = 1
    ) -> None:
        self.preset, self.settings = preset, settings
        self.planned_passes = planned_passes
        shape = (3, N_STATES, preset.n)
        self.raw, self.eff = np.zeros(shape), np.zeros(shape)
        self.mean, self.msq = np.zeros(shape), np.zeros(shape)
        self.all_raw, self.all_mean = np.zeros(preset.n), np.zeros(preset.n)
        self.all_msq = np.zeros(preset.n)
        self.exits = np.asarray([int(a.exit) for a in preset.actions], dtype=np.int64)
        self._stops = np.asarray([stop_atr(int(a.exit)) for a in preset.actions])
        self._learned: set[tuple[str, int]] = set()

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        """Best action by score; with a generator, uniform over unmasked actions with epsilon."""
        best = self._best(context)
        n = self.preset.n
        if rng is None:
            propensities = np.zeros(n)
            propensities[best] = 1.0
            return SizingChoice(best, propensities)
        epsilon = self.settings.epsilon
        allowed = context.mask / context.mask.sum()
        propensities = epsilon * allowed
        propensities[best] += 1.0 - epsilon
        if rng.random() < epsilon:
            best = int(rng.choice(np.flatnonzero(context.mask)))
        return SizingChoice(best, propensities)

    def scores(self, context: SizingContext) -> Float64Array:
        """Score of every action: -inf where masked or without evidence, 0 for skip."""
        s = self.settings
        _, score = compiled()
        k1, k2, k3 = s.shrink_k
        out = np.empty(self.preset.n)
        score(
            self.raw, self.eff, self.mean, self.msq, self.all_raw, self.all_mean, self.all_msq,
            context.state, context.mask, context.notional_frac, context.slopes, self.exits,
            context.ev, context.round_trip, context.atr_frac, s.ev_z, s.prior == "ev_line",
            k1, k2, k3, s.lcb_z, s.kelly_fraction, out,
        )  # fmt: skip
        return out

    def learn_one(self, resolved: ResolvedDecision) -> None:
        """Update every action from the decision's alternatives; each (id, part) once.

        A resolved decision without alternatives teaches nothing here.
        """
        if resolved.alternatives is None or resolved.id in self._learned:
            return
        self._learned.add(resolved.id)
        context, alternatives, s = resolved.decision.context, resolved.alternatives, self.settings
        update, _ = compiled()
        update(
            self.raw, self.eff, self.mean, self.msq, self.all_raw, self.all_mean, self.all_msq,
            context.state, alternatives.reward, context.notional_frac, context.slopes, self.exits,
            alternatives.overlap, context.ev, context.round_trip, context.atr_frac, s.ev_z,
            s.prior == "ev_line", float(self.planned_passes), s.min_step,
        )  # fmt: skip

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
        """Share of the table's cells with at least one row."""
        return float((self.raw[0] > 0.0).mean())

    def state_dict(self) -> AgentState:
        """Tables and learned ids."""
        values = {
            "schema": SCHEMA,
            "preset": self.preset.name,
            "planned_passes": self.planned_passes,
            "learned": sorted([list(i) for i in self._learned]),
        }
        return values, {name: getattr(self, name).copy() for name in _TABLES}

    def load_state_dict(self, state: AgentState) -> None:
        """Restore tables and ids.

        Raises:
            RefusedArtifact: Another learner or preset; both shapes are named.
        """
        values, arrays = state
        if values.get("schema") != SCHEMA:
            raise RefusedArtifact(f"expected a {SCHEMA}, found {values.get('schema')}")
        for name in _TABLES:
            mine, theirs = getattr(self, name).shape, arrays[name].shape
            if mine != theirs:
                raise RefusedArtifact(
                    f"table {name}: preset {self.preset.name} needs shape {mine}, the file has "
                    f"{theirs} (preset {values.get('preset')})"
                )
        for name in _TABLES:
            setattr(self, name, arrays[name].astype(np.float64))
        self.planned_passes = int(values["planned_passes"])
        self._learned = {(str(i), int(p)) for i, p in values["learned"]}

    def _best(self, context: SizingContext) -> int:
        """Highest score; ties: skip first, then the smaller notional at risk."""
        scores = self.scores(context)
        skip = self.preset.skip_index
        top = float(scores.max())
        if skip is not None and top <= 0.0:
            return skip
        if top == -np.inf:
            return int(np.flatnonzero(context.mask)[0])
        tied = np.flatnonzero(scores == top)
        if tied.size == 1:
            return int(tied[0])
        risk = context.notional_frac[tied] * self._stops[tied]
        return int(tied[int(np.argmin(risk))])
