"""``ports.Venue`` on an exchange session of this process: no HTTP, nothing ever suspends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from envs.core.errors import FixInput
from envs.core.instrument import Instrument
from runtime.adapters.ccxt_errors import NO_CHANGE_MARGIN, Verdict
from runtime.adapters.ccxt_orders import as_written, check_ask, refused
from runtime.adapters.sim_account import account_view
from runtime.adapters.sim_answers import (
    call_failed,
    classified,
    order_accepted,
    order_asked,
    trigger_accepted,
    trigger_asked,
)
from runtime.adapters.sim_intents import ENDED, Intents
from runtime.adapters.sim_requests import algo_request, check_amendment, order_request
from runtime.adapters.sim_views import events_of, fill_of, income_row
from runtime.exchange.commands import (
    Amend,
    Cancel,
    CancelAlgo,
    Command,
    Place,
    PlaceAlgo,
    SetLeverage,
    SetMarginType,
)
from runtime.exchange.errors import VenueError
from runtime.exchange.events import VenueEvent as Told
from runtime.exchange.session import ExchangeSession
from runtime.kernel_ports import Quote
from runtime.port_errors import VenueRefused
from runtime.port_events import StreamChanged, VenueEvent, VenueHealth
from runtime.port_values import (
    AccountModes,
    AccountView,
    Answer,
    Fill,
    IncomeRow,
    NewOrder,
    NewTrigger,
    OrderView,
    Outcome,
    Replaced,
    SymbolMode,
    TriggerView,
)
from runtime.ports import Store

_MS = 1_000_000
_MOST_LEVERAGE = 125


class SimVenue:
    """One account of a session in lockstep; it answers what ``CcxtVenue`` would answer.

    Args:
        session: in lockstep, without a journal.
        symbols: contracts traded; None all of the session's.
        store: where intents, orders and fills are written down; None keeps intents in memory.
    """

    def __init__(
        self, session: ExchangeSession, symbols: Sequence[str] | None = None,
        store: Store | None = None,
    ) -> None:  # fmt: skip
        self.session = session
        self.symbols = tuple(session.market.symbols if symbols is None else symbols)
        self._instruments = {n: x.instrument for n, x in session.state.listings.items()}
        self._intents = Intents(store)
        self._events: list[VenueEvent] = []
        self._unlisten: Callable[[], None] | None = None

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Contracts that may be traded, by symbol."""
        return self._instruments

    def quotes(self) -> dict[str, Quote]:
        """Where every contract stands now: last and mark ticks exactly as the core has them."""
        now_ns = self.session.now_ns
        return {
            name: Quote(quote.last_ticks, quote.mark_ticks, now_ns)
            for name, quote in self.session.state.quotes.items()
        }

    async def open(self) -> None:
        """Begin to hear of events.

        Raises:
            VenueRefused: Hedge mode, or a contract that is not listed.
        """
        missing = [s for s in self.symbols if s not in self._instruments]
        if missing:
            raise VenueRefused(f"venue: not listed as perpetual: {', '.join(missing)}")
        if self.session.modes.dual:
            raise VenueRefused("venue: the account is in hedge mode; set it to one-way mode")
        if self._unlisten is None:
            self._unlisten = self.session.listen(self._hear)
        self._events.append(StreamChanged(True, "connected and reconciled"))
        for intent in await self._intents.unsettled():
            await self.resolve(intent.client_id)

    async def close(self) -> None:
        """Stop hearing of events."""
        if self._unlisten is not None:
            self._unlisten()
            self._unlisten = None

    async def place(self, order: NewOrder) -> Answer[OrderView]:
        """Send an order; the same client id a second time asks only."""
        check_ask(order, self._instruments)
        known = await self._intents.begin(order, self.session.now_ms)
        if known is not None and known.state in ENDED:
            return as_written(known)
        if known is None:
            answer = await self._place(order)
        else:
            answer = order_asked(self.session.state, order)
        await self._intents.settle(order, answer, self.session.now_ms)
        return answer

    async def cancel(self, symbol: str, client_id: str) -> Answer[OrderView]:
        """Cancel an order; the answer's view tells how it ended."""
        try:
            return order_accepted(await self._submit(Cancel(symbol, None, client_id)))
        except VenueError as error:
            what = classified(error)
            if what.is_definite:
                return refused(client_id, what)
        return order_asked(self.session.state, NewOrder(client_id, symbol, 0, 0))

    async def amend(self, symbol: str, client_id: str, qty_steps: int, price_ticks: int
                    ) -> Answer[OrderView]:  # fmt: skip
        """Change total quantity and price of a resting limit order."""
        try:
            check_amendment(self.session, symbol, client_id, qty_steps, price_ticks)
            command = Amend(symbol, None, client_id, qty_steps, price_ticks)
            return order_accepted(await self._submit(command))
        except VenueError as error:
            what = classified(error)
            if what.is_definite:
                return refused(client_id, what)
        answer = order_asked(self.session.state, NewOrder(client_id, symbol, 0, 0))
        if answer.view is None:
            return answer
        return Answer(Outcome.ABSENT, client_id, answer.view)

    async def place_trigger(self, trigger: NewTrigger) -> Answer[TriggerView]:
        """Send a conditional order."""
        check_ask(trigger, self._instruments)
        known = await self._intents.begin(trigger, self.session.now_ms)
        if known is not None and known.state in ENDED:
            return as_written(known)
        if known is None:
            answer = await self._place_trigger(trigger)
        else:
            answer = trigger_asked(self.session.state, trigger)
        await self._intents.settle(trigger, answer, self.session.now_ms)
        return answer

    async def cancel_trigger(self, symbol: str, client_id: str) -> Answer[TriggerView]:
        """Cancel a conditional order; a view with a child says that it fired before."""
        try:
            await self._submit(CancelAlgo(client_id=client_id))
        except VenueError as error:
            what = classified(error)
            if what.is_definite:
                return refused(client_id, what)
        answer = trigger_asked(self.session.state, NewTrigger(client_id, symbol, 0, 0, 0))
        return replace(answer, confirmed=answer.view is not None)

    async def replace_trigger(self, old_client_id: str, new: NewTrigger) -> Replaced:
        """Place the new one, then cancel the old."""
        placed = await self.place_trigger(new)
        if placed.outcome is not Outcome.ACCEPTED or not placed.confirmed:
            return Replaced(placed, None)
        return Replaced(placed, await self.cancel_trigger(new.symbol, old_client_id))

    async def resolve(self, client_id: str) -> Answer[OrderView] | Answer[TriggerView]:
        """What became of an intent.

        Raises:
            FixInput: No such intent was sent or written down.
        """
        intent = await self._intents.find(client_id)
        if intent is None:
            raise FixInput(f"client id {client_id}: no intent in the journal")
        ask, state = intent.ask, self.session.state
        answer: Answer[OrderView] | Answer[TriggerView]
        if isinstance(ask, NewTrigger):
            answer = trigger_asked(state, ask)
        else:
            answer = order_asked(state, ask)
        await self._intents.settle(ask, answer, self.session.now_ms)
        return answer

    async def account(self) -> AccountView:
        """Wallet, positions, orders and conditional orders."""
        return account_view(self.session, self.symbols)

    async def modes(self) -> AccountModes:
        """How the account is set."""
        state = self.session.state
        symbols = {n: SymbolMode(state.leverage[n], state.isolated[n]) for n in state.listings}
        return AccountModes(self.session.modes.dual, symbols)

    async def set_leverage(self, symbol: str, leverage: int) -> None:
        """Leverage and isolated margin of a contract.

        Raises:
            VenueUnavailable, VenueRefused: Not set.
        """
        try:
            await self._submit(SetMarginType(symbol, True))
        except VenueError as error:
            if error.code != NO_CHANGE_MARGIN:
                raise call_failed("fapiPrivatePostMarginType", error).as_port_error() from error
        try:
            if not 1 <= leverage <= _MOST_LEVERAGE:
                raise VenueError(-4028, "Leverage is not valid")
            await self._submit(SetLeverage(symbol, leverage))
        except VenueError as error:
            raise call_failed("fapiPrivatePostLeverage", error).as_port_error() from error

    async def fills_since(self, symbol: str, trade_id: int) -> tuple[Fill, ...]:
        """Fills with a greater trade number, oldest first."""
        trades = self.session.state.ledger.trades
        forgotten = trades[0].trade_id - 1 if trades else 0
        return tuple(
            fill_of(t) for t in trades[max(trade_id - forgotten, 0) :] if t.symbol == symbol
        )

    async def income_since(self, time_ms: int) -> tuple[IncomeRow, ...]:
        """Changes of the wallet from a time on, oldest first."""
        found: list[IncomeRow] = []
        for row in reversed(self.session.state.ledger.income):
            if row.time_ns // _MS < time_ms:
                break
            found.append(income_row(row))
        return tuple(reversed(found))

    async def wait(self, timeout_s: float) -> bool:
        """Whether there is an event to take; never waits."""
        return bool(self._events)

    def take_events(self) -> tuple[VenueEvent, ...]:
        """What happened since the last call."""
        if not self._events:
            return ()
        taken, self._events = tuple(self._events), []
        return taken

    def health(self) -> VenueHealth:
        """Always up."""
        return VenueHealth(True, 0.0, 0, 0.0)

    async def reconcile(self) -> None:
        """Nothing is ever missed here; what a journal does not know yet is written down."""
        await self._intents.write()

    async def _submit(self, command: Command) -> Any:
        result = await self.session.submit(command)
        await self._intents.write()
        return result

    async def _place(self, ask: NewOrder) -> Answer[OrderView]:
        try:
            return order_accepted(await self._submit(Place(order_request(self.session, ask))))
        except VenueError as error:
            what = classified(error)
        if what.verdict is Verdict.DUPLICATE:
            return order_asked(self.session.state, ask)
        return refused(ask.client_id, what)

    async def _place_trigger(self, ask: NewTrigger) -> Answer[TriggerView]:
        try:
            algo = await self._submit(PlaceAlgo(algo_request(self.session, ask)))
            return trigger_accepted(ask, algo)
        except VenueError as error:
            what = classified(error)
        if what.verdict is Verdict.DUPLICATE:
            return trigger_asked(self.session.state, ask)
        return refused(ask.client_id, what)

    def _hear(self, told: Sequence[Told]) -> None:
        state = self.session.state
        events = [event for one in told for event in events_of(one, state)]
        self._events += events
        self._intents.heard(events)
