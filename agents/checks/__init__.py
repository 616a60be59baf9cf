"""Conformance suites: what any agent, manager, adviser and checkpoint must keep to."""

from agents.checks.advisers import check_adviser
from agents.checks.agents import check_agent
from agents.checks.checkpoints import check_checkpoint
from agents.checks.failed import FailedCheck
from agents.checks.managers import check_manager
from agents.checks.rows import OBSERVED, sample_context, sample_rows

__all__ = [
    "OBSERVED", "FailedCheck", "check_adviser", "check_agent", "check_checkpoint",
    "check_manager", "sample_context", "sample_rows",
]  # fmt: skip
