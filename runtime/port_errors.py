"""Errors of the ports, named by what the caller must do."""

from __future__ import annotations

from envs.core.errors import FixInput, QuantumTraderError


class VenueUnavailable(QuantumTraderError):
    """The venue gave no usable answer: nothing may be concluded, ask again later."""


class VenueRefused(FixInput):
    """The venue refuses for good: keys, permissions or the account's settings must be mended."""


class StoreUnavailable(QuantumTraderError):
    """The journal cannot be read or written: nothing new may be sent."""
