"""Every learner's files restore, migrate, and survive damage by the copy before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.adviser import Adviser
from agents.checkpoint import restore_agent, save_agent
from agents.checkpoint_versions import SCHEMA_NAME, SCHEMA_VERSION
from agents.checks import check_checkpoint, sample_rows
from agents.checks.advisers import sample_trades
from agents.checks.checkpoints import Saved
from agents.checks.managers import sample_bars
from agents.memory import MemoryStateManager
from agents.protocol import SizingAgent
from agents.reinforcement import persistence
from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.settings import ALGORITHMS, ReinforcementSettings
from agents.settings import SizingSettings
from agents.sizing.counterfactual import CounterfactualAgent
from agents.sizing.ev_kelly import EvKelly
from agents.sizing.q_learning import QLearningAgent
from agents.symbol_performance import SymbolPerformanceManager
from envs.artifact import Arrays, content_digest, load_artifact
from envs.core.actions import preset

GRID = preset("classic")
ROWS = list(sample_rows(GRID, 60, 4))
SETTINGS = SizingSettings(discount="0.5", algorithm="double")
SIZING: dict[str, Callable[[], SizingAgent]] = {
    "table": lambda: CounterfactualAgent(GRID, SETTINGS),
    "classic": lambda: QLearningAgent(GRID, SETTINGS, seed=3),
    "ev_kelly": lambda: EvKelly(GRID, SETTINGS),
}


def pairs_as_in_version_1(payload: dict[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
    """Ids of the first half of ``ROWS`` as pairs, the discount as a number, no last update."""
    state, settings = dict(payload["state"]), dict(payload["settings"])
    settings["discount"] = float(settings["discount"])
    if "learned" not in arrays:
        return {**payload, "settings": settings}, arrays
    state["learned"] = sorted([list(row.id) for row in ROWS[:30] if learned(payload, row)])
    del state["last_update_ns"]
    arrays = {name: array for name, array in arrays.items() if name != "learned"}
    return {**payload, "state": state, "settings": settings}, arrays


def learned(payload: dict[str, Any], row: Any) -> bool:
    return payload["agent"] != "classic" or row.outcome is not None


@pytest.mark.parametrize("kind", SIZING)
def test_files_of_sizing_agents(kind: str, tmp_path: Path) -> None:
    def make() -> SizingAgent:
        agent = SIZING[kind]()
        teach(agent, ROWS[:30])
        return agent

    def teach(agent: SizingAgent, rows: Any = ROWS) -> None:
        for row in rows:
            agent.learn_one(row)

    check_checkpoint(
        Saved(
            kind, make, teach, everything,
            lambda path, agent: save_agent(path, agent, settings=SETTINGS),
            lambda path: restore_agent(path)[0],
            (SCHEMA_NAME, SCHEMA_VERSION), {1: pairs_as_in_version_1},
        ),
        tmp_path,
    )  # fmt: skip


def everything(agent: SizingAgent) -> str:
    """Tables, ids and generator; an agent that learns nothing has one that never changes."""
    return content_digest(*agent.state_dict())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_files_of_the_reinforcement_manager(algorithm: str, tmp_path: Path) -> None:
    settings = ReinforcementSettings(algorithm=algorithm)
    bars = sample_bars(30, 2)
    schema = (persistence.SCHEMA_NAME, persistence.SCHEMA_VERSION)

    def teach(manager: ReinforcementManager, rows: Any = bars) -> None:
        for labels, trades in rows:
            manager.learn_labels(labels)
            for trade in trades:
                manager.learn_one(trade)

    def make() -> ReinforcementManager:
        manager = ReinforcementManager(settings, 8, np.random.default_rng(5))
        teach(manager, bars[:15])
        return manager

    def digest(manager: ReinforcementManager) -> str:
        path = tmp_path / "digest.json"
        manager.checkpoint(path)
        return load_artifact(path, schema_name=schema[0], max_version=schema[1]).digest()

    check_checkpoint(
        Saved(
            "manager", make, teach, digest, lambda path, m: m.checkpoint(path),
            ReinforcementManager.load, schema, {}, oldest=2,
        ),
        tmp_path / "files",
    )  # fmt: skip


@pytest.mark.parametrize("kind", [MemoryStateManager, SymbolPerformanceManager])
def test_files_of_advisers(kind: Callable[[], Adviser], tmp_path: Path) -> None:
    trades = sample_trades(60, 1)

    def teach(adviser: Adviser, rows: Any = trades) -> None:
        for trade in rows:
            adviser.learn_one(trade)

    def make() -> Adviser:
        adviser = kind()
        teach(adviser, trades[:30])
        return adviser

    def restore(path: Path) -> Adviser:
        adviser = kind()
        adviser.restore(path)
        return adviser

    schema = (kind().schema_name, kind().schema_version)
    check_checkpoint(
        Saved(
            kind().name, make, teach, Adviser.digest,
            lambda path, adviser: adviser.checkpoint(path), restore, schema, {},
        ),
        tmp_path,
    )  # fmt: skip
