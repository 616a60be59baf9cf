"""A trader on the built-in exchange, over the wire and through ccxt as on a real one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from envs.core.errors import FixSettings, RefusedArtifact
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
from runtime.settings import load_settings
from runtime.signals.cached import CachedSignals
from runtime.trading.context import TradingOptions
from runtime.wiring.clocked import Clocked, open_clocked
from runtime.wiring.core import build_core
from runtime.wiring.exchange_child import ExchangeAt, child_arguments, exchange_child
from runtime.wiring.keeping import Kept, keep
from runtime.wiring.looking import look_before
from runtime.wiring.period import interval_of, known_signals, period_of
from runtime.wiring.plan import LOCKSTEP, TradePlan
from runtime.wiring.same_market import require_period, require_same_market
from runtime.wiring.state_folder import CONFIG, open_state
from runtime.wiring.stepped import SteppedDrive
from runtime.wiring.trader import Trader
from runtime.wiring.warming import warm_up, warm_up_built_in

_STREAM_S = 10.0
WIDE = BudgetLimits(weight_1m=10**7, orders_1m=10**7, orders_10s=10**7)
"""Requests count wall time, an accelerated market does not: vendor limits would stop it."""
_AS_SOLD = 60.0
"""Market seconds a second up to which the exchange keeps the limits of the real one."""


@asynccontextmanager
async def open_local(plan: TradePlan) -> AsyncIterator[Trader]:
    """Open a trader on the local exchange; see ``open_trader``."""
    bundle = load_bundle(plan.bundle)
    look_before(plan, bundle)
    require_local(plan, bundle)
    async with AsyncExitStack() as stack:
        if not plan.lockstep:
            yield await _in_its_own_time(plan, bundle, stack)
            return
        signals = known_signals(plan, bundle)
        kept = stack.enter_context(keep(plan, open_state(plan)))
        at = await stack.enter_async_context(exchange_for(plan, kept, *span_of(signals)))
        control = await stack.enter_async_context(LockstepControl(at.control))
        told = await control.state()
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
        now_ns = at.now_ns or int(told["now"]) * 1_000_000
        if plan.exchange_url:
            require_lockstep(told, plan.control_url)
            require_period(now_ns, span_of(signals)[0], plan.exchange_url)
            await require_same_market(feed, signals.data, plan.exchange_url)
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


def span_of(signals: CachedSignals) -> tuple[int, int]:
    """Close after which trading begins, and the last one; nanoseconds."""
    close_ns = signals.data.market.close_ns
    return int(close_ns[signals.row]), int(close_ns[signals.last_row])


@asynccontextmanager
async def exchange_for(
    plan: TradePlan, kept: Kept, start_ns: int, end_ns: int | None
) -> AsyncIterator[ExchangeAt]:
    """The exchange asked for, or a child that begins after the close ``start_ns``."""
    if plan.exchange_url:
        yield ExchangeAt(plan.exchange_url, plan.control_url)
        return
    arguments = child_arguments(
        kept.folder.path / CONFIG, kept.folder.exchange_journal, plan.speed, start_ns, end_ns,
        "vendor" if is_as_sold(plan) else "none",
    )  # fmt: skip
    async with exchange_child(arguments) as at:
        if kept.journal.last_seq and not at.resumed:
            raise RefusedArtifact(
                f"--state {kept.folder.path}: {kept.folder.exchange_journal.name} is gone, and the "
                "exchange's account with it: restore it, or give a new --state"
            )
        yield at


async def _in_its_own_time(plan: TradePlan, bundle: Bundle, stack: AsyncExitStack) -> Trader:
    """The market moves by itself: planted votes are known beforehand, models are asked live."""
    known, (start_ns, end_ns) = None, period_of(plan, bundle)
    if bundle.manifest["signal_origin"] == "planted":
        known = known_signals(plan, bundle)
        start_ns, end_ns = span_of(known)
        await warm_up(plan, known.data, known.votes, known.row)
    else:
        await warm_up_built_in(plan)
    kept = stack.enter_context(keep(plan, open_state(plan)))
    at = await stack.enter_async_context(exchange_for(plan, kept, start_ns, end_ns))
    # One that runs already tells its time by its prices.
    own = not plan.exchange_url
    begin_ns = max(at.now_ns, start_ns)
    bars = 0 if end_ns is None else max(0, (end_ns - begin_ns) // interval_of(bundle))
    clocked = Clocked(
        client=make_exchange("local", url=at.rest), speed=float(plan.speed), wall=False,
        limits=None if is_as_sold(plan) else WIDE, known=known, end_ns=end_ns,
        begin_ns=begin_ns if own else 0, first_ns=0 if own else start_ns,
        gone=at.gone, most_bars=min(x for x in (bars, plan.max_bars) if x) if bars else 0,
    )  # fmt: skip
    return await open_clocked(plan, bundle, kept, clocked, stack)


def require_local(plan: TradePlan, bundle: Bundle) -> None:
    """Refuse what the local exchange cannot show.

    Raises:
        FixSettings: A part of the built-in market, which it has whole only.
    """
    own = load_settings(toml_path=bundle.settings_toml).run
    if plan.settings.run.is_synthetic and (own.start is not None or own.test_end is not None):
        raise FixSettings(
            "--venue local: the bundle was trained on a part of the built-in market cut by --start "
            "or --test-end, which the local exchange cannot cut: use --venue sim, or train without"
        )


def require_lockstep(told: Mapping[str, Any], url: str) -> None:
    """Refuse an exchange whose market moves by itself.

    Raises:
        FixSettings: It does.
    """
    if told.get("speed") != LOCKSTEP:
        raise FixSettings(
            f"--control-url {url}: that exchange's market moves by itself: start it with --speed "
            "lockstep, or give its speed here"
        )


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
