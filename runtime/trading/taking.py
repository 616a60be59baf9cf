"""What the venue told, in its order, into the books; each fill once, each with its reason."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

from envs.core.errors import FixInput
from envs.core.events import EntryKind, LedgerEntry
from envs.core.rules.rounding import from_units
from envs.core.types import ExitReason
from runtime.port_errors import VenueRefused, VenueUnavailable
from runtime.port_events import (
    Filled,
    MarginCall,
    ModeChanged,
    OrderChanged,
    StreamChanged,
    TriggerChanged,
    VenueEvent,
    WalletChanged,
)
from runtime.port_values import Fill, IncomeRow, OrderView, Purpose, TriggerView
from runtime.trading import income, records
from runtime.trading.at_once import Failures
from runtime.trading.books import NS_PER_MS
from runtime.trading.context import Context
from runtime.trading.income import History, Patience, row_name
from runtime.trading.noting import note_order, note_trigger
from runtime.trading.tickets import Ticket, exit_reason

_LOG = logging.getLogger(__name__)
_STOPS = (ExitReason.STOP, ExitReason.TRAIL, ExitReason.BREAKEVEN, ExitReason.DEFENSIVE)
_ASSET = "USDT"
_FORCED = ("autoclose-", "adl_autoclose")
_ASK_S = 2.0


class Taking:
    """Turns venue events into bookings.

    Attributes:
        income_ms, income_ids: from when on the venue is asked for rows of the wallet, and the
            times of those since then that are known, by ``row_name``.
        early: funding that waits for its entry's fill, by ``row_name``.
        leverage: leverage last seen, by symbol.
    """

    def __init__(self, context: Context) -> None:
        self._c = context
        self.income_ms = 0
        self.income_ids: dict[str, int] = {}
        self.leverage: dict[str, int] = {}
        self.lock = asyncio.Lock()
        self._asking, self._owes = asyncio.Lock(), False
        self._patience = Patience()
        self._held: list[Filled] = []
        self.early: dict[str, IncomeRow] = {}
        self._settled: set[tuple[str, int]] = set()
        self._forced: set[tuple[str, int]] = set()

    async def begin(self) -> None:
        """A new journal: cash is the venue's wallet, what happened before is nobody's business.

        Raises:
            VenueUnavailable: The venue did not answer.
        """
        context, venue, books = self._c, self._c.venue, self._c.books
        view = await venue.account()
        if view.balance is None:
            raise VenueUnavailable(f"venue: no balance: {'; '.join(view.failures)}")
        books.account.cash_units = books.account.start_units = view.balance.wallet_units
        # Market time: the wall clock of an accelerated exchange is another.
        self.income_ms = context.now_ns // NS_PER_MS
        for row in await venue.income_since(self.income_ms):
            # The wallet has it already.
            self.note_row(row)
        for symbol in context.symbols:
            fills = await venue.fills_since(symbol, 0)
            books.floor[symbol] = max((f.trade_id for f in fills), default=0)

    async def take(self, asked: Sequence[VenueEvent] = ()) -> None:
        """Book everything told since the last call, and what was asked for, one after the other."""
        if self._c.options.in_turn:
            # Nobody else takes meanwhile, and most looks find nothing.
            await self._take(asked, History(self._asked))
            return
        failures = Failures()
        async with self.lock:
            await failures.of(self._take(asked, History(self._owe)))
        if self._owes or self._is_held(asked):
            await failures.of(self._take_held())
        failures.tell()

    async def _take(self, asked: Sequence[VenueEvent], history: History) -> None:
        told = self._c.venue.take_events()
        held: list[Filled] = []
        if not self._asking.locked():
            held, self._held = self._held, held
        if told or asked or held or self.early:
            await self._book((*held, *told, *asked), history)

    async def _take_held(self) -> None:
        """Ask for what fills wait for; meanwhile others may book theirs, and protect them."""
        async with self._asking:
            while self._owes and self._patience.may_ask(self._c.now_ns):
                self._owes, known, history = False, list(self._held), History(self._asked)
                if not await history.known():
                    return
                async with self.lock:
                    # A fill told since then may have funding before it that the answer lacks.
                    later = [event for event in self._held if event not in known]
                    self._held = []
                    try:
                        await self._book(known, history)
                    finally:
                        self._patience.note(bool(self._held), self._c.now_ns)
                        self._owes |= bool(later)
                        self._held += later

    async def _owe(self) -> None:
        """By the clock nobody asks while others wait to book."""
        self._owes = True

    def _is_held(self, asked: Sequence[VenueEvent]) -> bool:
        """Whether fills of a contract that was asked for wait for an answer under way."""
        symbols = {e.fill.symbol for e in asked if isinstance(e, Filled)}
        return any(event.fill.symbol in symbols for event in self._held)

    async def catch_up(self) -> None:
        """Book what changed the wallet and was never told.

        Raises:
            VenueUnavailable: The venue did not answer.
        """
        rows = await self.funding_due()
        async with self.lock:
            for row in rows:
                self.fund(row)

    def note_row(self, row: IncomeRow) -> bool:
        """Whether a row of the wallet is news; a late one may be told for a while."""
        name = row_name(row)
        if row.time_ms < self.income_ms or name in self.income_ids:
            return False
        self.income_ids[name] = row.time_ms
        if row.time_ms - income.LATE_MS > self.income_ms:
            self.income_ms = row.time_ms - income.LATE_MS
            kept = {k: ms for k, ms in self.income_ids.items() if ms >= self.income_ms}
            self.income_ids = kept
        return True

    async def _book(self, events: Sequence[VenueEvent], history: History) -> None:
        """Book events in the order told; funding comes before fills of the same time.

        A fill that reduces waits until the venue has told the funding before it: a closed trade is
        told and learned once, with all that belongs to it. What fails is tried again with the next
        events, those behind it of the same contract too; the first error is raised at the end.
        """
        if any(isinstance(e, WalletChanged) and e.reason == income.FUNDING for e in events):
            await history.known()
        for trigger in [e.trigger for e in events if isinstance(e, TriggerChanged)]:
            note_trigger(self._c, trigger)
        waiting = {event.fill.symbol for event in self._held}
        failures = Failures()
        for event in events:
            if not isinstance(event, Filled):
                self._note(event)
                continue
            fill = event.fill
            if fill.symbol not in waiting and await self._may_book(fill, history):
                await failures.of(self._funded(history.rows or [], event))
            if not self._c.books.knows(fill):
                waiting.add(fill.symbol)
                if all(held.fill != fill for held in self._held):
                    self._held.append(event)
        for row in history.rows or ():
            self.fund(row)
        self._fund_early()
        failures.tell()

    async def _may_book(self, fill: Fill, history: History) -> bool:
        """Whether all that comes before a fill is known; only one that reduces asks for it."""
        if self._c.books.knows(fill) or not self._reduces(fill):
            return True
        return await history.known() and not self._is_ahead(fill)

    async def _funded(self, rows: list[IncomeRow], event: Filled) -> None:
        """Book a fill after the rows up to its time."""
        while rows and rows[0].time_ms <= event.fill.time_ms:
            self.fund(rows.pop(0))
        await self.fill(event.fill, event.client_id)

    def _reduces(self, fill: Fill) -> bool:
        """Whether a fill takes away from a position of ours, be its entry's fill known or not."""
        if fill.symbol not in self._c.symbols:
            return False
        s = self._c.symbols.index(fill.symbol)
        p, ticket = self._c.books.account.positions.get(s), self._c.books.tickets.get(s)
        if p is None:
            return ticket is not None and not ticket.filled and ticket.order.side != fill.side
        return p.levels.side != fill.side

    def _is_ahead(self, fill: Fill) -> bool:
        """Whether the wallet's history is older than a fill, by the clock: it lacks its rows."""
        known = (fill.symbol, fill.trade_id) in self._settled
        has_rows = fill.fee_units or fill.realised_units
        if self._c.options.in_turn or known or not has_rows:
            return False
        return self._c.now_ns // NS_PER_MS - fill.time_ms <= income.BEHIND_MS

    async def _asked(self) -> list[IncomeRow] | None:
        """Funding due; None while the venue is silent."""
        try:
            async with asyncio.timeout(_ASK_S):
                return await self.funding_due()
        except (VenueUnavailable, VenueRefused, TimeoutError) as error:
            _LOG.warning("funding: %s", error)
            return None

    def _note(self, event: VenueEvent) -> None:
        """Everything that is no fill."""
        if isinstance(event, OrderChanged):
            note_order(self._c, event.order)
        elif isinstance(event, ModeChanged):
            self._mode(event)
        elif isinstance(event, MarginCall):
            self._c.alarm(",".join(event.symbols), "the venue warns of a liquidation")
        elif isinstance(event, StreamChanged):
            _LOG.info("user stream %s: %s", "up" if event.up else "down", event.reason)

    async def funding_due(self) -> list[IncomeRow]:
        """Funding settled and transfers, not booked yet, oldest first.

        Raises:
            VenueUnavailable: The venue did not answer.
        """
        rows = await self._c.venue.income_since(max(0, self.income_ms))
        self._settled = {(r.symbol, r.trade_id) for r in rows if r.trade_id}
        self._forced |= {(r.symbol, r.time_ms) for r in rows if r.kind == income.INSURANCE}
        kinds = (income.FUNDING, *income.TRANSFERS)
        new = [r for r in rows if r.kind in kinds and row_name(r) not in self.income_ids]
        return sorted(new, key=lambda r: (r.time_ms, r.income_id))

    def fund(self, row: IncomeRow) -> None:
        """Book one row of the wallet if it is funding or a transfer that was not booked.

        Funding of a contract whose entry may have filled without our knowing waits for its fill.
        """
        if row.kind not in (income.FUNDING, *income.TRANSFERS):
            return
        if self._is_early(row):
            self.early[row_name(row)] = row
            return
        if not self.note_row(row) or not row.units:
            return
        if row.kind in income.TRANSFERS:
            self._transfer(row)
            return
        context, books, time_ns = self._c, self._c.books, row.time_ms * NS_PER_MS
        s = context.symbols.index(row.symbol) if row.symbol in context.symbols else -1
        p = books.account.positions.get(s)
        if p is not None and row.time_ms >= p.levels.entry_ns // NS_PER_MS:
            entry = books.fund(s, row.units, time_ns, context.data)
        else:
            # Told after its position had closed, or of a position that is not ours: cash it is.
            entry = LedgerEntry(time_ns, row.symbol, EntryKind.FUNDING, row.units, "")
            books.account.book(entry.kind, entry.symbol, entry.units, time_ns, "")
            context.alarm(row.symbol, f"funding of {from_units(row.units)} without a position")
        context.tell(records.funding_record(entry))

    def _is_early(self, row: IncomeRow) -> bool:
        """Whether a row may belong to an entry of which no fill is known yet."""
        if row.kind != income.FUNDING or row.symbol not in self._c.symbols:
            return False
        ticket = self._c.books.tickets.get(self._c.symbols.index(row.symbol))
        if ticket is None or ticket.filled or row_name(row) in self.income_ids:
            return False
        return row.time_ms >= ticket.decision.bar_close_ns // NS_PER_MS

    def _fund_early(self) -> None:
        """Book the rows whose entry's fill is known by now, or will not come."""
        for name, row in list(self.early.items()):
            if not self._is_early(row):
                del self.early[name]
                self.fund(row)

    def _transfer(self, row: IncomeRow) -> None:
        """A deposit or withdrawal: never a drawdown, never a profit."""
        account, time_ns = self._c.books.account, row.time_ms * NS_PER_MS
        account.book(EntryKind.TRANSFER, "", row.units, time_ns, "")
        self._c.stop.shift_equity(from_units(row.units))
        self._c.alarm("wallet", f"transfer of {from_units(row.units)} quote")

    async def fill(self, fill: Fill, client_id: str) -> None:
        """Book one fill."""
        context, books = self._c, self._c.books
        if books.knows(fill):
            return
        s = context.symbols.index(fill.symbol)
        ticket, p = books.tickets.get(s), books.account.positions.get(s)
        role = None if ticket is None else ticket.role_of(client_id, fill.order_id)
        if ticket is not None and role is None and not client_id.startswith(_FORCED):
            role = await self._find_role(ticket, fill)
        more = p is None or fill.qty_steps > p.book.qty
        if role is not Purpose.ENTRY and more and self._reduces(fill):
            await self._missed_before(fill)
            p = books.account.positions.get(s)
        books.is_new(fill)
        if fill.fee_asset != _ASSET and fill.fee_units:
            text = f"a fee in {fill.fee_asset} is not counted: pay fees in {_ASSET}"
            context.alarm(fill.symbol, text)
            fill = replace(fill, fee_units=0)
        decision_id = "" if ticket is None else ticket.decision.decision_id
        told = "forced" if client_id.startswith(_FORCED) else (role.value if role else "foreign")
        context.tell(records.fill_record(fill, decision_id, told))
        if ticket is not None and role is Purpose.ENTRY:
            books.open(s, fill, context.data, context.slip(s))
            self._fund_early()
            return
        if ticket is None or p is None or fill.side == p.levels.side:
            context.unsure[fill.symbol] = "a fill that is not ours"
            context.tell(
                records.foreign_record(context.now_ns, fill.symbol, f"fill {fill} is not ours")
            )
            return
        self._reduce(s, ticket, fill, role, client_id)

    async def _missed_before(self, fill: Fill) -> None:
        """More was closed than is booked: the stream has lost what came before it."""
        for f in await self._c.venue.fills_since(fill.symbol, self._c.books.floor[fill.symbol]):
            if f.trade_id < fill.trade_id:
                await self.fill(f, "")

    def _reduce(
        self, s: int, ticket: Ticket, fill: Fill, role: Purpose | None, client_id: str
    ) -> None:
        context, books = self._c, self._c.books
        p = books.account.positions[s]
        whole = fill.qty_steps >= p.book.qty
        # A fill that was asked for bears no client id; a forced one has an insurance row.
        forced = (fill.symbol, fill.time_ms) in self._forced
        if whole and (forced or client_id.startswith("autoclose-")):
            trade = books.force(s, fill, context.data)
        else:
            reason, at_level = self._reason(ticket, role, p.guard.stop_kind, client_id)
            trade = books.close(s, fill, reason, at_level, context.data, context.slip(s))
            if reason in _STOPS:
                context.stop.stop_hit(fill.time_ms * NS_PER_MS)
            if not at_level and ticket.exit is not None:
                ticket.exit.qty -= fill.qty_steps
                ticket.exit = ticket.exit if ticket.exit.qty > 0 else None
        if trade is not None:
            context.closed(trade, ticket.decision, ticket.stops)

    def _reason(
        self, ticket: Ticket, role: Purpose | None, stop_kind: int, client_id: str
    ) -> tuple[int, bool]:
        """Why a reducing fill happened, and whether at a resting level."""
        if role is Purpose.STOP:
            return stop_kind, True
        if role is Purpose.PARTIAL:
            return int(ExitReason.PARTIAL), True
        if role is Purpose.TARGET:
            return int(ExitReason.TARGET), True
        if role is not None:
            sent = 0 if ticket.exit is None else ticket.exit.reason
            return exit_reason(client_id) or sent or int(ExitReason.EMERGENCY), False
        return int(ExitReason.EXTERNAL), False

    async def _find_role(self, ticket: Ticket, fill: Fill) -> Purpose | None:
        """Ask whether the order that filled is the entry, or was sent by one that rested."""
        names = (*(x.client_id for x in ticket.resting()), *ticket.stale)
        if fill.side == ticket.order.side:
            names = (ticket.entry_id,) if ticket.entry_open else ()
        for name in names:
            try:
                answer = await self._c.venue.resolve(name)
            except FixInput:
                # Sent while the journal could not be written: nobody can be asked by this name.
                continue
            view = answer.view
            if isinstance(view, TriggerView) and view.child_id:
                ticket.note_child(name, view.child_id)
            elif isinstance(view, OrderView):
                ticket.roles[f"child:{view.order_id}"] = Purpose.ENTRY.value
        return ticket.role_of("", fill.order_id)

    def _mode(self, event: ModeChanged) -> None:
        before = self.leverage.get(event.symbol)
        self.leverage[event.symbol] = event.leverage
        if before not in (None, event.leverage):
            self._c.alarm(event.symbol, f"leverage is {event.leverage} now, it was {before}")
