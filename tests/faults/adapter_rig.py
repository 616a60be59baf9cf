"""The adapter against an exchange that serves on loopback, with short times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runtime.adapters.ccxt_factory import make_exchange
from runtime.adapters.ccxt_truth import AskPolicy
from runtime.adapters.ccxt_venue import CcxtVenue, VenueSettings
from runtime.adapters.client_ids import client_id
from runtime.adapters.user_stream import StreamSettings
from runtime.exchange.fault_acts import FaultActs
from runtime.exchange.fault_kinds import Fault, FaultKind
from runtime.exchange.hosting import HostedExchange
from runtime.exchange.session import ExchangeSession
from runtime.exchange.settings import ExchangeSettings
from runtime.port_events import Filled, OrderChanged, StreamChanged, VenueEvent
from runtime.port_values import NewOrder, NewTrigger, Purpose
from runtime.store.sql_store import SqlStore
from tests.unit.runtime.exchange.cases import CALM, FLAT, market_of

TIMEOUT_S = 25.0
SYMBOL, OTHER = "BTCUSDT", "ETHUSDT"
PRICE = 10_000
"""Ticks of .01; the market stands still at 100."""
FAST = VenueSettings(
    ask=AskPolicy(tries=3, floor_s=0.3, deadline_s=3.0, answer_s=5.0, search_s=3.0,
                  first_wait_s=0.05, most_wait_s=0.2),
    stream=StreamSettings(put_s=60.0, silence_s=1.0, check_s=0.05, first_wait_s=0.05),
    told_s=0.4, reconcile_s=60.0, check_s=0.05,
)  # fmt: skip
"""Reconciliation by the clock is off: what is found is found by the watchdogs."""


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a test's coroutine; nothing may hang."""
    return asyncio.run(asyncio.wait_for(work, TIMEOUT_S))


async def eventually(condition: Callable[[], bool], seconds: float = 6.0) -> None:
    """Wait until something holds."""
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError("what was waited for did not come")


@dataclass
class Rig:
    """An exchange, a venue on it, and everything it has told so far."""

    exchange: HostedExchange
    venue: CcxtVenue
    store: SqlStore
    acts: FaultActs
    told: list[VenueEvent]

    def arm(self, kind: FaultKind, endpoint: str = "*", **more: Any) -> None:
        """Arm a fault."""
        self.exchange.faults.arm(Fault(kind, endpoint, **more))

    async def act(self, kind: FaultKind, **more: Any) -> None:
        """Let a fault happen now."""
        await self.acts.perform(Fault(kind, **more))

    def hear(self) -> list[VenueEvent]:
        """Take new events; returns all."""
        self.told += self.venue.take_events()
        return self.told

    def fills(self) -> list[int]:
        """Trade numbers told so far."""
        return [e.fill.trade_id for e in self.hear() if isinstance(e, Filled)]

    def states(self, name: str) -> list[str]:
        """States told of an order."""
        return [
            e.order.status.value
            for e in self.hear()
            if isinstance(e, OrderChanged) and e.order.client_id == name
        ]

    def ups(self) -> int:
        """How often the stream came up."""
        return sum(isinstance(e, StreamChanged) and e.up for e in self.hear())

    def at_venue(self, name: str) -> int:
        """How many orders with this client id the venue has."""
        return sum(o.client_id == name for o in self.exchange.session.state.orders.values())

    @property
    def trades(self) -> list[int]:
        """Trade numbers the venue has."""
        return [t.trade_id for t in self.exchange.session.state.ledger.trades]

    async def buy(self, name: str, steps: int = 100, **more: Any) -> Any:
        """A market order."""
        return await self.venue.place(NewOrder(entry(name), SYMBOL, 1, steps, **more))

    async def stop(self, name: str, steps: int = 100, trigger: int = 9_000) -> Any:
        """A stop under the market."""
        return await self.venue.place_trigger(
            NewTrigger(client_id(name, Purpose.STOP), SYMBOL, -1, steps, trigger)
        )


def entry(name: str) -> str:
    """Client id of an entry."""
    return client_id(name, Purpose.ENTRY)


@asynccontextmanager
async def rig(
    folder: Path, *, settings: VenueSettings = FAST, timeout_ms: int = 2_000,
    wait_up: bool = True, bars: int = 400, **changes: Any,
) -> AsyncIterator[Rig]:  # fmt: skip
    """A calm market at 100 and a venue whose stream is up."""
    told = replace(
        ExchangeSettings(
            symbols=(SYMBOL, OTHER), port=0, speed=60.0, start_quote=10_000.0, core=CALM
        ),
        **changes,
    )
    market = market_of(
        {SYMBOL: [FLAT] * bars, OTHER: [FLAT] * bars}, volume=1e6, core=told.core,
        tick_s=told.tick_s,
    )  # fmt: skip
    session = ExchangeSession.open(told, market=market)
    async with HostedExchange(told, session=session) as exchange, open_store(folder) as store:
        venue = make_venue(exchange, store, settings, timeout_ms)
        await venue.open()
        made = Rig(
            exchange, venue, store,
            FaultActs(exchange.session, exchange.faults, exchange.streams, exchange.keys), [],
        )  # fmt: skip
        try:
            if wait_up:
                await eventually(lambda: made.ups() == 1)
            yield made
        finally:
            await venue.close()


@asynccontextmanager
async def open_store(folder: Path) -> AsyncIterator[SqlStore]:
    """A journal in a folder."""
    store = SqlStore(f"sqlite:///{folder / 'journal.db'}", durable=False)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def make_venue(
    exchange: HostedExchange, store: SqlStore, settings: VenueSettings = FAST,
    timeout_ms: int = 2_000,
) -> CcxtVenue:  # fmt: skip
    """A venue on an exchange; its sockets ping five times a second."""
    client = make_exchange("local", url=exchange.addresses.rest, timeout_ms=timeout_ms)
    client.streaming["keepAlive"] = 200
    return CcxtVenue(client, store, [SYMBOL, OTHER], settings=settings)
