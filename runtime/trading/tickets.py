"""One decided entry from the moment it is sent until the account is flat again."""

from __future__ import annotations

from dataclasses import dataclass, field

from envs.core.rules.walk import Order
from envs.core.trade import Decision
from runtime.adapters.client_ids import client_id
from runtime.port_values import Purpose

ADOPTED = ":adopted:"
"""Part of the decision id of a position that was taken over."""


def is_adopted(decision_id: str) -> bool:
    """Whether a position was taken over rather than decided."""
    return ADOPTED in decision_id


@dataclass
class Resting:
    """A conditional order of ours; ``level`` in unsigned ticks, ``child_id`` once it fired."""

    client_id: str
    level: int
    qty: int
    confirmed: bool = True
    child_id: int = 0


@dataclass
class Sent:
    """A market exit under way, and the reason its fills will bear."""

    client_id: str
    reason: int
    qty: int


@dataclass
class Ticket:
    """A decision at the venue: its entry, its protection, its exit.

    ``entry_open`` while the entry may still fill; ``entry_doubt`` while the venue has not said what
    became of it. ``roles`` names every order sent for it, so that a late fill has a reason.
    ``bare_ns`` is the market time since when the position lacks a confirmed stop, 0 with one.
    """

    s: int
    symbol: str
    account: str
    decision: Decision
    order: Order
    exit_strategy: int
    entry_id: str = ""
    entry_open: bool = True
    entry_doubt: bool = False
    filled: int = 0
    stop: Resting | None = None
    partial: Resting | None = None
    target: Resting | None = None
    profits_placed: bool = False
    stale: list[str] = field(default_factory=list)
    exit: Sent | None = None
    attempts: dict[str, int] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    stops: list[tuple[int, int]] = field(default_factory=list)
    bare_ns: int = 0
    failures: int = 0

    def next_id(self, purpose: Purpose) -> str:
        """A new client id for a purpose; the same ids come again after a restart."""
        attempt = self.attempts.get(purpose.value, 0)
        self.attempts[purpose.value] = attempt + 1
        name = client_id(self.decision.decision_id, purpose, attempt, account=self.account)
        self.roles[name] = purpose.value
        return name

    def resting(self) -> list[Resting]:
        """Conditional orders that should rest now."""
        return [x for x in (self.stop, self.partial, self.target) if x is not None]

    def role_of(self, client_id_: str, order_id: int) -> Purpose | None:
        """What an order was for, by its own id or as the child of a conditional order."""
        role = self.roles.get(client_id_)
        if role is not None:
            return Purpose(role)
        for x in self.resting():
            if x.child_id and x.child_id == order_id:
                return Purpose(self.roles[x.client_id])
        role = self.roles.get(f"child:{order_id}")
        return None if role is None else Purpose(role)

    def note_child(self, client_id_: str, child_id: int) -> None:
        """A conditional order of this ticket fired and sent an order."""
        role = self.roles.get(client_id_)
        if role is not None and child_id:
            self.roles[f"child:{child_id}"] = role
        for x in self.resting():
            if x.client_id == client_id_:
                x.child_id = child_id
