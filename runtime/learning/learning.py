"""The ``Learning`` port: a resolver that finds out, a learner that learns, and its checkpoints."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agents.memory.setups import HELD_BARS
from agents.memory.setups import Bar as RememberedBar
from agents.protocol import PaperTrader, SizingAgent
from agents.reinforcement.algorithms import EXPONENTIAL
from agents.reinforcement.manager import ReinforcementManager
from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.math_mode import MathModeAgent
from agents.sizing.q_learning import QLearningAgent
from envs.core.decide import Desk
from envs.core.errors import FixInput
from envs.core.settings import CoreSettings
from envs.core.trade import ClosedTrade, Decision, ResolvedDecision, ResolvedLabel, Skipped
from envs.core.view import DecisionView
from runtime.kernel_ports import Record, Signals
from runtime.learning.checkpoints import Checkpoints
from runtime.learning.learner import Learner, LearnsTrades
from runtime.learning.next_states import Successors
from runtime.learning.resolver import Resolver
from runtime.learning.saved import saved_parts
from runtime.learning.values import reward_kind
from runtime.trading import records

_EXECUTED = "executed"
_MOMENTUM = "momentum_5"


class OnlineLearning:
    """``kernel_ports.Learning`` over one set of signals.

    Args:
        signals: bars and tape the outcomes are computed from. ``last_row`` beyond the columns'
            rows means that bars arrive one by one: then no row after the present one is valid.
        agent: what learns resolved decisions (the bundle's table, a ``MathModeAgent`` around it).
        reward: name of the decision reward.
        advisers: others that learn closed trades (memory, symbol performance, a ``KellyCap``
            that is not inside the agent); one with ``learn_bar`` is told every bar too.
        learn: False resolves as always and teaches nobody.
        checkpoints: where ``checkpoint`` writes; None keeps nothing.
        every: resolved decisions between two checkpoints.
        tell: writes into the journal the bars that such advisers are told, before they are asked,
            and each checkpoint.

    Attributes:
        learner: who learns, and how many rows were refused.
        checkpoints: as given.
    """

    agent: SizingAgent

    def __init__(
        self, signals: Signals, settings: CoreSettings, agent: SizingAgent, *, reward: str,
        advisers: Sequence[LearnsTrades] = (), learn: bool = True,
        checkpoints: Checkpoints | None = None, every: int = 500,
        tell: Callable[[Record], None] | None = None,
    ) -> None:  # fmt: skip
        self.agent, self.checkpoints = agent, checkpoints
        self._signals, self._every = signals, every
        manager = signals.manager
        # A runtime has no reference account: weights that need trades learn from its own.
        trades = manager.settings.source == _EXECUTED or manager.algorithm in EXPONENTIAL
        self.learner = Learner(agent, manager, advisers, from_trades=trades, enabled=learn)
        kind, grid = reward_kind(reward), agent.preset
        papers = agent if isinstance(agent, PaperTrader) else None
        inner = agent.learner if isinstance(agent, MathModeAgent) else agent
        if isinstance(inner, CounterfactualAgent):
            # Training passed over the same bars many times; from now on each comes once.
            inner.planned_passes = 1
        self.resolver: Resolver | Successors
        if isinstance(inner, QLearningAgent):
            self.resolver = Successors(signals, settings, grid, kind, papers)
        else:
            self.resolver = Resolver(signals, settings, grid, kind, papers)
        self.parts = saved_parts(agent, lambda: signals.manager, advisers)
        self._told = [a.learn_bar for a in advisers if hasattr(a, "learn_bar")]
        self._tell = tell
        self._told_ns = self._now_ns = -1
        self._saved_at = 0
        self._begun = False

    @property
    def manager(self) -> ReinforcementManager:
        """The reinforcement manager of the signals."""
        return self._signals.manager

    def bind(self, desk: Desk) -> None:
        """Give the desk that views come from, before the first row and when it is replaced.

        Only learners that bootstrap (``classic``) need it.
        """
        if isinstance(self.resolver, Successors):
            self.resolver.bind(desk)

    def watch(self, view: DecisionView, decision: Decision) -> None:
        """Follow one candidate row, decided or not, until all about it is known."""
        self.resolver.watch(view, decision)

    def outcome(self, decision: Decision, outcome: ClosedTrade | Skipped) -> None:
        """Say what became of a decision that was carried out."""
        self.resolver.outcome(decision, outcome)

    def due(self, row: int) -> tuple[ResolvedDecision, ...]:
        """Take what became known by the close of ``row``, in the order to be learned."""
        self._now_ns = int(self._signals.data.market.close_ns[row])
        if not self._begun:
            self._begin()
        if self._told and self.learner.enabled:
            self._remember(row)
        return self.resolver.due(row)

    def _begin(self) -> None:
        """Keep what the run begins with: a replay starts from it."""
        self._begun = True
        if self.checkpoints is not None:
            self.checkpoints.save_first(self.parts, self._extra())

    def finish(self) -> tuple[ResolvedDecision, ...]:
        """Take what is still open at the end of data."""
        return self.resolver.finish()

    def learn(self, resolved: Sequence[ResolvedDecision]) -> None:
        """Let everybody learn, each (id, part) once; nothing where learning is off."""
        self.learner.learn(resolved, self._now_ns)

    def learn_labels(self, labels: Sequence[ResolvedLabel]) -> None:
        """Let the manager learn the labels of one close, each once."""
        self.learner.learn_labels(labels)

    def learn_again(self, resolved: Sequence[ResolvedDecision], time_ns: int) -> None:
        """Learn what a journal holds, written at ``time_ns``, as it was learned then."""
        interval = self._signals.data.market.interval_ns
        offset = int(self._signals.data.market.close_ns[0]) % interval
        close_ns = (time_ns - offset) // interval * interval + offset
        self.learner.learn(resolved, close_ns)

    def checkpoint(self, seq: int, *, force: bool = False) -> bool:
        """Save one generation when enough was learned since the last one, or by ``force``.

        ``seq`` is the number of the last journal record that is learned: the kernel calls this
        after ``learn`` with ``journal.last_seq``, and with ``force`` when it stops.

        Raises:
            FixInput: The folder cannot be written or the disk is full.
        """
        count = self.learner.learned
        if self.checkpoints is None or not self.learner.enabled:
            return False
        if not force and count - self._saved_at < self._every:
            return False
        made = self.checkpoints.save(self.parts, seq, self._extra())
        self._saved_at = count
        # Before anything was learned nothing may stand in a new journal: it would look half lost.
        if self._tell is not None and seq > 0:
            name, files = made.folder.name, made.files
            self._tell(records.checkpoint_record(max(self._now_ns, 0), name, seq, files))
        return True

    def _extra(self) -> dict[str, Any]:
        """What a generation says beside its files."""
        learner = self.learner
        return {"told_ns": self._told_ns, "paper": learner.state(), "learned": learner.learned}

    def take_extra(self, extra: Mapping[str, Any]) -> None:
        """Continue from what a generation says beside its files."""
        self._told_ns = int(extra["told_ns"])
        self.learner.restore(extra["paper"])
        self.learner.learned = self._saved_at = int(extra["learned"])

    def state(self) -> dict[str, Any]:
        """Decisions still followed, by id (their content is in the journal)."""
        return self.resolver.state()

    def restore(
        self, state: Mapping[str, Any], found: Callable[[str], tuple[DecisionView, Decision]]
    ) -> None:
        """Follow again what ``state`` names; ``found`` reads a decision from the journal."""
        self.resolver.restore(state, found)

    def learn_bars(self, bars: Sequence[RememberedBar]) -> None:
        """Tell advisers that remember bars those they were not told yet, oldest first."""
        if not self.learner.enabled:
            return
        for bar in (b for b in bars if b.close_ns > self._told_ns):
            for tell in self._told:
                # One that was recovered before, for the signals' sake, knows it already.
                with contextlib.suppress(FixInput):
                    tell(bar)
        self._told_ns = max(self._told_ns, max((b.close_ns for b in bars), default=-1))

    def _remember(self, row: int) -> None:
        """Let them learn the rows since the last time; older ones than they hold change nothing."""
        m = self._signals.data.market
        names = m.feature_names
        momentum = names.index(_MOMENTUM) if _MOMENTUM in names else -1
        first = int(m.close_ns.searchsorted(self._told_ns, side="right"))
        bars = [
            RememberedBar(
                symbol, int(m.close_ns[k]), int(m.regime[k, s]), int(m.market_state[k, s]),
                float(m.features[k, s, momentum]) if momentum >= 0 else float("nan"),
            )
            for k in range(max(first, row + 1 - HELD_BARS), row + 1)
            for s, symbol in enumerate(m.symbols)
        ]  # fmt: skip
        if bars and self._tell is not None:
            self._tell(records.regimes_record(self._now_ns, bars))
        if bars:
            self.learn_bars(bars)
