"""The venue's word against our books: at every start before anything else, and now and then.

A question that failed is never an answer: the contract is unsure then, and takes no new risk. What
we do not know of is reported and left alone, or adopted, as configured; orders of ours that protect
nothing are cancelled, orders of others never (exchange contract, scenarios 6 to 8, 10, 13, 15, 24).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from envs.core.errors import FixInput
from envs.core.rules.walk import STYLE_POST_ONLY
from runtime.adapters.client_ids import is_ours
from runtime.port_errors import VenueRefused, VenueUnavailable
from runtime.port_events import Shut
from runtime.port_values import (
    AccountView,
    Answer,
    Fill,
    Flat,
    OrderView,
    Outcome,
    Position,
    Purpose,
    TriggerView,
    Unsure,
)
from runtime.ports import Store
from runtime.trading import records
from runtime.trading.adopting import adopt
from runtime.trading.at_once import all_of
from runtime.trading.context import Context
from runtime.trading.entering import Entering, Protect
from runtime.trading.protecting import Protecting
from runtime.trading.taking import Taking
from runtime.trading.tickets import Resting, Ticket, forget
from runtime.trading.used_ids import find_ids
from runtime.trading.wallet import Wallet

_LOG = logging.getLogger(__name__)
_WATCHED = 12
"""Stops asked for at once: eight requests a second at most, with 1.5 s between two times."""
_UNDER_WAY_S = 0.2
"""How long the fills of an order that a trigger sent may be under way."""
_CONFIRM = 2
"""Comparisons in a row that must differ before a difference counts: events may be under way."""
_MODES_EVERY = 10
"""Comparisons between two looks at the account's modes, which cost much of the rate limit."""


