"""Policies that trade often, so that a proof sees hundreds of trades and every way out of them."""

from __future__ import annotations

import hashlib
from typing import Literal, get_args

import numpy as np

from agents.protocol import AgentState, SizingAgent
from envs.core.actions import ActionPreset
from envs.core.errors import FixInput
from envs.core.trade import ResolvedDecision, SizingChoice, SizingContext
from envs.core.types import BoolArray
from envs.core.view import DecisionView

PolicyName = Literal["shipped", "always", "random"]


def policy_of(name: str, shipped: SizingAgent) -> SizingAgent:
    """The agent that decides: the bundle's own, or one drawn by decision id.

    Raises:
        FixInput: Another name.
    """
    if name == "shipped":
        return shipped
    if name not in get_args(PolicyName):
        raise FixInput(f"--policy: {', '.join(get_args(PolicyName))}, got {name!r}")
    return DrawnPolicy(shipped.preset, skips=name == "random")


class DrawnPolicy:
    """Draws among the allowed actions by the decision's id: the same in every face, learns nothing.

    With ``skips`` skipping is one of the actions, else only where nothing else is allowed.
    """

    def __init__(self, preset: ActionPreset, *, skips: bool) -> None:
        self.name = "random" if skips else "always"
        self.preset, self._skips = preset, skips
        self._trading = np.asarray([a.size > 0.0 for a in preset.actions])

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        """Draw by the context alone, for callers without a view."""
        return self._drawn(context.mask, repr((context.state, context.ev, context.atr_frac)))

    def decide_view(self, view: DecisionView, rng: np.random.Generator | None) -> SizingChoice:
        """Draw by the decision's id."""
        return self._drawn(view.context.mask, view.decision_id)

    def _drawn(self, mask: BoolArray, seed: str) -> SizingChoice:
        allowed = np.flatnonzero(mask if self._skips else mask & self._trading)
        if allowed.size == 0:
            allowed = np.flatnonzero(mask)
        number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big")
        propensities = np.zeros(self.preset.n, dtype=np.float64)
        propensities[allowed] = 1.0 / allowed.size
        return SizingChoice(int(allowed[number % allowed.size]), propensities)

    def learn_one(self, resolved: ResolvedDecision) -> None:
        """Nothing."""

    def digest(self) -> str:
        """The name: there is no more to it."""
        return hashlib.sha256(self.name.encode()).hexdigest()

    def state_dict(self) -> AgentState:
        """Nothing is learned, nothing is kept."""
        return {"schema": "drawn-policy", "name": self.name}, {}

    def load_state_dict(self, state: AgentState) -> None:
        """Nothing to restore."""
