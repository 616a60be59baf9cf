"""A trader on the built-in exchange, over the wire and through ccxt as on a real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from envs.core.errors import FixSettings
from runtime.adapters.ccxt_factory import make_exchange
from runtime.adapters.ccxt_feed import CcxtFeed
from runtime.adapters.clocks import SystemClock
from runtime.adapters.lockstep_control import LockstepControl
from runtime.adapters.lockstep_venue import LockstepVenue
from runtime.adapters.rate_budget import BudgetLimits, RateBudget
from runtime.bundle import Bundle, load_bundle
from runtime.driving.lockstep import LockstepDriver
from runtime.driving.wire import LOCKSTEP_FEED, LockstepStepper
from runtime.port_errors import VenueUnavailable
from runtime.signals.cached import CachedSignals, cached_signals
from runtime.trading.context import TradingOptions
from runtime.wiring.core import build_core
from runtime.wiring.exchange_child import ExchangeAt, child_arguments, exchange_child
from runtime.wiring.keeping import Kept, keep
from runtime.wiring.plan import TradePlan
from runtime.wiring.state_folder import CONFIG, open_state
from runtime.wiring.stepped import SteppedDrive
from runtime.wiring.trader import Trader

_STREAM_S = 10.0
WIDE = BudgetLimits(weight_1m=10**7, orders_1m=10**7, orders_10s=10**7)
"""Requests count wall time, an accelerated market does not: vendor limits would stop it."""
_AS_SOLD = 60.0
"""Market seconds a second up to which the exchange keeps the limits of the real one."""


@asynccontextmanager
async def open_local(plan: TradePlan) -> AsyncIterator[Trader]:
    """Open a trader on the local exchange; see ``open_trader``."""
    if not plan.lockstep:
        from runtime.wiring.timed import open_local_timed

        async with open_local_timed(plan) as trader:
            yield trader
        return
    bundle = load_bundle(plan.bundle)
    signals = cached_signals(
        bundle, plan.settings, start_ns=plan.start_ns, end_ns=plan.end_ns, cache=plan.cache,
        learning=plan.learn,
    )  # fmt: skip
    async with AsyncExitStack() as stack:
        kept = stack.enter_context(keep(plan, open_state(plan)))
        at = await stack.enter_async_context(exchange_for(plan, kept, bundle, signals))
        control = await stack.enter_async_context(LockstepControl(at.control))
        symbols = signals.data.market.symbols
        client = make_exchange("local", url=at.rest)
        clock = SystemClock()
        venue = LockstepVenue(
            client, kept.store, symbols, clock=clock, budget=RateBudget(clock, WIDE)
        )
        stack.push_async_callback(venue.close)
        await venue.open()
        await stream_up(venue)
        feed = CcxtFeed(venue.link, LOCKSTEP_FEED)
        stack.push_async_callback(feed.close)
        await feed.open(symbols, plan.settings.run.timeframe)
        first, last = signals.row, signals.last_row
        stepper = LockstepStepper(control, venue, feed)
        now_ns = at.now_ns or int((await control.state())["now"]) * 1_000_000
        seen = [now_ns]
        core = build_core(
            plan, bundle, kept, venue, signals, lambda: seen[0],
            TradingOptions(in_turn=True, full=plan.journal == "full"),
        )  # fmt: skip
        core.kernel.observers.append(lambda r: seen.__setitem__(0, max(seen[0], r.time_ns)))
        driver = LockstepDriver(core.kernel, stepper, max_bars=plan.max_bars)
        yield Trader(
            plan, bundle, kept.folder, core.kernel, SteppedDrive(driver), venue, feed,
            kept.journal, signals, core.learning, core.stop, most_bars=last - first,
            first_ns=now_ns, journal_name=kept.name,
        )  # fmt: skip


@asynccontextmanager
async def exchange_for(
    plan: TradePlan, kept: Kept, bundle: Bundle, signals: CachedSignals
) -> AsyncIterator[ExchangeAt]:
    """The exchange asked for, or a child with the bars the signals were made of."""
    if plan.exchange_url:
        yield ExchangeAt(plan.exchange_url, plan.control_url)
        return
    run = plan.settings.run
    if run.is_synthetic and (run.start is not None or run.test_end is not None):
        raise FixSettings(
            "--venue local: the bundle was trained on a part of the built-in market cut by --start "
            "or --test-end, which the local exchange cannot cut: use --venue sim, or train without"
        )
    close_ns = signals.data.market.close_ns
    arguments = child_arguments(
        kept.folder.path / CONFIG, kept.folder.exchange_journal, plan.speed,
        int(close_ns[signals.row]), int(close_ns[signals.last_row]),
        "vendor" if is_as_sold(plan) else "none",
    )  # fmt: skip
    async with exchange_child(arguments) as at:
        yield at


def is_as_sold(plan: TradePlan) -> bool:
    """Whether the exchange's limits of weight and orders are kept, as on the real one."""
    return not plan.lockstep and float(plan.speed) <= _AS_SOLD


async def stream_up(venue: LockstepVenue) -> None:
    """Wait for the account's stream: before it nothing would be heard in turn.

    Raises:
        VenueUnavailable: It does not come up.
    """
    for _ in range(int(_STREAM_S / 0.02)):
        if venue.health().stream_up:
            return
        await asyncio.sleep(0.02)
    raise VenueUnavailable(f"venue: its account stream did not come up in {_STREAM_S:g} s")
