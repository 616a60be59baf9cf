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


_EXITS_A_REASON = 1_000


def exit_attempt(reason: int, attempt: int) -> int:
    """Attempt number of a market exit's client id: reason and count in one."""
    return reason * _EXITS_A_REASON + attempt


def exit_reason(client_id_: str) -> int:
    """Reason that the client id of a market exit names, 0 without one."""
    number = client_id_.rpartition("-")[2]
    return int(number) // _EXITS_A_REASON if number.isdigit() else 0


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
    ``filled`` steps are booked; ``told`` is what the venue says the entry filled, before its fills
    are told. ``bare_ns`` is the market time since when the position lacks a confirmed stop, 0 with
    one.
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
    told: int = 0
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

    @property
    def is_empty(self) -> bool:
        """Whether the entry has filled nothing, as far as anybody has said."""
        return self.filled == 0 and self.told == 0

    @property
    def awaits_fills(self) -> bool:
        """Whether the venue says that more was filled than was booked."""
        return self.told > self.filled

    def next_id(self, purpose: Purpose) -> str:
        """A new client id for a purpose; the same ids come again after a restart."""
        attempt = self.attempts.get(purpose.value, 0)
        self.attempts[purpose.value] = attempt + 1
        name = client_id(self.decision.decision_id, purpose, attempt, account=self.account)
        self.roles[name] = purpose.value
        return name

    def exit_id(self, purpose: Purpose, reason: int) -> str:
        """A new client id for a market exit; it names the reason, which no crash can lose then."""
        key = f"{purpose.value}:{reason}"
        attempt = self.attempts.get(key, 0)
        self.attempts[key] = attempt + 1
        name = client_id(
            self.decision.decision_id, purpose, exit_attempt(reason, attempt), account=self.account
        )
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


def forget(ticket: Ticket, client_id: str) -> None:
    """A conditional order rests no longer: the next look places another."""
    if ticket.stop is not None and ticket.stop.client_id == client_id:
        ticket.stop = None
    if ticket.partial is not None and ticket.partial.client_id == client_id:
        ticket.partial, ticket.profits_placed = None, False
    if ticket.target is not None and ticket.target.client_id == client_id:
        ticket.target, ticket.profits_placed = None, False
    if client_id in ticket.stale:
        ticket.stale.remove(client_id)
