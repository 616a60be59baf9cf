"""Entries of the account's ledger: every change of cash, in order, with its cause."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class EntryKind(Enum):
    """Why cash changed."""

    FEE = "FEE"
    REALISED = "REALISED"
    FUNDING = "FUNDING"
    INSURANCE = "INSURANCE"
    LIQUIDATION_FEE = "LIQUIDATION_FEE"
    TRANSFER = "TRANSFER"


@dataclass(frozen=True)
class LedgerEntry:
    """One booked change of cash in units of 1e-8 quote."""

    time_ns: int
    symbol: str
    kind: EntryKind
    units: int
    decision_id: str


@dataclass(frozen=True)
class GateEvent:
    """A change of the emergency stop's state, or a warning (level 0)."""

    time_ns: int
    state: int
    level: int
    daily_dd: float
    open_dd: float
    total_dd: float
