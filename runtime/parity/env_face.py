"""The first face: the Gymnasium environment itself, driven by the agent, learning as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import numpy as np

from envs.core.decide import Desk, decide
from envs.core.trade import ClosedTrade, Decision, ResolvedDecision, Skipped
from envs.core.view import DecisionView
from envs.core.world import Resolved
from envs.views import SizingView
from runtime.parity.ground import Ground
from runtime.parity.tale import BOOKS, STEPS, Learned, Step, Tale
from runtime.parity.watched_env import WatchedEnv

Progress = Callable[[int], None]


class EnvFace:
    """Drives the environment over a period and tells what it did.

    What a kernel does between two bars is done here around the environment, in the same order:
    labels, weights, what became due, candidates. Money, fills and exits are the environment's.

    Attributes:
        actions: every action taken, in order, for a second environment to repeat.
    """

    def __init__(self, ground: Ground, progress: Progress | None = None) -> None:
        self.ground, self.tale, self._progress = ground, Tale("env", BOOKS | {STEPS}), progress
        self.actions: list[int] = []
        self._decided: dict[str, Decision] = {}
        self._bound = False
        core = ground.plan.settings.core
        preset = ground.bundle.table.preset.name
        self.base = WatchedEnv(
            ground.signals, core, preset, ground.chain, self._at_close, self._blocked
        )
        self.env = SizingView(self.base)

    def run(self) -> Tale:
        """Live the period from its first decision to its end, everything closed."""
        started = time.perf_counter()
        ground, base = self.ground, self.base
        first, last = ground.first_row, ground.last_row
        self.env.reset(seed=0, options={"start": first, "length": last - first})
        while base.view is not None:
            self._step(base.view)
        self._settle(base.untold())
        self._learn(ground.learning.finish())
        self.tale.end(base.world.account, ground.digests())
        self.tale.gate = list(base.world.gate.events)
        if base.world.ruined:
            self.tale.notes["ruined"] = "the account is ruined: the environment ends there"
        self.tale.seconds = time.perf_counter() - started
        return self.tale

    def _step(self, view: DecisionView) -> None:
        """Decide one candidate and let the environment carry it out."""
        ground, preset = self.ground, self.ground.bundle.table.preset
        decision = decide(view, ground.brain, ground.chain)
        self._note(view, decision)
        self.tale.steps.append(
            Step(
                view.bar_close_ns, view.symbol, view.side, view.context.state,
                self.base.world.account.equity_quote(),
            )
        )  # fmt: skip
        opens = decision.chosen is not None and decision.qty_steps > 0
        if not opens and decision.chosen is not None:
            self._skipped(decision, decision.reason or "SKIP")
        action = decision.chosen if opens else preset.skip_index
        self.actions.append(int(action or 0))
        self.env.step(np.int64(self.actions[-1]))

    def _note(self, view: DecisionView, decision: Decision) -> None:
        self.tale.decisions.append(decision)
        self._decided[decision.decision_id] = decision
        self.ground.learning.watch(view, decision)

    def _blocked(self, desk: Desk, s: int) -> None:
        """A candidate that cannot be executed is learned from all the same, but at the last bar."""
        if self.base.world.row < self.ground.last_row:
            view = desk.view(s)
            self._note(view, decide(view, self.ground.brain, self.ground.chain))

    def _at_close(self, resolved: list[Resolved]) -> None:
        """What happens at a close before candidates are looked for."""
        ground, world = self.ground, self.base.world
        if not self._bound:
            ground.learning.bind(self.base.desk)
            self._bound = True
        if world.row > ground.signals.row:
            self._settle(resolved)
            self.tale.closed_bar(world.now_ns, world.account)
            labels = ground.signals.receive(world.now_ns)
            due = ground.learning.due(world.row)
            ground.learning.learn_labels(labels)
            self._learn(due)
            if self._progress is not None:
                self._progress(self.tale.bars)
        at_once(ground.signals.vote())
        ground.signals.weigh()

    def _learn(self, resolved: Sequence[ResolvedDecision]) -> None:
        now_ns = self.base.world.now_ns
        self.tale.learned += [Learned(now_ns, r) for r in resolved]
        self.ground.learning.learn(resolved)

    def _settle(self, resolved: list[Resolved]) -> None:
        """Hand on what became of decisions that were carried out."""
        for r in resolved:
            decision = self._decided[r.decision.decision_id]
            if isinstance(r.outcome, ClosedTrade):
                self.tale.trades.append(r.outcome)
                self.ground.learning.outcome(decision, r.outcome)
            elif decision.qty_steps > 0:
                self._skipped(decision, r.outcome.reason)

    def _skipped(self, decision: Decision, reason: str) -> None:
        skipped = Skipped(reason)
        self.tale.skip(decision.decision_id, self.base.world.now_ns, skipped)
        self.ground.learning.outcome(decision, skipped)


def at_once(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never waits.

    Raises:
        RuntimeError: It waited.
    """
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()
    raise RuntimeError("the signals of a comparison must be known: nothing may be waited for")
