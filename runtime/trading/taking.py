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
from runtime.port_values import Fill, IncomeRow, OrderStatus, OrderView, Purpose, TriggerView
from runtime.trading import records
from runtime.trading.at_once import Failures
from runtime.trading.books import NS_PER_MS
from runtime.trading.context import Context
from runtime.trading.tickets import Ticket, exit_reason

_LOG = logging.getLogger(__name__)
_STOPS = (ExitReason.STOP, ExitReason.TRAIL, ExitReason.BREAKEVEN, ExitReason.DEFENSIVE)
_ASSET = "USDT"
_FORCED = ("autoclose-", "adl_autoclose")
_ASK_S = 2.0
FUNDING, INSURANCE = "FUNDING_FEE", "INSURANCE_CLEAR"
TRANSFERS = ("TRANSFER", "WELCOME_BONUS", "INTERNAL_TRANSFER", "COIN_SWAP_DEPOSIT",
             "COIN_SWAP_WITHDRAW", "CROSS_COLLATERAL_TRANSFER")  # fmt: skip
_LATE_MS = 600_000
"""How much later than others a settled row may be told."""


class Taking:
    """Turns venue events into bookings.

    Attributes:
        income_ms, income_ids: from when on the venue is asked for rows of the wallet, and the
            times of those since then that are known, by ``row_name``.
        leverage: leverage last seen, by symbol.
    """

    def __init__(self, context: Context) -> None:
        self._c = context
        self.income_ms = 0
        self.income_ids: dict[str, int] = {}
        self.leverage: dict[str, int] = {}
        self.lock = asyncio.Lock()
        self._held: list[Filled] = []
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
        async with self.lock:
            held, self._held = self._held, []
            events = (*held, *self._c.venue.take_events(), *asked)
            if events:
                await self.book(events)

    async def catch_up(self) -> None:
        """Book what changed the wallet and was never told.

        Raises:
            VenueUnavailable: The venue did not answer.
        """
        async with self.lock:
            for row in await self.funding_due():
                self.fund(row)

    def note_row(self, row: IncomeRow) -> bool:
        """Whether a row of the wallet is news; a late one may be told for a while."""
        name = row_name(row)
        if row.time_ms < self.income_ms or name in self.income_ids:
            return False
        self.income_ids[name] = row.time_ms
        if row.time_ms - _LATE_MS > self.income_ms:
            self.income_ms = row.time_ms - _LATE_MS
            kept = {k: ms for k, ms in self.income_ids.items() if ms >= self.income_ms}
            self.income_ids = kept
        return True

    async def book(self, events: Sequence[VenueEvent]) -> None:
        """Book events in the order told; funding comes before fills of the same time.

        A fill that reduces waits until the venue has told the funding before it: a closed trade is
        told and learned once, with all that belongs to it. What fails is tried again with the next
        events, those behind it of the same contract too; the first error is raised at the end.
        """
        rows: list[IncomeRow] | None = None
        if any(isinstance(e, WalletChanged) and e.reason == FUNDING for e in events):
            rows = await self._asked()
        for trigger in [e.trigger for e in events if isinstance(e, TriggerChanged)]:
            self._trigger(trigger)
        waiting: set[str] = set()
        failures = Failures()
        for event in events:
            if not isinstance(event, Filled):
                self._note(event)
                continue
            fill = event.fill
            if rows is None and fill.symbol not in waiting and self._reduces(fill):
                rows = await self._asked()
            if fill.symbol not in waiting and (rows is not None or not self._reduces(fill)):
                await failures.of(self._funded(rows or [], event))
            if not self._c.books.knows(fill):
                waiting.add(fill.symbol)
                if all(held.fill != fill for held in self._held):
                    self._held.append(event)
        for row in rows or ():
            self.fund(row)
        failures.tell()

    async def _funded(self, rows: list[IncomeRow], event: Filled) -> None:
        """Book a fill after the rows up to its time."""
        while rows and rows[0].time_ms <= event.fill.time_ms:
            self.fund(rows.pop(0))
        await self.fill(event.fill, event.client_id)

    def _reduces(self, fill: Fill) -> bool:
        """Whether a fill takes away from a position of ours."""
        if fill.symbol not in self._c.symbols:
            return False
        p = self._c.books.account.positions.get(self._c.symbols.index(fill.symbol))
        return p is not None and p.levels.side != fill.side

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
            self._order(event.order)
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
        self._forced |= {(r.symbol, r.time_ms) for r in rows if r.kind == INSURANCE}
        kinds = (FUNDING, *TRANSFERS)
        new = [r for r in rows if r.kind in kinds and row_name(r) not in self.income_ids]
        return sorted(new, key=lambda r: (r.time_ms, r.income_id))

    def fund(self, row: IncomeRow) -> None:
        """Book one row of the wallet if it is funding or a transfer that was not booked."""
        if row.kind not in (FUNDING, *TRANSFERS) or not self.note_row(row) or not row.units:
            return
        if row.kind in TRANSFERS:
            self._transfer(row)
            return
        context, books, time_ns = self._c, self._c.books, row.time_ms * NS_PER_MS
        s = context.symbols.index(row.symbol) if row.symbol in context.symbols else -1
        if s in books.account.positions:
            entry = books.fund(s, row.units, time_ns, context.data)
        else:
            # Told after its position had closed, or of a position that is not ours: cash it is.
            entry = LedgerEntry(time_ns, row.symbol, EntryKind.FUNDING, row.units, "")
            books.account.book(entry.kind, entry.symbol, entry.units, time_ns, "")
            context.alarm(row.symbol, f"funding of {from_units(row.units)} without a position")
        context.tell(records.funding_record(entry))

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
        if p is not None and role is not Purpose.ENTRY and fill.qty_steps > p.book.qty:
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
        """Ask whether one of the resting orders sent the order that filled."""
        for name in (*(x.client_id for x in ticket.resting()), *ticket.stale):
            try:
                answer = await self._c.venue.resolve(name)
            except FixInput:
                # Sent while the journal could not be written: nobody can be asked by this name.
                continue
            if isinstance(answer.view, TriggerView) and answer.view.child_id:
                ticket.note_child(name, answer.view.child_id)
        return ticket.role_of("", fill.order_id)

    def _trigger(self, view: TriggerView) -> None:
        """Note what a conditional order has come to; TRIGGERED is not a fill."""
        for ticket in self._c.books.tickets.values():
            if view.client_id not in ticket.roles:
                continue
            self._c.dirty = True
            if view.child_id:
                ticket.note_child(view.client_id, view.child_id)
            elif not view.is_open:
                forget(ticket, view.client_id)

    def _order(self, view: OrderView) -> None:
        """Note the end of an entry or of a market exit, or of the child of a fired trigger."""
        for ticket in self._c.books.tickets.values():
            role = ticket.role_of(view.client_id, view.order_id)
            if role is None or view.is_open:
                continue
            self._c.dirty = True
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

    def _mode(self, event: ModeChanged) -> None:
        before = self.leverage.get(event.symbol)
        self.leverage[event.symbol] = event.leverage
        if before not in (None, event.leverage):
            self._c.alarm(event.symbol, f"leverage is {event.leverage} now, it was {before}")


def row_name(row: IncomeRow) -> str:
    """What tells rows of the wallet apart: numbers are unique within a kind only."""
    return f"{row.kind}:{row.symbol}:{row.income_id}"


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
