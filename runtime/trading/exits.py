"""Market exits: reduce-only, sent again until the position is gone; never blocked by anything."""

from __future__ import annotations

import logging

from envs.core.types import ExitReason
from runtime.port_values import Answer, NewOrder, OrderStatus, OrderView, Outcome, Purpose
from runtime.trading import records
from runtime.trading.context import Context
from runtime.trading.taking import Taking
from runtime.trading.tickets import Sent, Ticket

_LOG = logging.getLogger(__name__)
_EXIT = "exit "


class Exits:
    """Closes positions at market.

    A second order for the same position does no harm: both are reduce-only. So an exit whose
    outcome is not known is simply sent again under the next id.
    """

    def __init__(self, context: Context, taking: Taking) -> None:
        self._c, self._taking = context, taking

    async def send(
        self, s: int, reason: int, *, qty: int | None = None, waits: bool = False
    ) -> None:
        """Close a position, or ``qty`` steps of it.

        ``waits``: sent at a close in lockstep, so that it fills at the next open.
        """
        context = self._c
        ticket, p = context.books.tickets[s], context.books.account.positions.get(s)
        if p is None or ticket.exit is not None:
            return
        if waits and context.signals.row + 1 >= context.signals.last_row:
            # There is no next open: the end of the data closes the position.
            return
        emergency = reason in (ExitReason.EMERGENCY, ExitReason.DEFENSIVE)
        purpose = Purpose.EMERGENCY if emergency else Purpose.EXIT
        ask = NewOrder(
            ticket.exit_id(purpose, int(reason)), ticket.symbol, -p.levels.side, qty or p.book.qty,
            reduce_only=True, purpose=purpose,
        )  # fmt: skip
        ticket.exit = Sent(ask.client_id, int(reason), ask.qty_steps)
        try:
            answer = await context.venue.place(ask)
        except BaseException:
            # Whatever became of it: another one may be sent, both only reduce.
            ticket.exit = None
            raise
        context.tell(records.order_record(context.now_ns, ticket.decision.decision_id, ask, answer))
        if answer.outcome is not Outcome.ACCEPTED:
            self._refused(ticket, answer)
        else:
            if context.unsure.get(ticket.symbol, "").startswith(_EXIT):
                del context.unsure[ticket.symbol]
            if not waits:
                await self.settle(s)
            view = answer.view
            if view is not None and not view.is_open and view.status is not OrderStatus.FILLED:
                # It ended without all of its quantity, whether the stream tells of it or not.
                ticket.exit = None
        if answer.outcome is Outcome.REJECTED:
            await self._taking.take()

    async def settle(self, s: int) -> None:
        """Wait a little for the fills of an exit that was accepted."""
        context, ticket = self._c, self._c.books.tickets[s]
        await self._taking.take()
        left = context.options.settle_s
        while ticket.exit is not None and s in context.books.account.positions and left > 0.0:
            # Events of others count too: a storm of them must not hold anybody up.
            left -= 0.02 if await context.venue.wait(min(0.2, left)) else 0.2
            await self._taking.take()

    def _refused(self, ticket: Ticket, answer: Answer[OrderView]) -> None:
        """Let the next cycle send another one, after it has looked at what is held."""
        ticket.exit = None
        ticket.failures += 1
        _LOG.warning("exit of %s: %s %s", ticket.symbol, answer.outcome.value, answer.text)
        self._c.unsure[ticket.symbol] = f"{_EXIT}{answer.outcome.value}: {answer.text}"
