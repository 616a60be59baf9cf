"""What every sizing agent is: a pure decision, one door for learning, a state that can be saved."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

from envs.core.actions import ActionPreset
from envs.core.trade import ResolvedDecision, SizingChoice, SizingContext

AgentState = tuple[dict[str, Any], dict[str, "np.ndarray[Any, Any]"]]


@runtime_checkable
class SizingAgent(Protocol):
    """Chooses an action of a preset for a candidate, and learns from resolved decisions."""

    name: str
    preset: ActionPreset

    def decide(self, context: SizingContext, rng: np.random.Generator | None) -> SizingChoice:
        """Choose for what is known at the close; changes nothing. ``rng`` None means greedy."""
        ...

    def learn_one(self, resolved: ResolvedDecision) -> None:
        """Learn one resolved decision; the same (id, part) again is ignored."""
        ...

    def digest(self) -> str:
        """SHA-256 of what was learned: equal learning, equal digest."""
        ...

    def state_dict(self) -> AgentState:
        """JSON-able values and arrays that determine the agent fully."""
        ...

    def load_state_dict(self, state: AgentState) -> None:
        """Restore; RefusedArtifact when shapes or names differ, naming both."""
        ...


@runtime_checkable
class PaperTrader(Protocol):
    """A learner that wants to know how signals would have ended that it skips for now."""

    def paper_action(self, context: SizingContext) -> int | None:
        """Action to follow on paper for a skipped candidate; None while it counts no paper."""
        ...
