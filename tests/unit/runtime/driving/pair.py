"""One market on two exchanges: in this process, and behind ccxt on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from envs.core.series import MarketSeries, prepare
from envs.core.settings import CoreSettings
from runtime.adapters.ccxt_factory import make_exchange
from runtime.adapters.ccxt_feed import CcxtFeed
from runtime.adapters.lockstep_control import LockstepControl
from runtime.adapters.lockstep_venue import PATIENT, LockstepVenue
from runtime.adapters.sim_feed import SimFeed
from runtime.adapters.sim_venue import SimVenue
from runtime.driving.sim import SimStepper
from runtime.driving.steps import Step
from runtime.driving.wire import LOCKSTEP_FEED, LockstepStepper
from runtime.exchange.clock import SystemClock
from runtime.exchange.hosting import HostedExchange
from runtime.exchange.market import ExchangeMarket
from runtime.exchange.session import ExchangeSession
from runtime.exchange.settings import ExchangeSettings
from runtime.port_events import (
    ModeChanged,
    OrderChanged,
    StreamChanged,
    TriggerChanged,
    VenueEvent,
    WalletChanged,
)
from runtime.store.sql_store import SqlStore
from tests.faults.adapter_rig import FAST, eventually
from tests.unit.runtime.exchange.cases import CALM, Bar, data_of

A, B = "BTCUSDT", "ETHUSDT"
SURE = replace(PATIENT, ask=FAST.ask)
"""What is not found is soon known to be absent."""
HINTS = (WalletChanged, ModeChanged)


@dataclass
class Pair:
    """The same exchange twice."""

    sim: SimVenue
    ccxt: LockstepVenue
    sim_stepper: SimStepper
    ccxt_stepper: LockstepStepper
    exchange: HostedExchange

    async def step(self) -> Step:
        """Advance both; they must come to the same, events included."""
        mine, theirs = await self.sim_stepper.advance(), await self.ccxt_stepper.advance()
        assert replace(mine, quotes=dict(mine.quotes)) == theirs
        await self.same_events()
        return mine

    async def ask(self, command: str, *args: Any) -> Any:
        """Send a command to both; answers and events must be equal."""
        mine = await outcome_of(getattr(self.sim, command)(*args))
        theirs = await outcome_of(getattr(self.ccxt, command)(*args))
        if command == "account":
            mine, theirs = replace(mine, taken_ms=0), replace(theirs, taken_ms=0)
        assert mine == theirs, command
        await self.same_events()
        return mine

    async def same_events(self) -> None:
        """Fills and states are there at once; of wallet and leverage the stream tells in its time.

        What REST told before the stream is told once: states in between may be left out.
        """
        mine = [e for e in self.sim.take_events() if not isinstance(e, StreamChanged)]
        theirs = [e for e in self.ccxt.take_events() if not isinstance(e, StreamChanged)]
        assert last_states(mine, without=HINTS) == last_states(theirs, without=HINTS), (
            mine,
            theirs,
        )
        for _ in range(400):
            theirs += self.ccxt.take_events()
            if len(last_states(theirs)) == len(last_states(mine)):
                break
            await asyncio.sleep(0.005)
        assert last_states(mine) == last_states(theirs), (mine, theirs)
        rest = iter(mine)
        assert all(e in rest for e in theirs), (mine, theirs)
        left_out = [e for e in mine if e not in theirs]
        assert all(isinstance(e, OrderChanged | TriggerChanged) for e in left_out), left_out


def last_states(
    events: Sequence[VenueEvent], without: tuple[type[VenueEvent], ...] = ()
) -> list[str]:
    """Events with only the last state of each order and conditional order."""
    last: dict[Any, VenueEvent] = {}
    for n, event in enumerate(e for e in events if not isinstance(e, without)):
        if isinstance(event, OrderChanged):
            last["order", event.order.order_id] = event
        elif isinstance(event, TriggerChanged):
            last["trigger", event.trigger.algo_id] = event
        else:
            last["event", n] = event
    return sorted(map(repr, last.values()))


async def outcome_of(work: Any) -> Any:
    """What a coroutine returns, or the error it raises as text."""
    try:
        return await work
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def pair(
    bars: dict[str, Sequence[Bar | None]], *, stamps: dict[int, float] | None = None,
    mark: dict[int, Bar] | None = None, start_quote: float = 10_000.0,
) -> AbstractAsyncContextManager[Pair]:  # fmt: skip
    """Two exchanges at the close of the third bar; nothing slips."""
    data = prepare(data_of(bars, stamps=stamps, mark=mark), CALM)
    return pair_on(data, CALM, 2, start_quote)


@asynccontextmanager
async def pair_on(
    data: MarketSeries, core: CoreSettings, first_row: int, start_quote: float | None = None
) -> AsyncIterator[Pair]:
    """Two exchanges on prepared columns."""
    settings = ExchangeSettings(
        symbols=data.market.symbols, speed="lockstep", port=0, core=core, limits="none",
        start_quote=core.start_equity_quote if start_quote is None else start_quote,
    )  # fmt: skip

    def session() -> ExchangeSession:
        return ExchangeSession(settings, ExchangeMarket(data, first_row), SystemClock(), None)

    alone, hosted = session(), session()
    names = settings.symbols
    store = SqlStore("sqlite://", threaded=False)
    async with (
        HostedExchange(settings, session=hosted) as exchange,
        LockstepControl(exchange.addresses.control) as control,
    ):
        await store.open()
        client = make_exchange("local", url=exchange.addresses.rest, timeout_ms=5_000)
        ccxt = LockstepVenue(client, store, names, settings=SURE)
        sim, sim_feed = SimVenue(alone), SimFeed(alone)
        feed = CcxtFeed(ccxt.link, LOCKSTEP_FEED)
        try:
            await ccxt.open()
            await sim.open()
            await eventually(lambda: ccxt.health().stream_up)
            await feed.open(names, "1h")
            await sim_feed.open(names, "1h")
            sim_stepper = SimStepper(alone, sim, sim_feed)
            made = Pair(sim, ccxt, sim_stepper, LockstepStepper(control, ccxt, feed), exchange)
            await made.sim_stepper.begin()
            await made.ccxt_stepper.begin()
            await made.same_events()
            yield made
        finally:
            await feed.close()
            await ccxt.close()
            await store.close()
