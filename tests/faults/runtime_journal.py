"""What a runtime's journal says: each trade and each thing learned once, and learned as written."""

from __future__ import annotations

from typing import Any

from agents.sizing.counterfactual import CounterfactualAgent
from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.settings import ReinforcementSettings
from envs.core.trade import ClosedTrade
from runtime.journal.bodies import decision_of, labels_of, resolved_of
from runtime.journal.codec import decode
from tests.faults.runtime_checks import once
from tests.faults.runtime_script import HORIZON


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


def learned_faults(runtime: Any) -> list[str]:
    """Where the agents are not what the journal teaches from its beginning, each line once."""
    agent = CounterfactualAgent(runtime.agent.preset, runtime.agent.settings)
    manager = ReinforcementManager(ReinforcementSettings(), HORIZON)
    decided = {e.key: decision_of(e.body) for e in runtime.journal.read({"decision"})}
    for entry in runtime.journal.read({"labels", "resolved"}):
        if entry.kind == "labels":
            manager.learn_labels(labels_of(entry.body))
            continue
        resolved = resolved_of(entry.body, decided.__getitem__)
        agent.learn_one(resolved)
        manager.learn_one(resolved)
    found = [] if agent.digest() == runtime.agent.digest() else ["agent: not what was journalled"]
    if managed(manager) != managed(runtime.signals.manager):
        found.append("manager: not what was journalled")
    return found


def managed(manager: ReinforcementManager) -> tuple[Any, ...]:
    """Everything a manager has learned that later decisions depend on."""
    return (
        manager.weights, manager.trades, len(manager.labels), manager.pool.posterior.tolist(),
        manager.pool.platt.tolist(), manager.pool.rounds.tolist(), sorted(manager.signals),
    )  # fmt: skip
