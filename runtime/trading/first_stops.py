"""First aid after a crash: a stop for each position of ours that has none, before anything else.

A start takes many seconds for models, history and compiled rules; this needs the books of the last
commit and the venue's word alone. What it sends bears the next ids of the position's ticket, so the
recovery that follows finds it as it finds whatever a former life sent before it died.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from envs.core.instrument import Instrument
from envs.core.position import Position as Held
from envs.core.rules.exits import STOP_INITIAL, initial_levels
from runtime.journal.codec import decode
from runtime.port_errors import StoreUnavailable
from runtime.port_values import (
    AccountView,
    Advice,
    NewOrder,
    NewTrigger,
    Outcome,
    Position,
    Purpose,
    TriggerView,
)
from runtime.ports import Store, Venue
from runtime.trading.tickets import Ticket

_LOG = logging.getLogger(__name__)
_TRIES = 3
_STOPS = ("STOP_MARKET", "TRAILING_STOP_MARKET")


async def first_stops(books: Mapping[str, Any], venue: Venue, store: Store) -> tuple[str, ...]:
    """Place a stop for each position that a ticket of ``books`` explains and that lacks one.

    ``books``: of the last commit's state (``BooksState``). Where the price is beyond the stop the
    position is closed at market. Returns the contracts for which something was sent; what could
    not be done is logged and left to the recovery. Never raises for what the venue says.
    """
    tickets = [decode(Ticket, v) for v in books["tickets"].values()]
    if not tickets:
        return ()
    view = await _told(venue)
    if view.triggers is None:
        _LOG.warning("first aid: the venue does not list its stops: %s", "; ".join(view.failures))
        return ()
    held = {
        ticket.symbol: decode(Held, position)
        for key, position in books["account"]["positions"].items()
        for ticket in tickets
        if ticket.symbol == books["symbols"][int(key)]
    }
    works = [_aid(t, held.get(t.symbol), view, venue, store) for t in tickets]
    sent = await asyncio.gather(*works)
    return tuple(t.symbol for t, did in zip(tickets, sent, strict=True) if did)


async def _told(venue: Venue) -> AccountView:
    """What the venue says, asked again where it does not list the conditional orders."""
    view = await venue.account()
    for _ in range(_TRIES - 1):
        if view.triggers is not None:
            break
        view = await venue.account()
    return view


async def _aid(
    ticket: Ticket, held: Held | None, view: AccountView, venue: Venue, store: Store
) -> bool:
    """Protect one position if it is bare; whether anything was sent."""
    stand, side = view.stands.get(ticket.symbol), ticket.order.side
    if not isinstance(stand, Position) or stand.steps * side <= 0:
        return False
    grows = ticket.entry_open or ticket.awaits_fills
    if held is None and not grows:
        # Not what this ticket bought.
        return False
    qty = abs(stand.steps)
    if held is not None and not grows:
        qty = min(qty, held.book.qty)
    if any(_covers(t, ticket.symbol, side, qty) for t in view.triggers or ()):
        return False
    try:
        await _protect(ticket, held, stand, qty, venue, store)
    except StoreUnavailable as error:
        _LOG.warning("first aid for %s: %s", ticket.symbol, error)
        return False
    return True


async def _protect(
    ticket: Ticket, held: Held | None, stand: Position, qty: int, venue: Venue, store: Store
) -> None:
    side = ticket.order.side
    level = _level(ticket, held, stand, venue.instruments[ticket.symbol])
    name = ticket.next_id(Purpose.STOP)
    while await store.intent(name) is not None:
        name = ticket.next_id(Purpose.STOP)
    answer = await venue.place_trigger(NewTrigger(name, ticket.symbol, -side, qty, level))
    said = f"{answer.outcome.value} {answer.text}".strip()
    _LOG.warning("first aid for %s: no stop rested, one at %d: %s", ticket.symbol, level, said)
    if answer.outcome is not Outcome.REJECTED or answer.advice is not Advice.EXIT_NOW:
        return
    kind = STOP_INITIAL if held is None else held.guard.stop_kind
    name = ticket.exit_id(Purpose.EXIT, kind)
    while await store.intent(name) is not None:
        name = ticket.exit_id(Purpose.EXIT, kind)
    ask = NewOrder(name, ticket.symbol, -side, qty, reduce_only=True, purpose=Purpose.EXIT)
    done = await venue.place(ask)
    _LOG.warning("first aid for %s: sold at market: %s", ticket.symbol, done.outcome.value)


def _covers(t: TriggerView, symbol: str, side: int, qty: int) -> bool:
    """Whether a conditional order is a stop that protects all of a position."""
    stops = t.is_open and t.reduce_only and t.kind in _STOPS
    return stops and (t.symbol, t.side) == (symbol, -side) and t.qty_steps >= qty


def _level(ticket: Ticket, held: Held | None, stand: Position, instrument: Instrument) -> int:
    """Where the stop belongs, unsigned ticks: as the guard has it, or anchored at the entry."""
    order, tick = ticket.order, instrument.tick
    if held is not None:
        return order.side * held.guard.stop
    entry = order.side * round(Fraction(stand.entry_price) / tick)
    atr_ticks = order.atr * (tick.denominator / tick.numerator)
    # What else the levels say is not needed for a stop.
    levels = initial_levels(order.side, entry, atr_ticks, order.sl_atr, order.plan, 0.0, 0.0, 0)
    return order.side * levels.stop0
