"""Orders that protect a position: the stop always first, the next one before the last one goes.

At every moment at least one confirmed stop covers the position; two only while one is replaced. A
position that cannot be protected is closed at market (spec 9.2, 9.4).
"""

from __future__ import annotations

import logging

from envs.core.position import Position
from envs.core.rules.fills import exit_fill
from envs.core.rules.lifecycle import partial_qty, with_order
from envs.core.types import ExitReason
from runtime.port_errors import StoreUnavailable
from runtime.port_values import Advice, Answer, NewTrigger, Outcome, Purpose, Replaced, TriggerView
from runtime.trading import records
from runtime.trading.context import Context
from runtime.trading.exits import Exits
from runtime.trading.tickets import Resting, Ticket

_LOG = logging.getLogger(__name__)
_FURTHER = 0.0005
"""Fraction of price by which a stop that was refused is placed further from mark."""


def is_settled(ticket: Ticket, p: Position) -> bool:
    """Whether the orders at the venue are all that ``Protecting.ensure`` would make them."""
    stop = ticket.stop
    return (
        stop is not None
        and stop.qty == p.book.qty
        and stop.level == p.levels.side * p.guard.stop
        and ticket.profits_placed
        and not ticket.stale
        and not ticket.bare_ns
    )


class Protecting:
    """Keeps the resting orders of positions as their guards want them."""

    def __init__(self, context: Context, exits: Exits) -> None:
        self._c, self._exits = context, exits

    async def ensure(self, s: int, *, waits: bool = False) -> None:
        """Let the orders at the venue be what the position's guard says.

        ``waits``: at a close, where a market exit fills at the next open.
        """
        books = self._c.books
        ticket, p = books.tickets[s], books.account.positions[s]
        wanted = (p.levels.side * p.guard.stop, p.book.qty)
        if ticket.stop is None:
            await self._first_stop(s, ticket, p, waits)
        elif (ticket.stop.level, ticket.stop.qty) != wanted:
            await self._replace_stop(s, ticket, p, waits)
        whole = not ticket.entry_open and not ticket.awaits_fills
        if whole and not ticket.profits_placed and s in books.account.positions:
            await self._profits(s, ticket, p, waits)
        if ticket.stale:
            await self._cancel_stale(ticket)

    async def release(self, ticket: Ticket) -> bool:
        """Cancel what still rests for a position that is gone; True when nothing is left."""
        for x in ticket.resting():
            if not x.child_id and x.client_id not in ticket.stale:
                ticket.stale.append(x.client_id)
        ticket.stop = ticket.partial = ticket.target = None
        await self._cancel_stale(ticket)
        return not ticket.stale

    async def _first_stop(self, s: int, ticket: Ticket, p: Position, waits: bool) -> None:
        """Place the stop of a position that has none; one more try further away, then out."""
        side, level = p.levels.side, p.guard.stop
        for attempt in range(2):
            qty = p.book.qty
            if qty == 0:
                # Closed while the venue was asked.
                return
            answer = await self._place(ticket, Purpose.STOP, side * level, qty)
            if answer.outcome is Outcome.ACCEPTED and answer.confirmed:
                self._has_stop(ticket, answer.client_id, side * level, qty)
                return
            if answer.outcome is not Outcome.REJECTED:
                # It may rest after all: it is cancelled once the venue shows it.
                ticket.stale.append(answer.client_id)
            if answer.advice is Advice.EXIT_NOW:
                break
            if attempt == 0:
                level -= max(1, round(_FURTHER * abs(level)))
        await self._give_up(s, ticket, p, answer, waits)

    async def _replace_stop(self, s: int, ticket: Ticket, p: Position, waits: bool) -> None:
        """The new stop first; the old one goes when the new one was seen."""
        old = ticket.stop
        if old is None:
            return
        level, qty = p.levels.side * p.guard.stop, p.book.qty
        ask = self._ask(ticket, Purpose.STOP, level, qty)
        try:
            done = await self._c.venue.replace_trigger(old.client_id, ask)
        except StoreUnavailable as error:
            done = Replaced(await self._seen(ask, str(error)), None)
        self._note(ticket, ask, done.new)
        if done.new.outcome is Outcome.ACCEPTED and done.new.confirmed:
            self._has_stop(ticket, ask.client_id, level, qty)
            if done.old is None or done.old.view is None or done.old.view.is_open:
                ticket.stale.append(old.client_id)
            elif done.old.view.child_id:
                ticket.note_child(old.client_id, done.old.view.child_id)
                await self._exits.settle(s)
            return
        if done.new.outcome is not Outcome.REJECTED:
            ticket.stale.append(ask.client_id)
        if done.new.advice is Advice.EXIT_NOW:
            p.guard = with_order(p.guard, p.guard.stop_kind)
            await self._exits.send(s, p.guard.order, waits=waits)
            return
        ticket.failures += 1
        if old.qty < qty and ticket.failures > 1:
            await self._give_up(s, ticket, p, done.new, waits)

    async def _profits(self, s: int, ticket: Ticket, p: Position, waits: bool) -> None:
        """Place partial and target once the whole quantity is known."""
        if ticket.exit is not None:
            return
        context, side, contract = self._c, p.levels.side, self._c.data.contracts[s]
        fraction, qty, part = context.data.fees.partial_fraction, p.book.qty, 0
        if not p.guard.partial_done:
            at = exit_fill(p.levels.partial, side, context.slip(s))
            price = context.books.price_quote(s, side * at, context.data)
            part = partial_qty(price, qty, fraction, contract)
        if part > 0 and ticket.partial is None:
            level = side * p.levels.partial
            answer = await self._place(ticket, Purpose.PARTIAL, level, part)
            if not await self._profit(s, ticket, answer, ExitReason.PARTIAL, part, waits):
                return
            ticket.partial = Resting(answer.client_id, level, part)
        if part < qty and ticket.target is None:
            level = side * p.levels.target
            answer = await self._place(ticket, Purpose.TARGET, level, qty - part)
            if not await self._profit(s, ticket, answer, ExitReason.TARGET, qty, waits):
                return
            ticket.target = Resting(answer.client_id, level, qty - part)
        ticket.profits_placed = True

    async def _profit(
        self, s: int, ticket: Ticket, answer: Answer[TriggerView], reason: ExitReason, qty: int,
        waits: bool,
    ) -> bool:  # fmt: skip
        """Whether a take-profit rests; one that the price has passed is taken at market."""
        if answer.outcome is Outcome.ACCEPTED:
            return True
        if answer.outcome is not Outcome.REJECTED:
            ticket.stale.append(answer.client_id)
        if answer.advice is Advice.EXIT_NOW:
            await self._exits.send(s, int(reason), qty=qty, waits=waits)
        return False

    async def _place(
        self, ticket: Ticket, purpose: Purpose, level: int, qty: int
    ) -> Answer[TriggerView]:
        ask = self._ask(ticket, purpose, level, qty)
        try:
            answer = await self._c.venue.place_trigger(ask)
        except StoreUnavailable as error:
            answer = await self._seen(ask, str(error))
        self._note(ticket, ask, answer)
        return answer

    async def _seen(self, ask: NewTrigger, text: str) -> Answer[TriggerView]:
        """What the venue lists of an order whose answer could not be written down."""
        view = await self._c.venue.account()
        for t in view.triggers or ():
            if t.client_id == ask.client_id:
                same = (t.trigger_ticks, t.qty_steps) == (ask.trigger_ticks, ask.qty_steps)
                return Answer(Outcome.ACCEPTED, ask.client_id, t, confirmed=t.is_open and same)
        return Answer(Outcome.UNKNOWN, ask.client_id, text=text)

    def _ask(self, ticket: Ticket, purpose: Purpose, level: int, qty: int) -> NewTrigger:
        name, side = ticket.next_id(purpose), -ticket.order.side
        profit = purpose is not Purpose.STOP
        return NewTrigger(name, ticket.symbol, side, qty, level, profit, purpose=purpose)

    def _note(self, ticket: Ticket, ask: NewTrigger, answer: Answer[TriggerView]) -> None:
        self._c.tell(records.order_record(self._c.now_ns, ticket.decision.decision_id, ask, answer))

    def _has_stop(self, ticket: Ticket, name: str, level: int, qty: int) -> None:
        ticket.stop, ticket.failures, ticket.bare_ns = Resting(name, level, qty), 0, 0
        ticket.stops.append((self._c.now_ns, level))
        self._c.stop.protected(ticket.symbol)

    async def _give_up(
        self, s: int, ticket: Ticket, p: Position, answer: Answer[TriggerView], waits: bool
    ) -> None:
        """No stop can be placed: close at market; the price may be beyond it already."""
        context = self._c
        if answer.advice is Advice.EXIT_NOW:
            p.guard = with_order(p.guard, p.guard.stop_kind)
        else:
            text = f"no stop could be placed: {answer.outcome.value} {answer.code} {answer.text}"
            context.alarm(ticket.symbol, text)
            context.stop.unprotected(ticket.symbol, context.now_ns)
            p.guard = with_order(p.guard, int(ExitReason.EMERGENCY))
        await self._exits.send(s, p.guard.order, waits=waits)

    async def _cancel_stale(self, ticket: Ticket) -> None:
        bare = ticket.stop is None and ticket.s in self._c.books.account.positions
        for name in list(ticket.stale):
            if bare and ticket.roles.get(name) == Purpose.STOP.value:
                # It may be all that protects: it goes when another one rests, or with the position.
                continue
            answer = await self._c.venue.cancel_trigger(ticket.symbol, name)
            view = answer.view
            if view is not None and view.child_id:
                ticket.note_child(name, view.child_id)
            # A refusal (a rate limit) says nothing of the order: it is asked again.
            gone = answer.outcome is Outcome.ABSENT
            if gone or (view is not None and not view.is_open):
                if name in ticket.stale:
                    ticket.stale.remove(name)
                self._c.dirty = True
