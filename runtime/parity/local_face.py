"""The third face: the runtime on the local exchange, over HTTP and streams, through ccxt."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from runtime.exchange.clock import SystemClock as ExchangeClock
from runtime.exchange.hosting import HostedExchange
from runtime.exchange.market import ExchangeMarket
from runtime.exchange.session import ExchangeSession
from runtime.exchange.settings import LOCKSTEP, ExchangeSettings
from runtime.parity.ground import Ground
from runtime.parity.kernel_face import Progress, ride
from runtime.parity.tale import Tale
from runtime.wiring.local import stream_up


@asynccontextmanager
async def hosted(ground: Ground) -> AsyncIterator[HostedExchange]:
    """The local exchange on free ports, in lockstep, without a journal and without limits.

    It replays the very columns the other faces read; nothing else is shared with it.
    """
    core, data = ground.plan.settings.core, ground.signals.data
    wanted = ExchangeSettings(
        symbols=data.market.symbols, timeframe=ground.plan.settings.run.timeframe, speed=LOCKSTEP,
        port=0, start_quote=core.start_equity_quote, limits="none", core=core,
    )  # fmt: skip
    market = ExchangeMarket(data, ground.first_row, last_row=ground.last_row)
    session = ExchangeSession(wanted, market, ExchangeClock(), None)
    async with HostedExchange(wanted, session=session) as exchange:
        yield exchange


async def run_local(ground: Ground, progress: Progress | None = None) -> Tale:
    """Trade the period over the wire, with the journal on disk as a live account has it."""
    from runtime.adapters.ccxt_factory import make_exchange
    from runtime.adapters.ccxt_feed import CcxtFeed
    from runtime.adapters.clocks import SystemClock
    from runtime.adapters.lockstep_control import LockstepControl
    from runtime.adapters.lockstep_venue import LockstepVenue
    from runtime.adapters.rate_budget import BudgetLimits, RateBudget
    from runtime.driving.wire import LOCKSTEP_FEED, LockstepStepper
    from runtime.journal.sql_journal import SqlJournal
    from runtime.store.addresses import database_url
    from runtime.store.database import open_database
    from runtime.store.sql_store import SqlStore

    wide = BudgetLimits(weight_1m=10**7, orders_1m=10**7, orders_10s=10**7)
    symbols = ground.signals.data.market.symbols
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parity-")))
        at = await stack.enter_async_context(hosted(ground))
        control = await stack.enter_async_context(LockstepControl(at.addresses.control))
        clock = SystemClock()
        # A database of a temporary folder need not survive the machine.
        database = open_database(database_url(folder, ""), threaded=False, durable=False)
        stack.callback(database.close)
        store, journal = SqlStore(database), SqlJournal(database, "trades")
        client = make_exchange("local", url=at.addresses.rest)
        venue = LockstepVenue(client, store, symbols, clock=clock, budget=RateBudget(clock, wide))
        stack.push_async_callback(venue.close)
        await venue.open()
        await stream_up(venue)
        feed = CcxtFeed(venue.link, LOCKSTEP_FEED)
        stack.push_async_callback(feed.close)
        await feed.open(symbols, ground.plan.settings.run.timeframe)
        stepper = LockstepStepper(control, venue, feed)
        tale = await ride(
            "local", ground, venue, stepper, store, journal, lambda: at.session.now_ns, progress
        )
        tale.notes["times REST had to tell what the stream did not"] = stepper.caught_up
        return tale
