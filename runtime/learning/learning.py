"""The ``Learning`` port: a resolver that finds out, and a learner that learns (signatures)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agents.protocol import SizingAgent
from agents.reinforcement.manager import ReinforcementManager
from envs.core.decide import Desk
from envs.core.settings import CoreSettings
from envs.core.trade import ClosedTrade, Decision, ResolvedDecision, ResolvedLabel, Skipped
from envs.core.view import DecisionView
from runtime.kernel_ports import Signals
from runtime.learning.checkpoints import Checkpoints
from runtime.learning.learner import LearnsTrades


class OnlineLearning:
    """``kernel_ports.Learning`` over one set of signals.

    Args:
        signals: bars and tape the outcomes are computed from; ``signals.last_row`` beyond every
            row that exists means that bars arrive one by one.
        agent: what learns resolved decisions (the bundle's table, a ``MathModeAgent`` around it).
        advisers: others that learn closed trades (memory, symbol performance, a ``KellyCap``
            that is not inside the agent).
        learn: False resolves as always and teaches nobody.
        checkpoints: where ``checkpoint`` writes; None keeps nothing.
        every: resolved decisions between two checkpoints.
        account: name in decision ids.
    """

    agent: SizingAgent

    def __init__(
        self, signals: Signals, settings: CoreSettings, agent: SizingAgent, *, reward: str,
        advisers: Sequence[LearnsTrades] = (), learn: bool = True,
        checkpoints: Checkpoints | None = None, every: int = 500,
    ) -> None:  # fmt: skip
        raise NotImplementedError

    @property
    def manager(self) -> ReinforcementManager:
        """The reinforcement manager of the signals."""
        raise NotImplementedError

    def bind(self, desk: Desk) -> None:
        """Give the desk that views come from; the kernel calls it once, before the first row.

        Only learners that bootstrap (``classic``) need it.
        """

    def watch(self, view: DecisionView, decision: Decision) -> None: ...
    def outcome(self, decision: Decision, outcome: ClosedTrade | Skipped) -> None: ...
    def due(self, row: int) -> tuple[ResolvedDecision, ...]: ...
    def finish(self) -> tuple[ResolvedDecision, ...]: ...
    def learn(self, resolved: Sequence[ResolvedDecision]) -> None: ...
    def learn_labels(self, labels: Sequence[ResolvedLabel]) -> None: ...

    def checkpoint(self, seq: int, *, force: bool = False) -> bool:
        """Save one generation when enough was learned since the last one, or by ``force``.

        ``seq`` is the number of the last journal record that is committed AND learned: the kernel
        calls this after ``learn`` with ``journal.last_seq``, and with ``force`` when it stops.
        """
        ...

    def state(self) -> dict[str, Any]: ...
    def restore(
        self, state: Mapping[str, Any], found: Callable[[str], tuple[DecisionView, Decision]]
    ) -> None: ...
