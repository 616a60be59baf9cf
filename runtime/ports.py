"""The four ports of the runtime: time, market data, venue and journal.

Everything that could wait is a coroutine, so one code path serves a venue behind a network and one
in the same process: that one's coroutines return without ever suspending. Reading what has been
received (``take_events``, ``take_bars``, ``mark``, ``health``) never waits. An answer is a value:
only a request that is itself wrong, or a closed port, raises.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from envs.core.instrument import Instrument
from runtime.port_events import VenueEvent, VenueHealth
from runtime.port_market import Bar, FeedHealth, Mark, Touch
from runtime.port_values import (
    AccountModes,
    AccountView,
    Answer,
    Fill,
    IncomeRow,
    Intent,
    IntentState,
    NewOrder,
    NewTrigger,
    OrderView,
    Replaced,
    TriggerView,
)


class Clock(Protocol):
    """Time outside the market."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never run backwards, of an unknown origin."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let others run for a while; 0 lets them run once."""
        ...


class MarketFeed(Protocol):
    """Closed bars, mark prices and whether they can be trusted."""

    async def open(self, symbols: Sequence[str], interval: str) -> None:
        """Begin to receive."""
        ...

    async def close(self) -> None:
        """Stop receiving; what was received can still be taken."""
        ...

    async def history(self, symbol: str, bars: int) -> tuple[Bar, ...]:
        """The last closed bars, oldest first; fewer where the venue has fewer.

        Raises:
            VenueUnavailable: The venue did not answer.
        """
        ...

    async def wait(self, timeout_s: float) -> bool:
        """Wait until there is a bar to take; False when the time is over."""
        ...

    def take_bars(self) -> tuple[Bar, ...]:
        """Bars closed since the last call, in order of closing, each told once."""
        ...

    def mark(self, symbol: str) -> Mark | None:
        """Last mark price and funding, None before the first."""
        ...

    def touch(self, symbol: str) -> Touch | None:
        """Last best bid and ask, None before the first."""
        ...

    def health(self, symbol: str) -> FeedHealth:
        """Whether this contract's data may be traded on."""
        ...


class Venue(Protocol):
    """One account at one exchange, one-way mode, isolated margin.

    The adapter writes every intent to the store before it sends it, sends it once, and finds out
    what became of it before it answers.
    """

    @property
    def instruments(self) -> Mapping[str, Instrument]:
        """Contracts that may be traded, by symbol; known once open."""
        ...

    async def open(self) -> None:
        """Connect, load contracts, settle what a former run left open.

        Raises:
            VenueUnavailable: The venue did not answer.
            VenueRefused: Wrong keys, or the account is not fit to trade.
        """
        ...

    async def close(self) -> None:
        """Disconnect; orders at the venue stay as they are."""
        ...

    async def place(self, order: NewOrder) -> Answer[OrderView]:
        """Send an order once and find out what became of it."""
        ...

    async def cancel(self, symbol: str, client_id: str) -> Answer[OrderView]:
        """Cancel an order; the answer's view tells how it ended, filled or cancelled."""
        ...

    async def amend(self, symbol: str, client_id: str, qty_steps: int, price_ticks: int
                    ) -> Answer[OrderView]:  # fmt: skip
        """Change total quantity and price of a resting limit order."""
        ...

    async def place_trigger(self, trigger: NewTrigger) -> Answer[TriggerView]:
        """Send a conditional order and read it back."""
        ...

    async def cancel_trigger(self, symbol: str, client_id: str) -> Answer[TriggerView]:
        """Cancel a conditional order; a view with a child says that it fired before."""
        ...

    async def replace_trigger(self, old_client_id: str, new: NewTrigger) -> Replaced:
        """Place and confirm the new one, then cancel the old: never a moment without."""
        ...

    async def resolve(self, client_id: str) -> Answer[OrderView] | Answer[TriggerView]:
        """Find out what became of an intent of the store, without sending anything."""
        ...

    async def account(self) -> AccountView:
        """Ask for wallet, positions, orders and conditional orders; never raises."""
        ...

    async def modes(self) -> AccountModes:
        """Ask how the account is set.

        Raises:
            VenueUnavailable: The venue did not answer.
        """
        ...

    async def set_leverage(self, symbol: str, leverage: int) -> None:
        """Set leverage and isolated margin of a contract.

        Raises:
            VenueUnavailable: The venue did not answer.
            VenueRefused: The venue does not allow it.
        """
        ...

    async def fills_since(self, symbol: str, trade_id: int) -> tuple[Fill, ...]:
        """Fills with a greater trade number, oldest first.

        Raises:
            VenueUnavailable: The venue did not answer.
        """
        ...

    async def income_since(self, time_ms: int) -> tuple[IncomeRow, ...]:
        """Changes of the wallet from a time on, oldest first.

        Raises:
            VenueUnavailable: The venue did not answer.
        """
        ...

    async def wait(self, timeout_s: float) -> bool:
        """Wait until there is an event to take; False when the time is over."""
        ...

    def take_events(self) -> tuple[VenueEvent, ...]:
        """What happened since the last call, in order, each once."""
        ...

    def health(self) -> VenueHealth:
        """The state of the link."""
        ...


class Store(Protocol):
    """The journal; what it has returned from is on disk.

    Raises (all methods): ``StoreUnavailable`` when the journal cannot be read or written.
    """

    async def open(self) -> None:
        """Open or create the journal."""
        ...

    async def close(self) -> None:
        """Close it."""
        ...

    async def save_intent(self, intent: Intent) -> bool:
        """Write an intent down; False when this client id is already there, unchanged then."""
        ...

    async def settle_intent(
        self, client_id: str, state: IntentState, *, venue_id: int = 0, code: int = 0,
        text: str = "", at_ms: int = 0,
    ) -> None:  # fmt: skip
        """Note what became of an intent."""
        ...

    async def intent(self, client_id: str) -> Intent | None:
        """One intent."""
        ...

    async def open_intents(self) -> tuple[Intent, ...]:
        """Intents whose outcome is not known, oldest first."""
        ...

    async def save_order(self, view: OrderView | TriggerView) -> None:
        """Keep the last state of an order or conditional order."""
        ...

    async def open_orders(self) -> tuple[OrderView | TriggerView, ...]:
        """Orders and conditional orders that were open when last heard of."""
        ...

    async def order_ids(self, symbol: str) -> Mapping[int, str]:
        """Client id by order number of every order of a contract the journal knows."""
        ...

    async def add_fill(self, fill: Fill) -> bool:
        """Add a fill; False when its trade number is already there."""
        ...

    async def fills(self, symbol: str, after: int = 0) -> tuple[Fill, ...]:
        """Every fill of a contract with a greater trade number, in their order."""
        ...

    async def confirm_trades(self, symbol: str, trade_id: int) -> None:
        """Note that the venue's own history up to this trade number is known."""
        ...

    async def confirmed_trade_id(self, symbol: str) -> int | None:
        """The number last confirmed, None in a new journal."""
        ...
