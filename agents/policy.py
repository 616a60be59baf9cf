"""Base of policies that learn no table: wish for an action, fall back to skip."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.protocol import AgentState
from envs.artifact import content_digest
from envs.core.actions import ActionPreset
from envs.core.errors import RefusedArtifact
from envs.core.trade import ResolvedDecision, SizingChoice, SizingContext, no_propensities


class Policy:
    """A named policy of a preset; subclasses say which action they wish for."""

    def __init__(self, name: str, preset: ActionPreset) -> None:
        self.name, self.preset = name, preset

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        """Choose; a masked wish becomes skip (the first allowed action in a preset without it)."""
        index = self.choose(context, rng)
        if index is None or not context.mask[index]:
            skip = self.preset.skip_index
            index = skip if skip is not None else int(np.flatnonzero(context.mask)[0])
        return SizingChoice(index, no_propensities(self.preset.n, index))

    def choose(self, context: SizingContext, rng: np.random.Generator | None) -> int | None:
        """Index wished for, None for skip."""
        return None

    def learn_one(self, resolved: ResolvedDecision) -> None:
        """Nothing is learned here."""

    def digest(self) -> str:
        """SHA-256 of the state."""
        return content_digest(*self.state_dict())

    def state_dict(self) -> AgentState:
        """What names the policy; subclasses add what they learned."""
        return {"schema": "policy", "name": self.name, "preset": self.preset.name}, {}

    def load_state_dict(self, state: AgentState) -> None:
        """Accept the state of the same policy.

        Raises:
            RefusedArtifact: Another policy or preset; both are named.
        """
        mine: dict[str, Any] = self.state_dict()[0]
        for key in ("schema", "name", "preset"):
            if state[0].get(key) != mine[key]:
                raise RefusedArtifact(
                    f"{self.name}: {key}: expected {mine[key]!r}, found {state[0].get(key)!r}"
                )
