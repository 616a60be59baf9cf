"""Walks a journal in order: learns what was learned where it was learned, recomputes the rest."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agents.memory.setups import Bar as RememberedBar
from agents.reinforcement.manager import ReinforcementManager
from agents.sizing.math_mode import MathModeAgent
from envs.core.decide import decide
from envs.core.errors import FixInput
from envs.core.events import LedgerEntry
from envs.core.instrument import Instrument
from envs.core.trade import ClosedTrade, Decision, ResolvedDecision, ResolvedLabel
from envs.core.view import DecisionView
from envs.market.sources import interval_ns_of
from runtime.journal.bodies import decision_of
from runtime.journal.codec import decode
from runtime.journal.entries import Entry
from runtime.learning.checkpoints import Generation
from runtime.learning.learner import Learner
from runtime.learning.recovery import REGIMES, Relearning, decision_reader
from runtime.learning.saved import content_digest_of, saved_parts
from runtime.port_values import Fill
from runtime.replay.differences import Difference, differences
from runtime.replay.opening import RUN, Subject
from runtime.replay.report import Report
from runtime.replay.signals import SignalCheck
from runtime.replay.trades import TradeCheck
from runtime.wiring.minds import minds_of

DECISION, SIGNAL, FILL, FUNDING, TRADE = "decision", "signal", "fill", "funding", "trade"


class Replayer:
    """Agents of a run as they stood at each of its decisions.

    Raises (constructor):
        FixInput: The run had a memory, and its journal is older than the records of regimes.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject, self.report = subject, Report()
        bundle, settings = subject.bundle, subject.settings
        minds = minds_of(bundle, settings, timed=False)
        self._memories = [a.learn_bar for a in minds.advisers if hasattr(a, "learn_bar")]
        # What a coarse journal's agents learned is not in it: they cannot be asked again.
        self._knows = subject.whole or not subject.learned
        if self._memories and subject.learned and subject.whole and not _has_regimes(subject):
            raise FixInput(
                "MEMORY_ENABLED=true, but the journal does not hold the regimes that the memory "
                "learned (it was written by an older version): its advice cannot be recomputed"
            )
        self._brain, self._chain = minds.brain, minds.chain
        self.manager: ReinforcementManager = bundle.manager
        self.learner = Learner(
            minds.learner, self.manager, minds.advisers,
            from_trades=self.manager.settings.source == "executed", enabled=subject.learned,
        )  # fmt: skip
        self._parts = saved_parts(minds.learner, lambda: self.manager, minds.advisers)
        self._begin()
        self._found = _Remembering(subject)
        self._relearning = Relearning(self, self._found)
        self._signals = SignalCheck(self.manager, bundle.pool_line, settings.core)
        self._trades = TradeCheck({})
        self._generations = self._later_generations()
        if not subject.whole:
            self.report.signals.note = "journal of level trades: labels are not in it"
        if not self._knows:
            lacking = "journal of level trades: what was learned is not in it"
            self.report.decisions.note = self.report.learned.note = lacking

    def run(self, progress: Callable[[int], None] | None = None) -> Report:
        """Replay everything; ``progress`` is told the number of each record."""
        fault = self.subject.journal.verify()
        said = () if fault is None else (Difference("line", str(fault.seq), fault.problem),)
        self.report.chain.judge(f"record {said[0].journalled}" if said else "", said)
        for entry in self.subject.journal.read():
            self._relearning.take(entry)
            self._check(entry)
            self._compare_learned(entry.seq)
            if progress is not None and entry.seq % 64 == 0:
                progress(entry.seq)
        self._relearning.flush()
        self._compare_learned(2**62)
        return self.report

    def learn_labels(self, labels: Sequence[ResolvedLabel]) -> None:
        """Learn the labels of one close, as the run did."""
        self.learner.learn_labels(labels)

    def learn_bars(self, bars: Sequence[RememberedBar]) -> None:
        """Let the memory learn bars, as the run did."""
        if self.learner.enabled:
            for bar in bars:
                for learn in self._memories:
                    learn(bar)

    def learn_again(self, resolved: Sequence[ResolvedDecision], time_ns: int) -> None:
        """Learn the resolved decisions of one close, as the run did."""
        bar = interval_ns_of(self.subject.settings.run.timeframe)
        self.learner.learn(resolved, time_ns // bar * bar)

    def _begin(self) -> None:
        """Stand where the run began: with what was learned before its first bar."""
        checkpoints = self.subject.checkpoints
        first = None if checkpoints is None else checkpoints.first()
        if first is not None:
            first.restore(self._parts)
            self.learner.restore(first.extra["paper"])
        elif self.subject.whole and self.subject.learned:
            self.report.signals.note = "without the agents' first checkpoint: not comparable"

    def _check(self, entry: Entry) -> None:
        where = f"record {entry.seq} {entry.kind} {entry.key}"
        if entry.kind == DECISION and self._knows:
            view, decision = decision_of(entry.body)
            self._found.remember(view, decision)
            self._relearning.flush()
            self._check_decision(where, view, decision)
        elif entry.kind == RUN:
            self._adopt(entry.body)
        elif entry.kind == SIGNAL and not self.report.signals.note:
            self._relearning.flush()
            body = decode(dict[str, Any], dict(entry.body))
            self.report.signals.judge(where, self._signals.of_signal(entry.key, body))
        elif entry.kind == FILL:
            self._trades.fill(str(entry.body["decision_id"]), decode(Fill, entry.body["fill"]))
        elif entry.kind == FUNDING:
            self._trades.funding(decode(LedgerEntry, entry.body["entry"]))
        elif entry.kind == TRADE:
            trade: ClosedTrade = decode(ClosedTrade, entry.body["trade"])
            self.report.trades.judge(where, self._trades.closed(trade))

    def _adopt(self, run: Mapping[str, Any]) -> None:
        """Count in the contracts that this start of the run traded."""
        changed = [Instrument.from_json(body) for body in run.get("contracts", ())]
        instruments = {i.symbol: i for i in (*self.subject.bundle.instruments, *changed)}
        self._trades.adopt(instruments)
        if isinstance(self._brain, MathModeAgent):
            self._brain.adopt(instruments)

    def _check_decision(self, where: str, view: DecisionView, decision: Decision) -> None:
        again = decide(view, self._brain, self._chain)
        self.report.decisions.judge(where, differences(decision, again))
        if not self.report.signals.note:
            self.report.signals.judge(where, self._signals.of_view(view))

    def _later_generations(self) -> list[Generation]:
        checkpoints = self.subject.checkpoints
        if checkpoints is None:
            self.report.learned.note = "no checkpoints beside this journal"
        if checkpoints is None or not self._knows:
            return []
        return sorted(checkpoints.generations(), key=lambda g: g.seq)

    def _compare_learned(self, seq: int) -> None:
        """Compare with the generations that had learned exactly the records so far."""
        while self._generations and self._generations[0].seq <= seq:
            generation = self._generations.pop(0)
            self._relearning.flush()
            self.report.learned.judge(generation.folder.name, self._learned(generation))

    def _learned(self, generation: Generation) -> Iterator[Difference]:
        with tempfile.TemporaryDirectory() as folder:
            for part in self._parts:
                if part.name == "reinforcement" and self.report.signals.note:
                    continue
                path = Path(folder) / f"{part.name}.json"
                part.save(path)
                then, now = (
                    content_digest_of(generation.folder / path.name),
                    content_digest_of(path),
                )
                if then != now:
                    yield Difference(part.name, then, now)


def _has_regimes(subject: Subject) -> bool:
    """Whether the memory's bars are in the journal, or nothing is in it that needed them."""
    journal = subject.journal
    return next(iter(journal.read({REGIMES})), None) is not None or (
        next(iter(journal.read({DECISION})), None) is None
    )


class _Remembering:
    """Reads decisions by id: the last ones without asking the database."""

    def __init__(self, subject: Subject) -> None:
        self._read = decision_reader(subject.journal)
        self._known: dict[str, tuple[DecisionView, Decision]] = {}

    def remember(self, view: DecisionView, decision: Decision) -> None:
        """Keep one; the oldest leave."""
        self._known[decision.decision_id] = (view, decision)
        if len(self._known) > 5_000:
            del self._known[next(iter(self._known))]

    def __call__(self, decision_id: str) -> tuple[DecisionView, Decision]:
        found = self._known.get(decision_id)
        return self._read(decision_id) if found is None else found
