"""What both advisers share: learning each trade once, failing safely, being saved and restored."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from agents.learned import LearnedIds
from agents.outcomes import TradeOutcome, check_outcome, outcome_of
from agents.protocol import AgentState
from envs.artifact import content_digest, load_artifact, load_or_previous, save_artifact
from envs.core.errors import RefusedArtifact
from envs.core.hooks import Effect, HookPoint, Keep
from envs.core.trade import ClosedTrade, ResolvedDecision
from envs.core.view import DecisionView

_log = logging.getLogger(__name__)


class Adviser(ABC):
    """A member of the hook chain that learns from closed trades.

    ``answer`` is pure and reads no clock but the view's; learning happens through ``learn_one``.
    Subclasses name themselves, their hook points, what they answer when they fail, and hold the
    rest in ``_values`` and ``_take_values``.
    """

    name: str
    points: Sequence[HookPoint]
    schema_name: ClassVar[str]
    schema_version: ClassVar[int]
    failure: ClassVar[dict[HookPoint, Effect]]
    half_life_ns: int

    def __init__(self) -> None:
        self._learned = LearnedIds()

    def learn_one(self, row: ResolvedDecision | ClosedTrade | TradeOutcome) -> bool:
        """Learn one closed trade; False where the row holds none, or one that is known.

        Raises:
            FixInput: The trade cannot be learned (``agents.outcomes``); then nothing has changed.
        """
        outcome = outcome_of(row)
        if outcome is None or outcome.id in self._learned:
            return False
        check_outcome(outcome, self._last_ns(outcome))
        self._apply(outcome)
        self._learned.add(outcome.id)
        return True

    def answer(self, point: HookPoint, view: DecisionView) -> Effect:
        """Effect at one point; whatever goes wrong inside, the answer of a failure (spec 12)."""
        try:
            return self._answer(point, view)
        except Exception:
            _log.exception("%s failed at %s for %s", self.name, point.name, view.decision_id)
            return self.failure.get(point, Keep())

    def digest(self) -> str:
        """SHA-256 of everything learned: equal learning, equal digest."""
        return content_digest(*self.state_dict())

    def state_dict(self) -> AgentState:
        """JSON-able values and arrays that determine the adviser fully."""
        values = {"schema": self.schema_name, "half_life_ns": self.half_life_ns, **self._values()}
        return values, {"learned": self._learned.to_array()}

    def load_state_dict(self, state: AgentState) -> None:
        """Restore; on refusal nothing has changed.

        Raises:
            RefusedArtifact: The state of something else, or sums of another half-life.
        """
        values, arrays = state
        mine = {"schema": self.schema_name, "half_life_ns": self.half_life_ns}
        for key, expected in mine.items():
            if values.get(key) != expected:
                raise RefusedArtifact(
                    f"{self.name}: {key}: expected {expected!r}, found {values.get(key)!r}"
                )
        if "learned" not in arrays:
            raise RefusedArtifact(f"{self.name}: expected the array 'learned', found none")
        learned = LearnedIds()
        learned.load_array(arrays["learned"])
        try:
            self._take_values(values)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RefusedArtifact(f"{self.name}: malformed state: {error!r}") from error
        self._learned = learned

    def checkpoint(self, path: Path, **stamp: Any) -> None:
        """Write everything learned to ``path``; ``stamp`` as in ``envs.artifact.save_artifact``."""
        values, arrays = self.state_dict()
        save_artifact(
            path, schema_name=self.schema_name, schema_version=self.schema_version,
            payload=values, arrays=arrays, **stamp,
        )  # fmt: skip

    def restore(self, path: Path) -> None:
        """Take over a checkpoint; from a damaged one the copy before it, with a warning.

        Raises:
            RefusedArtifact: Both damaged, of something else, or with another half-life.
        """

        def load(file: Path) -> AgentState:
            artifact = load_artifact(
                file, schema_name=self.schema_name, max_version=self.schema_version
            )
            return artifact.payload, artifact.arrays

        self.load_state_dict(load_or_previous(path, load))

    @abstractmethod
    def _last_ns(self, outcome: TradeOutcome) -> int: ...

    @abstractmethod
    def _apply(self, outcome: TradeOutcome) -> None: ...

    @abstractmethod
    def _answer(self, point: HookPoint, view: DecisionView) -> Effect: ...

    @abstractmethod
    def _values(self) -> dict[str, Any]: ...

    @abstractmethod
    def _take_values(self, values: dict[str, Any]) -> None: ...
