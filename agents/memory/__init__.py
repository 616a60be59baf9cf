"""Memory State Manager: what worked lately, by regime and setup (spec 12.13)."""

from agents.memory.context import MemoryContext, Pattern
from agents.memory.manager import MemoryStateManager

__all__ = ["MemoryContext", "MemoryStateManager", "Pattern"]
