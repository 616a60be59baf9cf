"""Ids that a former life used after its last commit: none may be used for another order."""

from __future__ import annotations

from envs.core.types import ExitReason
from runtime.adapters.client_ids import client_id
from runtime.port_values import Purpose
from runtime.ports import Store
from runtime.trading.tickets import Ticket, exit_attempt


async def find_ids(ticket: Ticket, store: Store) -> None:
    """Let a restored ticket know every id of its own that the journal has seen."""
    for purpose in Purpose:
        exits = purpose in (Purpose.EXIT, Purpose.EMERGENCY)
        for reason in tuple(ExitReason) if exits else (ExitReason.NONE,):
            key = f"{purpose.value}:{int(reason)}" if exits else purpose.value
            ticket.attempts[key] = await _next_attempt(ticket, store, purpose, reason, key)
    last = ticket.attempts[Purpose.ENTRY.value] - 1
    if last >= 0:
        # The only one that may have come to anything: each before it was proved absent.
        ticket.entry_id = _id(ticket, Purpose.ENTRY, last)


async def _next_attempt(
    ticket: Ticket, store: Store, purpose: Purpose, reason: ExitReason, key: str
) -> int:
    """First attempt whose id the journal has not seen; those before belong to the ticket."""
    attempt = ticket.attempts.get(key, 0)
    while True:
        number = exit_attempt(int(reason), attempt) if reason else attempt
        name = _id(ticket, purpose, number)
        if await store.intent(name) is None:
            return attempt
        ticket.roles[name] = purpose.value
        attempt += 1


def _id(ticket: Ticket, purpose: Purpose, number: int) -> str:
    return client_id(ticket.decision.decision_id, purpose, number, account=ticket.account)
