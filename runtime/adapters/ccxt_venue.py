"""``ports.Venue`` through ccxt: the same code for the local exchange, the demo and live."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from envs.core.errors import FixInput, FixSettings
from envs.core.instrument import Instrument
from runtime.adapters import wire
from runtime.adapters.ccxt_account import Account
from runtime.adapters.ccxt_link import CallFailed, CcxtLink
from runtime.adapters.ccxt_listing import Listing
from runtime.adapters.ccxt_orders import Orders, Outbox
from runtime.adapters.ccxt_poison import PoisonWatch
from runtime.adapters.ccxt_reconcile import Reconciler
from runtime.adapters.ccxt_triggers import Triggers
from runtime.adapters.ccxt_truth import AskPolicy, Truth
from runtime.adapters.clocks import SystemClock
from runtime.adapters.event_guard import EventGuard
from runtime.adapters.intake import Intake
from runtime.adapters.rate_budget import RateBudget
from runtime.adapters.user_stream import StreamSettings, UserStream
from runtime.port_errors import StoreUnavailable, VenueRefused, VenueUnavailable
from runtime.port_events import StreamChanged, VenueEvent, VenueHealth
from runtime.port_values import (
    AccountModes,
    AccountView,
    Advice,
    Answer,
    Fill,
    IncomeRow,
    NewOrder,
    NewTrigger,
    OrderView,
    Outcome,
    Replaced,
    TriggerView,
)
from runtime.ports import Clock, Store

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class VenueSettings:
    """Times of the adapter, wall seconds.

    ``told_s`` is how long the stream may take to tell of an order that was accepted, before it
    counts as mute; ``reconcile_s`` the time between two comparisons by REST, ``listing_s`` between
    two looks at filters and status of the contracts.
    """

    ask: AskPolicy = field(default_factory=AskPolicy)
    stream: StreamSettings = field(default_factory=StreamSettings)
    told_s: float = 5.0
    reconcile_s: float = 30.0
    check_s: float = 0.5
    listing_s: float = 3_600.0

    def __post_init__(self) -> None:
        if min(self.told_s, self.reconcile_s, self.check_s, self.listing_s) <= 0.0:
            raise FixSettings(f"venue settings: every time must be > 0, got {self}")


class CcxtVenue:
    """One account behind a ccxt client of ``make_exchange``.

    Attributes:
        link: the client with its budget and clock.
        instruments: contracts listed, known once open.
    """

    def __init__(
        self, exchange: Any, store: Store, symbols: Sequence[str], *, clock: Clock | None = None,
        budget: RateBudget | None = None, settings: VenueSettings | None = None,
    ) -> None:  # fmt: skip
        if not symbols:
            raise FixInput("venue: at least one contract is needed")
        self.settings = settings or VenueSettings()
        self.symbols = tuple(symbols)
        self.link = CcxtLink(exchange, clock or SystemClock(), budget)
        self._listing = Listing(self.link, self.symbols, self.settings.listing_s)
        self._instruments = self._listing.instruments
        self._store = store
        self._intake = Intake(self._instruments, store, EventGuard(), self.link.clock)
        truth = Truth(self.link, self._intake, store, self._instruments, self.settings.ask)
        self._outbox = Outbox(self.link, self._intake, store, truth, self._instruments)
        self._orders, self._triggers = Orders(self._outbox), Triggers(self._outbox)
        self._account = Account(self.link, self._intake, self._instruments, self.symbols)
        self._reconciler = Reconciler(self._outbox, self.symbols)
        self._reconciling = asyncio.Lock()
        self._raw: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue()
        self._stream = UserStream(
            self.link, self._raw.put_nowait, self._connected, self._lost, self.settings.stream
        )
        self._poison = PoisonWatch()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Contracts that may be traded, by symbol."""
        return self._instruments

    async def open(self) -> None:
        """Load contracts, check the account, settle open intents, start the stream.

        Raises:
            VenueUnavailable: The venue did not answer.
            VenueRefused: Wrong keys, hedge mode, or a contract that is not listed.
        """
        try:
            await self.link.measure_offset()
            await self._listing.load()
            await self._reconciler.begin()
        except CallFailed as error:
            raise error.as_port_error() from error
        except wire.UnreadableAnswer as error:
            raise VenueUnavailable(f"venue: {error}") from error
        modes = await self.modes()
        if modes.hedge:
            raise VenueRefused("venue: the account is in hedge mode; set it to one-way mode")
        self._poison.start()
        self._tasks = [asyncio.create_task(self._digest()), asyncio.create_task(self._check())]
        self._stream.start()
        begun = await self._store.open_intents()
        await asyncio.gather(*(self.resolve(intent.client_id) for intent in begun))

    async def close(self) -> None:
        """Disconnect; orders at the venue stay as they are."""
        await self._stream.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self._listing.close()
        await self._outbox.close()
        self._poison.stop()
        with contextlib.suppress(Exception):
            await self.link.exchange.close()

    async def place(self, order: NewOrder) -> Answer[OrderView]:
        """Send an order once and find out what became of it."""
        answer = await self._orders.place(order)
        if not order.reduce_only:
            await self._listing.after(answer)
        return answer

    async def cancel(self, symbol: str, client_id: str) -> Answer[OrderView]:
        """Cancel an order; the answer's view tells how it ended."""
        return await self._orders.cancel(symbol, client_id)

    async def amend(self, symbol: str, client_id: str, qty_steps: int, price_ticks: int
                    ) -> Answer[OrderView]:  # fmt: skip
        """Change total quantity and price of a resting limit order."""
        return await self._orders.amend(symbol, client_id, qty_steps, price_ticks)

    async def place_trigger(self, trigger: NewTrigger) -> Answer[TriggerView]:
        """Send a conditional order and read it back."""
        return await self._triggers.place(trigger)

    async def cancel_trigger(self, symbol: str, client_id: str) -> Answer[TriggerView]:
        """Cancel a conditional order."""
        return await self._triggers.cancel(symbol, client_id)

    async def replace_trigger(self, old_client_id: str, new: NewTrigger) -> Replaced:
        """Place and confirm the new one, then cancel the old."""
        return await self._triggers.replace(old_client_id, new)

    async def resolve(self, client_id: str) -> Answer[OrderView] | Answer[TriggerView]:
        """Find out what became of an intent, without sending anything.

        Raises:
            FixInput: The store knows no such intent.
        """
        try:
            intent = await self._outbox.find(client_id)
        except StoreUnavailable as error:
            return Answer(Outcome.UNKNOWN, client_id, advice=Advice.VERIFY, text=str(error))
        if intent is None:
            raise FixInput(f"client id {client_id}: no intent in the journal")
        truth, ask, age_s = self._outbox.findings, intent.ask, self._outbox.age_s(intent)
        answer: Answer[OrderView] | Answer[TriggerView]
        if isinstance(ask, NewTrigger):
            answer = await truth.trigger(ask, age_s=age_s)
        else:
            answer = await truth.order(ask, age_s=age_s)
        self._outbox.settle(client_id, answer)
        return answer

    async def account(self) -> AccountView:
        """Wallet, positions, orders and conditional orders; never raises."""
        return await self._account.view()

    async def modes(self) -> AccountModes:
        """How the account is set."""
        return await self._account.modes()

    async def set_leverage(self, symbol: str, leverage: int) -> None:
        """Leverage and isolated margin of a contract."""
        await self._account.set_leverage(symbol, leverage)

    async def fills_since(self, symbol: str, trade_id: int) -> tuple[Fill, ...]:
        """Fills with a greater trade number, oldest first."""
        try:
            return await self._outbox.truth.trades(symbol, trade_id)
        except CallFailed as error:
            raise error.as_port_error() from error
        except wire.UnreadableAnswer as error:
            raise VenueUnavailable(f"userTrades {symbol}: {error}") from error

    async def income_since(self, time_ms: int) -> tuple[IncomeRow, ...]:
        """Changes of the wallet from a time on, oldest first."""
        return await self._account.income_since(time_ms)

    async def wait(self, timeout_s: float) -> bool:
        """Wait until there is an event to take."""
        return await self._intake.wait(timeout_s)

    def take_events(self) -> tuple[VenueEvent, ...]:
        """What happened since the last call."""
        return self._intake.take()

    def health(self) -> VenueHealth:
        """The state of the link."""
        problems = [self.link.fatal] if self.link.fatal else []
        return VenueHealth(
            self._stream.is_up, self._stream.silent_s, self.link.offset_ms,
            self.link.budget.paused_s, (*problems, *self._intake.problems), self._listing.shut,
        )  # fmt: skip

    async def reconcile(self) -> None:
        """Compare with the venue by REST now; everything missed is told.

        Raises:
            VenueUnavailable: The venue did not answer.
        """
        try:
            await self._reconcile()
        except CallFailed as error:
            raise error.as_port_error() from error
        except wire.UnreadableAnswer as error:
            raise VenueUnavailable(f"reconcile: {error}") from error

    async def _reconcile(self) -> None:
        async with self._reconciling:
            await self._reconciler.run()

    async def _connected(self) -> None:
        self._intake.forget_expected()
        await self._reconcile()
        self._intake.emit(StreamChanged(True, "connected and reconciled"))

    def _lost(self, reason: str) -> None:
        self._intake.forget_expected()
        self._intake.emit(StreamChanged(False, reason))

    async def _digest(self) -> None:
        """Take in the stream's messages in their order; one not understood means a new start."""
        while True:
            if not await self._intake.message(await self._raw.get()):
                self._stream.give_up("message not taken in")

    async def _check(self) -> None:
        """Keep the clock, find a stream that tells nothing, compare by REST now and then."""
        clock = self.link.clock
        compared_s = clock.monotonic_s()
        while True:
            await clock.sleep(self.settings.check_s)
            # Here rather than when an order has to wait for it.
            await self.link.refresh_clock()
            self._listing.look_if_due()
            late = self._intake.overdue(self.settings.told_s)
            if late is not None and self._stream.is_up:
                self._stream.give_up(f"mute: nothing told of {late}")
                continue
            due = clock.monotonic_s() - compared_s >= self.settings.reconcile_s
            if due or self._intake.in_doubt:
                compared_s, self._intake.in_doubt = clock.monotonic_s(), False
                try:
                    await self._reconcile()
                except (CallFailed, wire.UnreadableAnswer, StoreUnavailable) as error:
                    _LOG.warning("reconciliation: %s", error)
