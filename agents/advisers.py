"""The advisers that are switched on, seated for a hook chain."""

from __future__ import annotations

from agents.adviser_settings import MemorySettings, PerformanceSettings
from agents.memory import MemoryStateManager
from agents.symbol_performance import SymbolPerformanceManager
from envs.core.hooks import Mode, Seat

Managers = tuple[SymbolPerformanceManager | None, MemoryStateManager | None]


def advisers(performance: PerformanceSettings, memory: MemorySettings) -> Managers:
    """Make the managers that are switched on; None for one that is off."""
    return (
        SymbolPerformanceManager(performance) if performance.enabled else None,
        MemoryStateManager(memory, performance) if memory.enabled else None,
    )


def seats(managers: Managers, mode: Mode = Mode.ENFORCED) -> list[Seat]:
    """Seats of a hook chain, none for what is off: ``HookChain(seats(advisers(...)))``."""
    return [Seat(manager, mode) for manager in managers if manager is not None]
