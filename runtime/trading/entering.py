"""Entries: reserved, sent once, found out, lapsed or cancelled; never sent when in doubt."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from envs.core.errors import FixInput
from envs.core.position import PendingEntry
from envs.core.rules.walk import STYLE_MARKET, STYLE_POST_ONLY
from runtime.port_errors import VenueRefused, VenueUnavailable
from runtime.port_events import Filled
from runtime.port_values import (
    Answer,
    Fill,
    Force,
    NewOrder,
    OrderView,
    Outcome,
    Purpose,
    TriggerView,
)
from runtime.trading import records
from runtime.trading.context import Context
from runtime.trading.taking import Taking
from runtime.trading.tickets import Ticket

_LOG = logging.getLogger(__name__)
_TOLD_S = 0.3
"""How long the stream may take to tell a fill that an answer spoke of."""
_FETCH_S, _GLANCE_S, _AGAIN_S = 2.0, 0.05, (0.05, 0.2)
MOMENT_S = 0.5
"""How long a cycle waits for the works of single contracts before it goes on."""
Protect = Callable[[int], Awaitable[None]]


class Entering:
    """Sends what was decided."""

    def __init__(self, context: Context, taking: Taking) -> None:
        self._c, self._taking = context, taking

    def prepare(self, s: int, entry: PendingEntry) -> Ticket:
        """Open a ticket for an entry that was reserved; its order id is known before it is sent."""
        context = self._c
        ticket = Ticket(
            s, context.symbols[s], context.account_name, entry.decision, entry.order,
            entry.exit_strategy,
        )  # fmt: skip
        ticket.entry_id = ticket.next_id(Purpose.ENTRY)
        context.books.tickets[s] = ticket
        context.dirty = True
        return ticket

    async def send(self, tickets: Sequence[Ticket], protect: Protect | None = None) -> None:
        """Send the entries of one close; the venue adapter writes each down before it sends it.

        Sent at once, each is protected as soon as its own fill is known: a lost answer for one
        contract leaves no other one bare.
        """
        if self._c.options.in_turn:
            failed: list[Exception] = []
            for ticket in tickets:
                try:
                    await self._send(ticket)
                except Exception as error:
                    failed.append(error)
            await self._taking.take()
            if failed:
                raise failed[0]
        else:
            at_work = self._c.at_work
            for ticket in tickets:
                if not at_work.begin(ticket.s, self._send_and_protect(ticket, protect)):
                    # Something of the trade before is under way: found out at the next look.
                    ticket.entry_doubt = True
            await at_work.wait(MOMENT_S)

    async def fetch(self, ticket: Ticket) -> bool:
        """Ask for fills of a contract that nobody has told; False while the venue is silent.

        A position may be bare meanwhile: a question that failed is asked again at once, and one
        that somebody else's answer has settled is given up.
        """
        asking, lacked = asyncio.ensure_future(self._fills_of(ticket.symbol)), ticket.awaits_fills
        try:
            async with asyncio.timeout(_FETCH_S):
                while not (await asyncio.wait({asking}, timeout=_GLANCE_S))[0]:
                    if lacked and not ticket.awaits_fills:
                        return True
            fills = asking.result()
        except (VenueRefused, VenueUnavailable, TimeoutError) as error:
            _LOG.warning("fills of %s: %s", ticket.symbol, error)
            return False
        finally:
            asking.cancel()
        await self._taking.take([Filled(fill, "") for fill in fills])
        return True

    async def _fills_of(self, symbol: str) -> Sequence[Fill]:
        """Fills since a contract was last flat; asked a few times.

        Not since the last one told: a stream that loses one tells later ones all the same.
        """
        for wait_s in _AGAIN_S:
            try:
                return await self._c.venue.fills_since(symbol, self._c.books.floor[symbol])
            except VenueUnavailable:
                await self._c.venue.wait(wait_s)
        return await self._c.venue.fills_since(symbol, self._c.books.floor[symbol])

    async def find_out(self, ticket: Ticket) -> None:
        """Ask what an entry in doubt came to, or for fills that should have been told by now.

        By the clock only, and where no work for the contract is under way: that asks itself.
        """
        if self._c.options.in_turn or self._c.at_work.is_busy(ticket.s):
            return
        p = self._c.books.account.positions.get(ticket.s)
        leaves = p is not None and (ticket.exit is not None or p.guard.order != 0)
        if ticket.entry_doubt:
            await self.resolve(ticket)
        elif ticket.awaits_fills or leaves:
            await self.fetch(ticket)

    async def resolve(self, ticket: Ticket) -> None:
        """Ask again what became of an entry that the venue did not answer for."""
        try:
            answer = await self._c.venue.resolve(ticket.entry_id)
        except FixInput:
            # Nothing is sent before the journal has it.
            ticket.entry_doubt = ticket.entry_open = False
            if ticket.is_empty:
                self.drop(ticket, "NOT_SENT")
            return
        if answer.outcome is Outcome.UNKNOWN:
            return
        ticket.entry_doubt = False
        self._answered(ticket, answer)
        await self._taking.take()
        if ticket.awaits_fills and not self._c.options.in_turn:
            await self.fetch(ticket)

    async def cancel(self, ticket: Ticket) -> None:
        """Cancel an entry that still rests; what it filled meanwhile stays."""
        if not ticket.entry_open:
            return
        answer = await self._c.venue.cancel(ticket.symbol, ticket.entry_id)
        _note_filled(ticket, answer.view)
        ended = answer.view is not None and not answer.view.is_open
        if ended or answer.outcome is Outcome.ABSENT:
            ticket.entry_open = False
        self._c.dirty = True
        await self._taking.take()

    async def judge_close(self, s: int) -> None:
        """What becomes of a resting entry that its bar did not fill (spec 9.0, entry style)."""
        context, ticket = self._c, self._c.books.tickets[s]
        entry = context.books.account.pending.get(s)
        if ticket.order.style != STYLE_POST_ONLY or not ticket.entry_open:
            return
        await self.cancel(ticket)
        if not ticket.is_empty or ticket.entry_open or entry is None:
            return
        if context.signals.row + 1 >= context.signals.last_row:
            # There is no next bar to fill in: the end of the data drops it.
            return
        if ticket.order.unfilled_market and self._may_send(ticket.symbol):
            ticket.order = ticket.order._replace(style=STYLE_MARKET, unfilled_market=False)
            ticket.entry_id, ticket.entry_open = ticket.next_id(Purpose.ENTRY), True
            await self._send(ticket)
        else:
            self.drop(ticket, "LAPSED")

    def _may_send(self, symbol: str) -> bool:
        """Whether a market order may follow a limit that did not fill.

        In lockstep the world's rule holds, which asks the state of the gate for decisions alone.
        """
        context, stop = self._c, self._c.stop
        if stop.halted is not None or context.barred(symbol):
            return False
        return context.options.in_turn or stop.symbol_active(symbol, context.now_ns)

    def drop(self, ticket: Ticket, reason: str) -> None:
        """Resolve an entry that opened nothing."""
        books = self._c.books
        if books.tickets.get(ticket.s) is not ticket:
            # Given up already by somebody who asked at the same time.
            return
        books.account.pending.pop(ticket.s, None)
        books.tickets.pop(ticket.s, None)
        self._c.skipped(ticket.decision, reason)

    async def _send_and_protect(self, ticket: Ticket, protect: Protect | None) -> None:
        await self._send(ticket)
        await self._taking.take()
        if ticket.awaits_fills and await self._c.venue.wait(_TOLD_S):
            await self._taking.take()
        if ticket.awaits_fills:
            await self.fetch(ticket)
        if ticket.filled and protect is not None:
            await protect(ticket.s)

    async def _send(self, ticket: Ticket) -> None:
        context, order = self._c, ticket.order
        if not await self._has_leverage(ticket):
            return
        resting = order.style == STYLE_POST_ONLY
        ask = NewOrder(
            ticket.entry_id, ticket.symbol, order.side, order.qty,
            order.side * order.limit if resting else 0, Force.GTX if resting else Force.GTC,
        )  # fmt: skip
        try:
            answer = await context.venue.place(ask)
        except BaseException:
            # Before it was sent or after: the journal and the venue are asked at the next look.
            ticket.entry_doubt = True
            raise
        context.tell(records.order_record(context.now_ns, ticket.decision.decision_id, ask, answer))
        self._answered(ticket, answer)

    def _answered(self, ticket: Ticket, answer: Answer[OrderView] | Answer[TriggerView]) -> None:
        """Take in what the venue said of an entry; doubt blocks the contract."""
        if answer.outcome is Outcome.ACCEPTED:
            self._c.unsure.pop(ticket.symbol, None)
            _note_filled(ticket, answer.view)
            if answer.view is not None and not answer.view.is_open:
                ticket.entry_open = False
            elif ticket.order.style != STYLE_POST_ONLY and not self._c.options.in_turn:
                # By the clock a market order never rests: what it filled is still to be told.
                ticket.entry_doubt = True
        elif answer.outcome is Outcome.UNKNOWN:
            ticket.entry_doubt = True
            self._c.unsure[ticket.symbol] = f"entry {ticket.entry_id}: {answer.text}"
            _LOG.warning("entry of %s: outcome unknown: %s", ticket.symbol, answer.text)
        else:
            code = f" {answer.code}" if answer.code else ""
            self._c.unsure.pop(ticket.symbol, None)
            ticket.entry_open = False
            if ticket.is_empty:
                self.drop(ticket, f"{answer.outcome.name}{code}")

    async def _has_leverage(self, ticket: Ticket) -> bool:
        """Set the contract's leverage where it is another; entries without it are not sent."""
        wanted, known = ticket.order.leverage, self._taking.leverage
        if known.get(ticket.symbol) == wanted:
            return True
        try:
            await self._c.venue.set_leverage(ticket.symbol, wanted)
        except (VenueRefused, VenueUnavailable) as error:
            known.pop(ticket.symbol, None)
            _LOG.warning("leverage of %s: %s", ticket.symbol, error)
            self.drop(ticket, "LEVERAGE_NOT_SET")
            return False
        known[ticket.symbol] = wanted
        return True


def _note_filled(ticket: Ticket, view: OrderView | TriggerView | None) -> None:
    """Remember what an answer says was filled: the fills themselves may be told later."""
    if isinstance(view, OrderView):
        ticket.told = max(ticket.told, view.filled_steps)
        # A fill asked for by its contract names the order by its number only.
        ticket.roles[f"child:{view.order_id}"] = Purpose.ENTRY.value
