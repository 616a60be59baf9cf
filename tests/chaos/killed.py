"""What a run with kills came to, judged by the venue's books and the journal on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtime.journal.sql_journal import SqlJournal
from runtime.store.database import open_database
from runtime.store.sql_store import SqlStore
from tests.chaos.files import ERROR
from tests.faults.runtime_auditor import DOUBLED, UNPROTECTED
from tests.faults.runtime_checks import Bounds, intent_faults, ledger_faults, venue_faults
from tests.faults.runtime_journal import journal_faults, outcome_faults, trades_of
from tests.faults.runtime_parts import Plan
from tests.faults.runtime_rig import Venue


@dataclass
class Killed:
    """What a run with kills came to.

    Attributes:
        aimed: kills at the moment at which a position had no stop yet.
        worst_s: longest time a position was without a covering stop, seconds of market time.
        doubled_s: longest time two stops stood side by side.
        bare_s: of each aimed kill, how long it left a position without a stop, market seconds.
        first_s: from each kill to the end of first aid, wall seconds.
        cpu_s: processor time that a life needed for it, its start included.
        ready_s: from each kill to a recovered account, wall seconds.
    """

    seed: int
    kills: int = 0
    aimed: int = 0
    lives: int = 0
    trades: int = 0
    worst_s: float = 0.0
    doubled_s: float = 0.0
    bare_s: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    ready_s: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


Told = Callable[[Killed], None]
"""Hears of each run that has ended."""


def silent(run: Killed) -> None:
    """Tell nobody."""


async def judge(
    venue: Venue, plan: Plan, result: dict[str, Any], bounds: Bounds, out: Killed
) -> None:
    """The common invariants, into ``out.faults``."""
    auditor = venue.auditor
    out.worst_s, out.doubled_s = auditor.worst_s(UNPROTECTED), auditor.worst_s(DOUBLED)
    database = open_database(f"sqlite:///{plan.folder / 'journal.db'}", create=False)
    try:
        journal, store = SqlJournal(database), SqlStore(database)
        trades = trades_of(journal)
        out.trades = len(trades)
        out.faults += venue_faults(auditor, bounds)
        out.faults += ledger_faults(auditor, int(result["cash_units"]), trades)
        out.faults += await intent_faults(auditor, store)
        out.faults += journal_faults(journal) + outcome_faults(journal)
    finally:
        database.close()
    if venue.session.state.has_business():
        out.faults.append("something is left open at the venue")


def read(path: Path) -> dict[str, Any]:
    """A note that a life left; empty where it left none."""
    if not path.exists():
        return {}
    body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return body


def error_of(folder: Path) -> str:
    """What a life said when it ended by itself."""
    path = folder / ERROR
    return path.read_text(encoding="utf-8")[-400:] if path.exists() else ""
