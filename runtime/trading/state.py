"""The state document: everything a restart needs that neither the venue nor the records tell.

It is committed with the records that led to it, so at any moment the journal's last commit is a
state the runtime really was in; what the venue did since comes from the venue.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

from envs.core.errors import RefusedArtifact
from envs.core.position import PendingEntry, Position
from envs.core.rules.state import PERFORMANCE_WINDOW
from envs.core.trade import Decision
from runtime.journal.codec import decode, encode, encode_without
from runtime.journal.pieces import Piece
from runtime.trading.context import Context
from runtime.trading.taking import Taking
from runtime.trading.tickets import Ticket

VERSION = 1
_DECISION = frozenset({"decision"})


class _Decided(Protocol):
    """Position, entry under way or ticket."""

    @property
    def decision(self) -> Decision:
        """What it comes from."""
        ...


class BooksState:
    """What a state says of the account; a decision is written once, however long it is held."""

    def __init__(self, context: Context, taking: Taking) -> None:
        self._context, self._taking = context, taking
        self._written: dict[int, tuple[Decision, Piece]] = {}

    def told(self) -> dict[str, Any]:
        """Account, tickets and how far the venue's events were booked, JSON values."""
        context, taking = self._context, self._taking
        books, account = context.books, context.books.account
        groups: tuple[Mapping[int, _Decided], ...] = (
            account.positions, account.pending, books.tickets,
        )  # fmt: skip
        held = [x.decision for group in groups for x in group.values()]
        self._written = {id(decision): self._piece(decision) for decision in held}
        return {
            "version": VERSION,
            "symbols": list(context.symbols),
            "account": {
                "cash_units": account.cash_units,
                "start_units": account.start_units,
                "booked_units": account.booked_units,
                "positions": self._all(account.positions),
                "pending": self._all(account.pending),
                "last_entry_ns": {str(s): ns for s, ns in account.last_entry_ns.items()},
                "recent_r": [float(r).hex() for r in account.recent_r],
            },
            "tickets": self._all(books.tickets),
            "seen": {name: sorted(ids) for name, ids in books.seen.items()},
            "floor": dict(books.floor),
            "income_ms": taking.income_ms,
            "income_ids": dict(taking.income_ids),
            "leverage": dict(taking.leverage),
            "closed": context.closed_trades,
        }

    def _piece(self, decision: Decision) -> tuple[Decision, Piece]:
        # Kept with its piece, so no other one can come to have its id.
        return self._written.get(id(decision)) or (decision, Piece(encode(decision)))

    def _all(self, held: Mapping[int, _Decided]) -> dict[str, Any]:
        """All of a kind by symbol index."""
        return {
            str(s): encode_without(x, _DECISION) | {"decision": self._piece(x.decision)[1]}
            for s, x in held.items()
        }


def restore_books(state: Mapping[str, Any], context: Context, taking: Taking) -> None:
    """Continue from ``BooksState``; contracts that are new begin flat.

    Raises:
        RefusedArtifact: A newer version, or open business in a contract that is no longer traded.
    """
    if state.get("version") != VERSION:
        raise RefusedArtifact(
            f"state of the account: version {state.get('version')!r}, this program writes "
            f"{VERSION}; use the program that wrote it"
        )
    stored, place = list(state["symbols"]), _places(state, context.symbols)
    account, books = context.books.account, context.books
    a = state["account"]
    account.cash_units, account.start_units = int(a["cash_units"]), int(a["start_units"])
    account.booked_units = int(a["booked_units"])
    account.positions = {place[k]: decode(Position, v) for k, v in a["positions"].items()}
    account.pending = {place[k]: decode(PendingEntry, v) for k, v in a["pending"].items()}
    account.last_entry_ns = {place[k]: int(v) for k, v in a["last_entry_ns"].items() if k in place}
    account.recent_r = deque((float.fromhex(r) for r in a["recent_r"]), maxlen=PERFORMANCE_WINDOW)
    books.tickets = {place[k]: decode(Ticket, v) for k, v in state["tickets"].items()}
    for s, ticket in books.tickets.items():
        ticket.s = s
    for name in stored:
        if name in context.symbols:
            books.seen[name] = set(state["seen"][name])
            books.floor[name] = int(state["floor"][name])
    taking.income_ms = int(state["income_ms"])
    taking.income_ids = {name: int(ms) for name, ms in state["income_ids"].items()}
    taking.leverage = dict(state["leverage"])


def _places(state: Mapping[str, Any], symbols: tuple[str, ...]) -> dict[str, int]:
    """Stored symbol index (text) to the present one."""
    out = {}
    for k, name in enumerate(state["symbols"]):
        if name in symbols:
            out[str(k)] = symbols.index(name)
        elif str(k) in state["tickets"] or str(k) in state["account"]["positions"]:
            raise RefusedArtifact(
                f"{name}: the journal has an open position or entry in it; trade it on with "
                f"--symbols that include {name}, or close it first"
            )
    return out
