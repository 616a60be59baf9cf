"""The default sizing learner: every action of a decision learned from the same bars (spec 8.3).

A contextual learner with full information: the market does not react, so one decision tells what
every action would have earned. Sample means at three levels, shrunk towards the expected-value
prior, scored by a lower confidence bound; without evidence there is no trade.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from agents.learned import LearnedIds
from agents.protocol import AgentState
from agents.settings import SizingSettings
from agents.sizing.table_math import LARGEST, compiled
from agents.sizing.tables import (
    Tables,
    checked_tables,
    preset_mismatch,
    tables_digest,
    whole_number,
)
from envs.core.actions import ActionPreset
from envs.core.errors import FixInput
from envs.core.rules.exits import stop_atr
from envs.core.rules.state import N_STATES
from envs.core.trade import ResolvedDecision, SizingChoice, SizingContext, no_propensities
from envs.core.types import BoolArray, Float64Array, Int64Array

_TABLES = ("raw", "eff", "mean", "msq", "all_raw", "all_mean", "all_msq")
_LAST = "last_update_ns"
SCHEMA = "counterfactual-table"


class CounterfactualAgent:
    """Tabular sizing from alternatives; greedy unless a generator is passed to ``decide``.

    Args:
        preset: the action grid.
        settings: learner parameters.
        planned_passes: how often the same bars will be learned; divides the effective counts, since
            passing over the same bars again is no new evidence.

    ``last_update_ns`` is the latest bar close learned from, 0 before the first.
    """

    name: str = "table"

    def __init__(
        self, preset: ActionPreset, settings: SizingSettings, planned_passes: int = 1
    ) -> None:
        if planned_passes < 1:
            raise FixInput(f"planned passes: expected at least 1, found {planned_passes}")
        self.preset, self.settings = preset, settings
        self.planned_passes = planned_passes
        shape = (3, N_STATES, preset.n)
        self.raw, self.eff = np.zeros(shape), np.zeros(shape)
        self.mean, self.msq = np.zeros(shape), np.zeros(shape)
        self.all_raw, self.all_mean = np.zeros(preset.n), np.zeros(preset.n)
        self.all_msq = np.zeros(preset.n)
        self.exits = np.asarray([int(a.exit) for a in preset.actions], dtype=np.int64)
        self._stops = np.asarray([stop_atr(int(a.exit)) for a in preset.actions])
        self._scratch = np.empty(preset.n)
        self._learned = LearnedIds()
        self.last_update_ns = 0

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        """Best action by score; with a generator, uniform over unmasked actions with epsilon."""
        best = self._best(context)
        n = self.preset.n
        if rng is None:
            return SizingChoice(best, no_propensities(n, best))
        epsilon = self.settings.epsilon
        propensities = epsilon * (context.mask / np.count_nonzero(context.mask))
        propensities[best] += 1.0 - epsilon
        # Two numbers a decision, whatever comes of them, so a whole pass can draw them at once.
        chance, place = rng.random(2)
        if chance < epsilon:
            allowed = np.flatnonzero(context.mask)
            best = int(allowed[int(place * allowed.size)])
        return SizingChoice(best, propensities)

    def scores(self, context: SizingContext) -> Float64Array:
        """Score of every action: -inf where masked or without evidence, 0 for skip.

        Raises:
            FixInput: The context belongs to another preset, or its state is not 0..299.
        """
        s = self.settings
        self._check(context, context.mask, "mask")
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

        A resolved decision without alternatives teaches nothing here and stays unlearned.

        A NaN reward is one not known yet; it follows as a later part.

        Raises:
            FixInput: Another preset, a state outside 0..299, overlaps that are no counts, or a
                reward that is infinite or too large to be squared; nothing is learned then.
        """
        alternatives, decision = resolved.alternatives, resolved.decision
        if alternatives is None:
            return
        identity = (decision.decision_id, resolved.part)
        key = self._learned.unknown(identity)
        if key is None:
            return
        context, s = decision.context, self.settings
        self._check(context, alternatives.reward, "alternatives")
        if not _are_counts(alternatives.overlap):
            raise FixInput(
                f"decision {identity}: overlap: expected 3 numbers of rows, found "
                f"{alternatives.overlap.tolist()}; not learned"
            )
        update, _ = compiled()
        bad = update(
            self.raw, self.eff, self.mean, self.msq, self.all_raw, self.all_mean, self.all_msq,
            context.state, alternatives.reward, context.mask, context.notional_frac,
            context.slopes, self.exits, alternatives.overlap, context.ev, context.round_trip,
            context.atr_frac, s.ev_z, s.prior == "ev_line", float(self.planned_passes), s.min_step,
            self._scratch,
        )  # fmt: skip
        if bad >= 0:
            raise FixInput(
                f"decision {identity}: reward of {self.preset.label(bad)} is "
                f"{alternatives.reward[bad]} with prior inputs ev {context.ev}, round trip "
                f"{context.round_trip}, ATR {context.atr_frac}: not finite or beyond "
                f"{LARGEST:.0e}, not learned"
            )
        self._learned.add_key(key)
        self.last_update_ns = max(self.last_update_ns, decision.bar_close_ns)

    def first_learned(
        self, identities: Callable[[], Iterable[tuple[str, int]]]
    ) -> tuple[str, int] | None:
        """Return the first of these ids that was learned already, None where all are new."""
        return self._learned.first_known(identities)

    def learned_elsewhere(
        self, identities: Callable[[], Iterable[tuple[str, int]]], last_ns: int
    ) -> None:
        """Remember ids whose rows a compiled pass has put into the tables already."""
        self._learned.add_later(identities)
        self.last_update_ns = max(self.last_update_ns, last_ns)

    def begin_pass(self) -> None:
        """Forget which decisions were learned: the next planned pass repeats their ids."""
        self._learned.clear()

    def digest(self) -> str:
        """SHA-256 of the learned tables."""
        return tables_digest(self._tables())

    def coverage(self) -> float:
        """Share of the table's cells with at least one row."""
        return float((self.raw[0] > 0.0).mean())

    def state_dict(self) -> AgentState:
        """Tables and learned ids."""
        values = {
            "schema": SCHEMA,
            "preset": self.preset.name,
            _LAST: self.last_update_ns,
            "planned_passes": self.planned_passes,
        }
        arrays = {name: table.copy() for name, table in self._tables().items()}
        return values, {**arrays, "learned": self._learned.to_array()}

    def load_state_dict(self, state: AgentState) -> None:
        """Restore tables and ids; on refusal nothing has changed.

        Raises:
            RefusedArtifact: Another learner or preset; both shapes are named.
        """
        tables = checked_tables(state, self.state_dict(), self._tables())
        learned = LearnedIds()
        learned.load_array(state[1]["learned"])
        passes, last_ns = whole_number(state, "planned_passes", 1), whole_number(state, _LAST, 0)
        for name, table in tables.items():
            setattr(self, name, table)
        self.planned_passes, self.last_update_ns = passes, last_ns
        self._learned = learned

    def _tables(self) -> Tables:
        return {name: getattr(self, name) for name in _TABLES}

    def _check(self, context: SizingContext, array: Float64Array | BoolArray, what: str) -> None:
        # The compiled loops do not check bounds.
        grid = (self.preset.n,)
        for name, found in (
            (what, array),
            ("mask", context.mask),
            ("notional", context.notional_frac),
        ):
            if found.shape != grid:
                raise FixInput(preset_mismatch(name, self.preset.n, found.shape))
        if context.slopes.shape != (3, 3):
            raise FixInput(f"slopes: expected shape (3, 3), found {context.slopes.shape}")
        if not 0 <= context.state < N_STATES:
            raise FixInput(f"state: expected 0..{N_STATES - 1}, found {context.state}")

    def _best(self, context: SizingContext) -> int:
        """Highest score; ties: skip first, then the smaller notional at risk."""
        scores = self.scores(context)
        skip = self.preset.skip_index
        best = int(scores.argmax())
        top = scores.item(best)
        if skip is not None and not top > 0.0:
            return skip
        if top == -np.inf:
            return int(np.flatnonzero(context.mask)[0])
        tied = (scores == top).nonzero()[0]
        if tied.size == 1:
            return best
        risk = context.notional_frac[tied] * self._stops[tied]
        return int(tied[int(np.argmin(risk))])


def _are_counts(overlap: Int64Array) -> bool:
    return overlap.shape == (3,) and all(rows >= 0 for rows in overlap.tolist())
