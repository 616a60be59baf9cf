"""What a runtime's journal says: each trade and each thing learned once, and learned as written."""

from __future__ import annotations

from collections import Counter
from typing import Any

from agents.reinforcement.manager import ReinforcementManager
from agents.sizing.counterfactual import CounterfactualAgent
from envs.core.trade import ClosedTrade
from runtime.journal.bodies import resolved_of
from runtime.journal.codec import decode
from runtime.learning.learning import OnlineLearning
from runtime.learning.recovery import decision_reader, learn_journal
from tests.faults.runtime_checks import once
from tests.faults.runtime_parts import signals_for


def trades_of(journal: Any) -> list[ClosedTrade]:
    """Closed trades the journal holds, in its order."""
    return [decode(ClosedTrade, e.body["trade"]) for e in journal.read({"trade"})]


def journal_faults(journal: Any) -> list[str]:
    """Trades, fills or resolved decisions written twice, and a broken chain."""
    fault = journal.verify()
    found = [] if fault is None else [f"journal chain: {fault}"]
    found += once("trade", (e.key for e in journal.read({"trade"})))
    found += once("fill", (e.key for e in journal.read({"fill"})))
    found += once("resolved", (e.key for e in journal.read({"resolved"})))
    found += once("labels", (e.key for e in journal.read({"labels"})))
    return found


def learned_faults(runtime: Any, *, ended: bool = False) -> list[str]:
    """Where the agents are not what the journal teaches from its beginning, each line once.

    ``ended``: everything has resolved, so each closed trade is the outcome of one decision.
    """
    plan, learning = runtime.plan, runtime.learning
    found = [f"{learning.learner.refused} rows refused"] if learning.learner.refused else []
    fresh = fresh_learning(plan, runtime.agent)
    learn_journal(runtime.journal, fresh, 0)
    if fresh.agent.digest() != runtime.agent.digest():
        found.append("agent: not what was journalled")
    if managed(fresh.manager) != managed(runtime.signals.manager):
        found.append("manager: not what was journalled")
    if ended:
        found += outcome_faults(runtime.journal)
    return found


def fresh_learning(plan: Any, like: CounterfactualAgent) -> OnlineLearning:
    """Agents that have learned nothing, over the same market."""
    signals = signals_for(plan)
    agent = CounterfactualAgent(like.preset, like.settings)
    return OnlineLearning(signals, plan.core, agent, reward=like.settings.reward)


def outcome_faults(journal: Any) -> list[str]:
    """Closed trades that are not the outcome of exactly one resolved decision."""
    reader = decision_reader(journal)
    rows = [resolved_of(e.body, reader) for e in journal.read({"resolved"})]
    learned = [r.outcome for r in rows if isinstance(r.outcome, ClosedTrade)]
    names = Counter(t.decision_id for t in learned)
    made = Counter(t.decision_id for t in trades_of(journal))
    return [] if names == made else [f"learned {names - made}, not learned {made - names}"]


def managed(manager: ReinforcementManager) -> tuple[Any, ...]:
    """Everything a manager has learned that later decisions depend on."""
    return (
        manager.weights, manager.trades, len(manager.labels), manager.pool.posterior.tolist(),
        manager.pool.platt.tolist(), manager.pool.rounds.tolist(), sorted(manager.signals),
    )  # fmt: skip
