"""Policies every trained agent stands beside: none of them learns a table."""

from __future__ import annotations

from collections import deque

import numpy as np

from agents.protocol import AgentState
from agents.settings import KellySettings, SizingSettings
from agents.sizing.kelly import kelly_used
from agents.sizing.prior import exit_moments
from envs.core.actions import ActionPreset
from envs.core.rules.exits import stop_atr
from envs.core.trade import (
    ClosedTrade,
    ResolvedDecision,
    SizingChoice,
    SizingContext,
    no_propensities,
)
from envs.core.types import ExitStrategy, Float64Array

_KELLY_WINDOW = 100


class Baseline:
    """A policy without memory; subclasses say which action."""

    def __init__(self, name: str, preset: ActionPreset) -> None:
        self.name, self.preset = name, preset

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        """Choose; a wish that is masked becomes skip (or the smallest action without skip)."""
        index = self.choose(context, rng)
        if index is None or not context.mask[index]:
            skip = self.preset.skip_index
            index = skip if skip is not None else int(np.flatnonzero(context.mask)[0])
        return SizingChoice(index, no_propensities(self.preset.n, index))

    def choose(self, context: SizingContext, rng: np.random.Generator | None) -> int | None:
        """Index wished for, None for skip."""
        return None

    def learn_one(self, resolved: ResolvedDecision) -> None:
        """Baselines learn nothing."""

    def state_dict(self) -> AgentState:
        """Only the name."""
        return {"schema": "baseline", "name": self.name}, {}

    def load_state_dict(self, state: AgentState) -> None:
        """Nothing to restore."""


class Skip(Baseline):
    """Never trades."""

    def __init__(self, preset: ActionPreset) -> None:
        super().__init__("skip", preset)


class Constant(Baseline):
    """Always the same action."""

    def __init__(self, preset: ActionPreset, index: int, name: str | None = None) -> None:
        super().__init__(name or f"constant {preset.label(index)}", preset)
        self.index = index

    def choose(self, context: SizingContext, rng: np.random.Generator | None) -> int | None:
        """The constant."""
        return self.index


class FixedLargest(Baseline):
    """The largest unmasked balanced action."""

    def __init__(self, preset: ActionPreset) -> None:
        super().__init__("fixed largest", preset)
        self._balanced = np.asarray(
            [a.size > 0.0 and a.exit is ExitStrategy.BALANCED for a in preset.actions]
        )

    def choose(self, context: SizingContext, rng: np.random.Generator | None) -> int | None:
        """Largest notional among the allowed balanced actions."""
        allowed = context.mask & self._balanced
        if not allowed.any():
            return None
        return int(np.argmax(np.where(allowed, context.notional_frac, -1.0)))


class RandomPolicy(Baseline):
    """Trades with a probability, then uniformly over the unmasked trading actions."""

    def __init__(self, preset: ActionPreset, trade_probability: float, seed: int) -> None:
        super().__init__("random", preset)
        self.trade_probability = trade_probability
        self._seed = seed
        self._trading = np.asarray([a.size > 0.0 for a in preset.actions])

    def choose(self, context: SizingContext, rng: np.random.Generator | None) -> int | None:
        """Random action; drawn from the context so that deciding stays pure."""
        bits = np.frombuffer(context.notional_frac.tobytes()[-8:], dtype=np.uint64)[0]
        draw = rng or np.random.default_rng([self._seed, int(bits % 2**32), int(context.ev * 1e12)])
        allowed = np.flatnonzero(context.mask & self._trading)
        if allowed.size == 0 or draw.random() >= self.trade_probability:
            return None
        return int(draw.choice(allowed))


class EvKelly(Baseline):
    """One expected-value slope per exit and half Kelly, no table (spec 8.3)."""

    def __init__(self, preset: ActionPreset, settings: SizingSettings) -> None:
        super().__init__("ev_kelly", preset)
        self._settings = settings
        self._exits = np.asarray([int(a.exit) for a in preset.actions], dtype=np.int64)
        self._stops = np.asarray([stop_atr(int(a.exit)) for a in preset.actions])

    def scores(self, context: SizingContext) -> Float64Array:
        """``f*mu - f^2*m2/(2*lambda)``; 0 for skip, -inf masked or without a line."""
        mu, m2, known = exit_moments(context, self._settings.ev_z)
        f, e = context.notional_frac, self._exits
        score = f * mu[e] - f * f * m2[e] / (2.0 * self._settings.kelly_fraction)
        score = np.where(f == 0.0, 0.0, np.where(known[e], score, -np.inf))
        return np.asarray(np.where(context.mask, score, -np.inf))

    def choose(self, context: SizingContext, rng: np.random.Generator | None) -> int | None:
        """Best positive score; ties to the smaller notional at risk."""
        scores = self.scores(context)
        top = float(scores.max())
        if top <= 0.0:
            return None
        tied = np.flatnonzero(scores == top)
        return int(tied[int(np.argmin(context.notional_frac[tied] * self._stops[tied]))])


class FractionalKelly(Baseline):
    """Balanced exit, sized so that the loss at the stop is the Kelly fraction of equity.

    Learns only the net R of its own last 100 closed trades; below 20 trades it plays fixed 1x.
    """

    def __init__(self, preset: ActionPreset, settings: KellySettings) -> None:
        super().__init__("fractional kelly", preset)
        self._kelly = settings
        self._net_r: deque[float] = deque(maxlen=_KELLY_WINDOW)
        self._balanced = np.asarray(
            [a.size > 0.0 and a.exit is ExitStrategy.BALANCED for a in preset.actions]
        )
        self._first = preset.index_of(1.0, 1, ExitStrategy.BALANCED)

    def choose(self, context: SizingContext, rng: np.random.Generator | None) -> int | None:
        """Action whose loss at the stop is nearest below the Kelly fraction."""
        used = kelly_used(tuple(self._net_r), self._kelly)
        if used is None:
            return self._first
        loss = context.notional_frac * (1.5 * context.atr_frac + context.round_trip)
        allowed = context.mask & self._balanced & (loss <= used)
        if used <= 0.0 or not allowed.any():
            return None
        return int(np.argmax(np.where(allowed, loss, -1.0)))

    def learn_one(self, resolved: ResolvedDecision) -> None:
        """Remember a closed trade's net R."""
        if isinstance(resolved.outcome, ClosedTrade):
            self._net_r.append(resolved.outcome.r_net)