class Reconciler:
    """Finds and mends differences between books and venue.

    Args:
        adopts: take over positions that are not ours; otherwise they are reported and left.
    """

    def __init__(
        self, context: Context, taking: Taking, entering: Entering, protecting: Protecting,
        store: Store | None, *, adopts: bool = False,
    ) -> None:  # fmt: skip
        self._c, self._taking = context, taking
        self._entering, self._protecting = entering, protecting
        self._store, self._adopts = store, adopts
        self._differs: dict[str, int] = {}
        self._missing: dict[str, int] = {}
        self._watched = 0
        self._wallet = Wallet(context, taking)
        self._told_shut: dict[str, Shut] = {}
        self._reported: set[str] = set()
        self._compared = 0

    async def recover(self) -> None:
        """Bring restored books to what the venue says now; nothing is sent before.

        Raises:
            VenueUnavailable: The venue did not tell everything: the start must be tried again.
        """
        if self._store is not None:
            for ticket in self._c.books.tickets.values():
                await find_ids(ticket, self._store)
        await self._missed()
        await self._taking.take()
        view = await self._c.venue.account()
        if view.balance is None or view.orders is None or view.triggers is None:
            raise VenueUnavailable(f"venue: cannot reconcile: {'; '.join(view.failures)}")
        unsure = [x for x in view.stands.values() if isinstance(x, Unsure)]
        if unsure:
            raise VenueUnavailable(
                f"venue: cannot reconcile {unsure[0].symbol}: {unsure[0].reason}"
            )
        if not await self._look_at_modes():
            # Somebody may have changed it meanwhile: the next entry sets it again.
            self._taking.leverage.clear()
        self._triggers(view.triggers)
        await self._orphans(view)
        for symbol in self._c.symbols:
            self._differs[symbol] = _CONFIRM
        await self._stands(view)
        await self._wallet.compare(view, at_start=True)
        self._shut()

    async def entries(self, protect: Protect) -> bool:
        """Find out or send the entries that were decided; whether there were any."""
        found = [t for t in self._c.books.tickets.values() if t.entry_open]
        for ticket in found:
            await self._entry(ticket, protect)
        return bool(found)

    async def compare(self) -> None:
        """Compare while trading; a difference counts when it is seen twice."""
        view = await self._c.venue.account()
        await self._taking.take()
        for ticket in list(self._c.books.tickets.values()):
            if ticket.entry_doubt:
                await self._entering.resolve(ticket)
        await self._modes()
        if view.triggers is not None:
            await self._stops(view.triggers)
            await self._orphans(view)
        self._foreign(view)
        await self._stands(view)
        await self._wallet.compare(view, at_start=False)
        self._shut()

    async def _modes(self) -> None:
        """Look at the modes now and then."""
        self._compared += 1
        if self._compared % _MODES_EVERY == 0:
            await self._look_at_modes()

    async def _look_at_modes(self) -> bool:
        """An account that somebody set otherwise takes no new risk; False where nobody says."""
        try:
            modes = await self._c.venue.modes()
        except (VenueUnavailable, VenueRefused) as error:
            _LOG.warning("modes: %s", error)
            return False
        crossed = [
            name
            for name, mode in modes.symbols.items()
            if name in self._c.symbols and not mode.isolated and self._is_held(name)
        ]
        wrong = (
            "in hedge mode" if modes.hedge else f"on cross margin ({crossed[0]})" if crossed else ""
        )
        if wrong and wrong != self._c.wrong_mode:
            self._c.alarm("account", f"the account is {wrong} now: no new entries until it is back")
        self._c.wrong_mode = wrong
        for name, mode in modes.symbols.items():
            if name in self._c.symbols and mode.isolated:
                self._taking.leverage[name] = mode.leverage
            else:
                # The next entry sets leverage and isolated margin together.
                self._taking.leverage.pop(name, None)
        return True

    def _is_held(self, symbol: str) -> bool:
        return self._c.symbols.index(symbol) in self._c.books.account.positions

    async def _missed(self) -> None:
        """Fills and funding since the last commit, in the order of their time."""
        fills: list[Fill] = []
        names: dict[int, str] = {}
        for symbol in self._c.symbols:
            fills += await self._c.venue.fills_since(symbol, self._c.books.floor[symbol])
            if self._store is not None:
                names.update(await self._store.order_ids(symbol))
        rows = await self._taking.funding_due()
        async with self._taking.lock:
            for fill in sorted(fills, key=lambda f: (f.time_ms, f.trade_id)):
                while rows and rows[0].time_ms <= fill.time_ms:
                    self._taking.fund(rows.pop(0))
                await self._taking.fill(fill, names.get(fill.order_id, ""))
            for row in rows:
                self._taking.fund(row)

    async def _entry(self, ticket: Ticket, protect: Protect) -> None:
        """An entry whose end the journal does not know: sent or not, filled or not."""
        intent = None if self._store is None else await self._store.intent(ticket.entry_id)
        if intent is not None and not await self._never_sent(ticket):
            return
        age_ns = self._c.now_ns - ticket.decision.bar_close_ns
        if not self._c.stop.symbol_active(ticket.symbol, self._c.now_ns):
            self._entering.drop(ticket, "GATE_REDUCING")
        elif age_ns <= self._c.options.decide_within_s * 1e9:
            await self._entering.send([ticket], protect)
        else:
            self._entering.drop(ticket, "NOT_SENT")

    async def _never_sent(self, ticket: Ticket) -> bool:
        """Whether a former life died before it sent what it had written down; a new id is ready.

        Otherwise the entry is found out, or stays in doubt.
        """
        answer = await self._c.venue.resolve(ticket.entry_id)
        # A limit whose market order was written down had its bar already.
        again = ticket.order.style != STYLE_POST_ONLY or ticket.attempts[Purpose.ENTRY.value] == 1
        if answer.outcome is Outcome.ABSENT and ticket.is_empty and again:
            ticket.entry_id = ticket.next_id(Purpose.ENTRY)
            return True
        ticket.entry_doubt = True
        if answer.outcome is not Outcome.UNKNOWN:
            await self._entering.resolve(ticket)
        return False

    def _triggers(self, triggers: Sequence[TriggerView]) -> None:
        """Let tickets know what rests for them; what rests for nobody is cancelled or reported."""
        for ticket in self._c.books.tickets.values():
            ticket.stop = ticket.partial = ticket.target = None
            mine = [t for t in triggers if t.is_open and t.client_id in ticket.roles]
            # The latest attempt is what was wanted last.
            for t in sorted(mine, key=lambda t: (len(t.client_id), t.client_id)):
                resting = Resting(t.client_id, t.trigger_ticks, t.qty_steps)
                role = Purpose(ticket.roles[t.client_id])
                old = getattr(ticket, role.value, None)
                if old is not None:
                    ticket.stale.append(old.client_id)
                if role in (Purpose.STOP, Purpose.PARTIAL, Purpose.TARGET):
                    setattr(ticket, role.value, resting)
            ticket.stale = [x for x in ticket.stale if any(t.client_id == x for t in mine)]
            ticket.profits_placed = ticket.target is not None
            ticket.exit = None
            if ticket.stop is not None:
                ticket.bare_ns = 0

    async def _stops(self, triggers: Sequence[TriggerView]) -> None:
        """A stop that is not listed: asked for by name before it counts as gone."""
        listed = {t.client_id for t in triggers if t.is_open}
        tickets = list(self._c.books.tickets.values())
        ours = {x.client_id for t in tickets for x in t.resting()}
        self._missing = {name: n for name, n in self._missing.items() if name in ours}
        for ticket in tickets:
            for x in ticket.resting():
                if x.client_id in listed:
                    self._missing.pop(x.client_id, None)
                    continue
                held = self._c.books.account.positions.get(ticket.s)
                if x is ticket.partial and held is not None and held.guard.partial_done:
                    # It has done what it was for.
                    forget(ticket, x.client_id)
                    continue
                await self._look_for(ticket, x)

    async def watch(self) -> None:
        """Ask for stops by name, a few at a time and in turn, and for fills that were not told.

        A stop may fire and come to nothing while the stream is deaf: nobody tells of it then, and
        the position has none. Nor has an entry that filled without our knowing.
        """
        books = self._c.books
        tickets = [t for _, t in sorted(books.tickets.items())]
        held = [t for t in tickets if t.s in books.account.positions]
        first = self._watched % max(1, len(held))
        self._watched += _WATCHED
        some = (held[first:] + held[:first])[:_WATCHED]
        looks = [self._look_for(t, t.stop) for t in some if t.stop is not None]
        lost = [self._entering.find_out(t) for t in tickets]
        # What could not be booked before is tried again.
        await all_of([*lost, *looks, self._taking.take()])

    async def _look_for(self, ticket: Ticket, x: Resting) -> None:
        try:
            answer = await self._c.venue.resolve(x.client_id)
        except FixInput:
            # Sent while the journal could not be written: nobody can be asked by this name.
            answer = Answer[TriggerView](Outcome.UNKNOWN, x.client_id)
        if x not in ticket.resting():
            # Replaced while the venue was asked.
            self._missing.pop(x.client_id, None)
            return
        view = answer.view if isinstance(answer.view, TriggerView) else None
        if view is not None and view.is_open:
            self._missing.pop(x.client_id, None)
            return
        count = self._missing[x.client_id] = self._missing.get(x.client_id, 0) + 1
        if view is not None and view.child_id:
            ticket.note_child(x.client_id, view.child_id)
            if not await self._came_to_nothing(ticket, x):
                return
        elif view is None and answer.outcome is not Outcome.ABSENT and count < _CONFIRM:
            return
        if ticket.s in self._c.books.account.positions:
            self._missing.pop(x.client_id, None)
            self._c.alarm(ticket.symbol, f"{x.client_id} is gone from the venue: placing another")
            forget(ticket, x.client_id)
            if x.client_id not in ticket.stale and view is None:
                ticket.stale.append(x.client_id)

    async def _came_to_nothing(self, ticket: Ticket, x: Resting) -> bool:
        """Whether a trigger fired and its order filled nothing: a fired stop protects no more."""
        held = self._c.books.account.positions
        before = held[ticket.s].book.qty if ticket.s in held else 0
        for _ in range(_CONFIRM):
            told = await self._entering.fetch(ticket)
            if ticket.s not in held or held[ticket.s].book.qty != before:
                return False
            await self._c.venue.wait(_UNDER_WAY_S)
            await self._taking.take()
        return told and before > 0 and x in ticket.resting()

    async def _stands(self, view: AccountView) -> None:
        """Positions there against positions here."""
        for s, symbol in enumerate(self._c.symbols):
            stand = view.stands.get(symbol)
            held = self._c.books.account.positions.get(s)
            mine = 0 if held is None else held.levels.side * held.book.qty
            if stand is None or isinstance(stand, Unsure):
                self._c.unsure[symbol] = "not known" if stand is None else stand.reason
                continue
            theirs = 0 if isinstance(stand, Flat) else stand.steps
            if theirs == mine:
                self._agree(symbol)
                continue
            count = self._differs[symbol] = self._differs.get(symbol, 0) + 1
            self._c.unsure[symbol] = f"{theirs} steps at the venue, {mine} in the books"
            if count >= _CONFIRM:
                await self._explain(s, symbol, stand, mine)

    def _agree(self, symbol: str) -> None:
        self._differs.pop(symbol, None)
        ticket = self._c.books.tickets.get(self._c.symbols.index(symbol))
        if ticket is None or not ticket.entry_doubt:
            self._c.unsure.pop(symbol, None)

    async def _explain(self, s: int, symbol: str, stand: Position | Flat, mine: int) -> None:
        """A difference that stays: missed fills, or a position that is not ours."""
        await self._missed()
        held = self._c.books.account.positions.get(s)
        mine = 0 if held is None else held.levels.side * held.book.qty
        theirs = 0 if isinstance(stand, Flat) else stand.steps
        if theirs == mine:
            self._agree(symbol)
            return
        if isinstance(stand, Position) and s not in self._c.books.tickets and self._adopts:
            adopt(self._c, s, stand)
            self._c.unsure.pop(symbol, None)
            return
        text = f"{theirs} steps at the venue, {mine} in the books: "
        text += "not ours, left alone" if theirs else "no fill explains it; look at the account"
        if symbol not in self._reported:
            self._reported.add(symbol)
            self._c.tell(records.foreign_record(self._c.now_ns, symbol, text))
            _LOG.warning("%s: %s", symbol, text)

    async def _orphans(self, view: AccountView) -> None:
        """Cancel conditional orders of ours that no ticket knows: they would meet a later trade.

        Where the venue has, or may have, a position that we know nothing of, they protect it.
        """
        known = {name for t in self._c.books.tickets.values() for name in t.roles}
        flat = {name for name, stand in view.stands.items() if isinstance(stand, Flat)}
        ours = flat | {t.symbol for t in self._c.books.tickets.values()}
        for t in view.triggers or ():
            if t.symbol in ours and t.is_open and is_ours(t.client_id) and t.client_id not in known:
                answer = await self._c.venue.cancel_trigger(t.symbol, t.client_id)
                gone = answer.outcome is Outcome.ABSENT or (
                    answer.view is not None and not answer.view.is_open
                )
                became = "cancelled" if gone else f"cancel {answer.outcome.value}, tried again"
                self._c.alarm(t.symbol, f"{t.client_id} rests for no position: {became}")

    def _foreign(self, view: AccountView) -> None:
        """Report orders that are not ours, once each; they are never touched."""
        told: list[OrderView | TriggerView] = [*(view.orders or ()), *(view.triggers or ())]
        if view.orders is not None and view.triggers is not None:
            self._reported &= {*self._c.symbols, *(order.client_id for order in told)}
        for order in told:
            name = order.client_id
            if order.is_open and not is_ours(name) and name not in self._reported:
                self._reported.add(name)
                self._c.tell(
                    records.foreign_record(self._c.now_ns, order.symbol, f"order {name}: not ours")
                )

    def _shut(self) -> None:
        """Tell which contracts take no entries by the venue's list, and when they do again."""
        shut = self._c.venue.health().shut
        for symbol, why in shut.items():
            if self._told_shut.get(symbol) != why:
                self._c.alarm(symbol, why.text)
        for symbol in self._told_shut:
            if symbol not in shut:
                self._c.alarm(symbol, "may be entered again")
        self._told_shut = dict(shut)
