"""What the venue says of orders, into their tickets; no money moves by it."""

from __future__ import annotations

from runtime.port_values import OrderStatus, OrderView, TriggerView
from runtime.trading.context import Context
from runtime.trading.tickets import forget


def note_trigger(context: Context, view: TriggerView) -> None:
    """Note what a conditional order has come to; TRIGGERED is not a fill."""
    for ticket in context.books.tickets.values():
        if view.client_id not in ticket.roles:
            continue
        context.dirty = True
        if view.child_id:
            ticket.note_child(view.client_id, view.child_id)
        elif not view.is_open:
            forget(ticket, view.client_id)


def note_order(context: Context, view: OrderView) -> None:
    """Note the end of an entry or of a market exit, or of the child of a fired trigger."""
    for ticket in context.books.tickets.values():
        role = ticket.role_of(view.client_id, view.order_id)
        if role is None or view.is_open:
            continue
        context.dirty = True
        if view.client_id == ticket.entry_id:
            ticket.entry_open = False
            ticket.told = max(ticket.told, view.filled_steps)
        elif ticket.exit is not None and view.client_id == ticket.exit.client_id:
            # Its fills end a filled one; one that ended otherwise is sent again.
            ticket.exit = ticket.exit if view.status is OrderStatus.FILLED else None
        elif view.status is not OrderStatus.FILLED:
            # The child of a fired stop was refused or cut short: the position is bare.
            for x in ticket.resting():
                if x.child_id == view.order_id:
                    forget(ticket, x.client_id)
