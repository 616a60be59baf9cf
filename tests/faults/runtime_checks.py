"""The invariants that hold after every scenario, storm and kill (contract, fault table)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from envs.core.trade import ClosedTrade
from runtime.port_values import IntentState
from tests.faults.runtime_auditor import DOUBLED, ORPHAN, UNPROTECTED, Auditor, Episode

DEADLINE_S = 5.0


@dataclass(frozen=True)
class Bounds:
    """How long something irregular may have held, seconds of market time."""

    unprotected_s: float = DEADLINE_S
    doubled_s: float = DEADLINE_S
    orphan_s: float = float("inf")
    left_over: bool = False
    hidden: bool = False


def venue_faults(auditor: Auditor, bounds: Bounds) -> list[str]:
    """What the exchange's own books contradict."""
    found = [f"duplicate: {name}" for name in auditor.duplicates()]
    for kind, most in (
        (UNPROTECTED, bounds.unprotected_s), (DOUBLED, bounds.doubled_s),
        (ORPHAN, bounds.orphan_s),
    ):  # fmt: skip
        found += [
            f"{kind}: {span.symbol} for {seconds:.2f} s at {span.began_ns}"
            for span in auditor.spans
            if span.kind == kind and (seconds := span.seconds(auditor.session.now_ns)) > most + 1e-9
        ]
    if not bounds.left_over:
        for kind in (UNPROTECTED, DOUBLED, ORPHAN):
            found += [f"left {kind}: {span.symbol}" for span in auditor.lasting(kind)]
    return found


def position_faults(auditor: Auditor, positions: Mapping[str, int]) -> list[str]:
    """Where signed steps by symbol are not the venue's."""
    held = auditor.session.state.holdings
    theirs = {name: h.side * h.book.qty for name, h in held.items()}
    return [] if theirs == dict(positions) else [f"positions: {positions} here, {theirs} there"]


def ledger_faults(auditor: Auditor, cash_units: int, trades: Iterable[ClosedTrade]) -> list[str]:
    """Where cash or a closed trade is not the venue's, to the unit."""
    wallet = auditor.session.state.ledger.wallet_units
    found = [] if wallet == cash_units else [f"cash: {cash_units} here, {wallet} there"]
    ours = sorted(_of_trade(t) for t in trades)
    theirs = sorted(_of_episode(e) for e in auditor.episodes())
    if ours != theirs:
        here, there = Counter(ours), Counter(theirs)
        found += [f"trade only here: {row}" for row in (here - there).elements()]
        found += [f"trade only there: {row}" for row in (there - here).elements()]
    return found


async def intent_faults(auditor: Auditor, store: Any, *, hidden: bool = False) -> list[str]:
    """Orders of ours the venue has without a written intent, or with one that says otherwise.

    ``hidden``: the venue has denied orders that it has.
    """
    found = []
    for name in auditor.sent():
        intent = await store.intent(name)
        if intent is None:
            found.append(f"order without an intent: {name}")
        elif intent.state in (IntentState.ABSENT, IntentState.REJECTED) and not hidden:
            found.append(f"intent {intent.state.value}, but the venue has it: {name}")
    return found


def once(what: str, names: Iterable[str]) -> list[str]:
    """Names that occur more than once."""
    return [f"{what} {n} times: {name}" for name, n in Counter(names).items() if n > 1]


def _of_trade(t: ClosedTrade) -> tuple[str, int, int, int, int, int, int]:
    costs = t.fee_units
    return (t.symbol, t.side, t.qty_steps, t.gross_units, costs, t.net_units, len(t.legs))


def _of_episode(e: Episode) -> tuple[str, int, int, int, int, int, int]:
    closing = sum(1 for t in e.trades if t.side != e.side)
    return (e.symbol, e.side, e.qty_steps, e.gross_units, e.fee_units, e.net_units, closing)
