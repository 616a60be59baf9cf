"""Errors of the trading world, named by what the operator must do."""

from __future__ import annotations


class QuantumTraderError(Exception):
    """Root of every error this project raises on purpose."""


class FixInput(QuantumTraderError):
    """Input cannot be used as it is: mend the named file, row, field or variable (exit code 2)."""


class FixData(FixInput):
    """Market data is unusable: the message names the file, the row and the defect."""


class FixSettings(FixInput):
    """A setting is unknown or out of range: the message names it, its value and what is allowed."""


class RefusedArtifact(FixInput):
    """A saved file does not match what is asked of it: retrain, or point to the right file."""


class DamagedArtifact(RefusedArtifact):
    """A saved file is not what was written: restore the copy before it, or make it anew."""


class InvalidAction(QuantumTraderError):
    """An action outside the action space reached the environment: correct the caller."""


class LedgerError(QuantumTraderError):
    """Money would not be conserved or an amount is too large to book: stop and report a defect."""
