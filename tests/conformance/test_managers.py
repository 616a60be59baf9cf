"""The reinforcement manager and the advisers keep to their suites."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agents.adviser import Adviser
from agents.adviser_settings import MemorySettings, PerformanceSettings
from agents.checks import check_adviser, check_manager
from agents.memory import MemoryStateManager
from agents.reinforcement import persistence
from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.settings import ALGORITHMS, ReinforcementSettings
from agents.symbol_performance import SymbolPerformanceManager


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_reinforcement_manager(algorithm: str, tmp_path: Path) -> None:
    settings = ReinforcementSettings(algorithm=algorithm, vote_kappa=1.0)

    def make() -> ReinforcementManager:
        return ReinforcementManager(settings, 8, np.random.default_rng(1))

    check_manager(make, tmp_path, (persistence.SCHEMA_NAME, persistence.SCHEMA_VERSION))


def quick_performance() -> Adviser:
    return SymbolPerformanceManager(
        PerformanceSettings(disable_after_losses=2, reenable_after_wins=1, half_life_days=0.5)
    )


def quick_memory() -> Adviser:
    return MemoryStateManager(MemorySettings(half_life_h=3.0, block_h=48.0))


@pytest.mark.parametrize(
    "make", [MemoryStateManager, SymbolPerformanceManager, quick_memory, quick_performance]
)
def test_adviser(make: type[Adviser]) -> None:
    check_adviser(make)
