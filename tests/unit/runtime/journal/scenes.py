"""Candidates, closes and journals that the tests of the journal write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np

from envs.core.rules.sizing import Funds
from envs.core.trade import Alternatives, Decision, ResolvedDecision, ResolvedLabel, Skipped
from envs.core.trade import SizingContext as Context
from envs.core.view import DecisionView
from runtime.journal.levels import Level
from runtime.journal.sql_journal import SqlJournal
from runtime.kernel_ports import Record
from runtime.port_market import Bar
from runtime.store.database import Database, open_database

ACTIONS = 76


def candidate(number: int, symbol: str = "BTCUSDT") -> tuple[DecisionView, Decision]:
    """A decided candidate of the full preset, its context shared as ``decide`` shares it."""
    rng = np.random.default_rng(number)
    context = Context(
        3, rng.random(ACTIONS) < 0.5, rng.random(ACTIONS), rng.random(ACTIONS) < 0.5, 0.1, 0.2,
        0.3, 0.4, np.full((3, 3), np.nan),
    )  # fmt: skip
    up, down, weights, sides = (0.1, float("nan")), (0.1, 0.2), (0.25, 0.75), (1, 0)
    view = DecisionView(
        f"demo:{symbol}:{number}", number, 0, symbol, number, 1, 2, 999, 1.5, context,
        Funds(1.0, 2.0, 3.0, 4.0, 1.0), rng.integers(0, 9, ACTIONS), np.zeros(ACTIONS, np.int8),
        10**12, 5 * 10**11, 0.3, up, down, weights, sides, True, "",
    )  # fmt: skip
    decision = Decision(
        view.decision_id, view.symbol, view.bar_close_ns, view.side, context, 3,
        rng.random(ACTIONS), 7, view.equity_units, view.spare_units, view.score, up, down, weights,
        (("hook", "size", "x0.5"),), "", sides,
    )  # fmt: skip
    return view, decision


def decided(view: DecisionView, decision: Decision) -> Record:
    """Record of a candidate."""
    body = {"view": view, "decision": decision}
    return Record("decision", view.bar_close_ns, view.decision_id, body)


def resolved(decision: Decision) -> ResolvedDecision:
    """What became of it."""
    n = np.arange(ACTIONS)
    other = Alternatives(n * 0.5, n, n, np.arange(3))
    return ResolvedDecision(decision, Skipped("LAPSED"), -0.0, other)


def learnt(unit: ResolvedDecision) -> Record:
    """Record of a resolved decision."""
    return Record("resolved", 9, f"{unit.decision.decision_id}#0", {"resolved": unit})


def skipped(decision: Decision, reason: str) -> Record:
    """Record that a decision opened nothing."""
    return Record("skip", 8, decision.decision_id, {"skipped": Skipped(reason)})


def closed(close_ns: int, *symbols: str) -> Record:
    """Record of the bars of one close."""
    bars = tuple(Bar(s, close_ns - 1, close_ns, 1.0, 2.0, 0.5, 1.5, 9.0) for s in symbols or "AB")
    return Record("bar", close_ns, str(close_ns), {"bars": bars})


def ended(*labels: tuple[str, int]) -> Record:
    """Record of labels that ended."""
    made = tuple(
        ResolvedLabel(symbol, t, t + 9, np.array([0.5]), np.array([np.nan]), 1, 0, (1,))
        for symbol, t in labels
    )
    return Record("labels", 99, "99", {"labels": made})


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that must not hang."""
    return asyncio.run(asyncio.wait_for(work, 60))


def use(
    url: str, work: Callable[[SqlJournal, Database], Coroutine[Any, Any, Any]],
    level: Level = Level.FULL, **options: Any,
) -> Any:  # fmt: skip
    """Open a journal, work with it, close it."""
    database = open_database(url, **options)
    try:
        return run(work(SqlJournal(database, level), database))
    finally:
        database.close()


def write(url: str, count: int, first: int = 1) -> None:
    """Write so many candidates, each a commit with its state."""

    async def work(journal: SqlJournal, database: Database) -> None:
        for i in range(first, first + count):
            journal.add(decided(*candidate(i)))
            await journal.commit(lambda i=i: {"row": i})

    use(url, work)
