"""What ends a run of the trader besides wrong input."""

from __future__ import annotations

from envs.core.errors import QuantumTraderError


class CoreFailed(QuantumTraderError):
    """A core service failed: the message names it and what to do (exit code 3)."""
