"""A runtime on an exchange of this process, in lockstep or by the clock, with an auditor."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from runtime.adapters.ccxt_feed import CcxtFeed
from runtime.adapters.lockstep_control import LockstepControl
from runtime.driving.steps import CLOSE, Step
from runtime.driving.wire import LOCKSTEP_FEED, LockstepStepper
from runtime.exchange.fault_acts import FaultActs
from runtime.exchange.fault_kinds import ACTS, Fault, FaultKind
from runtime.exchange.hosting import HostedExchange
from runtime.exchange.session import ExchangeSession
from runtime.exchange.settings import ExchangeSettings
from runtime.port_errors import VenueUnavailable
from tests.faults.runtime_auditor import Auditor
from tests.faults.runtime_checks import (
    Bounds,
    intent_faults,
    ledger_faults,
    position_faults,
    venue_faults,
)
from tests.faults.runtime_journal import journal_faults, learned_faults, trades_of
from tests.faults.runtime_market import market_for
from tests.faults.runtime_parts import Plan, Runtime, Wrap, as_it_is, open_runtime

TIMEOUT_S = 40.0


def run(work: Coroutine[Any, Any, Any], timeout_s: float = TIMEOUT_S) -> Any:
    """Run a test's coroutine; nothing may hang."""
    return asyncio.run(asyncio.wait_for(work, timeout_s))


async def eventually(condition: Callable[[], bool], seconds: float = 8.0) -> None:
    """Wait until something holds."""
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise TimeoutError("what was waited for did not come")


@dataclass
class Venue:
    """The exchange's side of a rig."""

    plan: Plan
    exchange: HostedExchange
    auditor: Auditor
    acts: FaultActs

    @property
    def session(self) -> ExchangeSession:
        """The exchange itself."""
        return self.exchange.session

    def arm(self, kind: FaultKind, endpoint: str = "*", **more: Any) -> None:
        """Arm a fault."""
        self.exchange.faults.arm(self.acts.completed(Fault(kind, endpoint, **more)))

    async def act(self, kind: FaultKind, **more: Any) -> Any:
        """Let a fault happen now."""
        return await self.acts.perform(Fault(kind, **more))

    async def cause(self, fault: Fault) -> None:
        """Arm a fault or let it happen, as its kind wants."""
        if fault.kind in ACTS:
            await self.acts.perform(fault)
        else:
            self.exchange.faults.arm(self.acts.completed(fault))

    def calm(self) -> None:
        """End every fault."""
        self.exchange.faults.disarm()

    def held(self, symbol: str) -> int:
        """Signed steps of the venue's position."""
        found = self.session.state.holdings.get(symbol)
        return 0 if found is None else found.side * found.book.qty

    def fired(self, kind: FaultKind) -> int:
        """How often a kind of fault happened."""
        return self.exchange.faults.fired.get(kind.value, 0)


@asynccontextmanager
async def venue_for(plan: Plan, **changes: Any) -> AsyncIterator[Venue]:
    """An exchange that trades the plan's market; lockstep unless a speed is given."""
    told = ExchangeSettings(
        symbols=plan.shape.symbols, port=0, timeframe="1m", core=plan.core,
        start_quote=plan.core.start_equity_quote, seed=plan.shape.seed,
        **({"speed": "lockstep"} | {k: v for k, v in changes.items() if k != "first"}),
    )  # fmt: skip
    market = market_for(plan.data(), plan.core, plan.shape.first_row, told.tick_s)
    if "first" in changes:
        market.first = changes["first"]
    session = ExchangeSession.open(told, market=market)
    async with HostedExchange(told, session=session) as exchange:
        acts = FaultActs(session, exchange.faults, exchange.streams, exchange.keys)
        yield Venue(plan, exchange, Auditor(session), acts)


@dataclass
class Rig:
    """A runtime in lockstep with the exchange of this process."""

    venue: Venue
    runtime: Runtime
    stepper: LockstepStepper
    bounds: Bounds = field(default_factory=lambda: Bounds(0.0, 0.0))

    @property
    def kernel(self) -> Any:
        """The kernel."""
        return self.runtime.kernel

    async def step(self) -> Step:
        """One vertex, or straight to the next close while nothing is open; the kernel acts."""
        step = await self.stepper.advance()
        await self.kernel.on_vertex(step.now_ns, step.index, step.quotes)
        if step.index == CLOSE:
            await self.kernel.on_close(step.now_ns, step.bars)
        return step

    async def bar(self, count: int = 1) -> None:
        """Whole bars."""
        for _ in range(count):
            while (await self.step()).index != CLOSE:
                pass

    async def venue_told(self) -> None:
        """What happened at the venue between two steps is told, by the stream or by REST."""
        with contextlib.suppress(VenueUnavailable):
            await self.runtime.venue.reconcile()

    async def finish(self) -> None:
        """To the end of the market."""
        while not self.stepper.ended:
            await self.step()
        await self.kernel.finish()

    async def verify(self, bounds: Bounds | None = None) -> None:
        """The common invariants."""
        found = await faults_of(self.venue, self.runtime, bounds or self.bounds)
        assert not found, "\n".join(found)


async def faults_of(
    venue: Venue, runtime: Runtime, bounds: Bounds, *, ended: bool = False
) -> list[str]:  # fmt: skip
    """Everything that contradicts the common invariants."""
    account = runtime.kernel.context.books.account
    names = runtime.plan.shape.symbols
    positions = {names[s]: p.levels.side * p.book.qty for s, p in account.positions.items()}
    found = venue_faults(venue.auditor, bounds)
    found += position_faults(venue.auditor, positions)
    found += ledger_faults(venue.auditor, account.cash_units, trades_of(runtime.journal))
    found += await intent_faults(venue.auditor, runtime.store, hidden=bounds.hidden)
    found += journal_faults(runtime.journal)
    return found + learned_faults(runtime, ended=ended)


@asynccontextmanager
async def rig(plan: Plan, **changes: Any) -> AsyncIterator[Rig]:
    """An exchange in lockstep and a runtime on it."""
    async with venue_for(plan, **changes) as venue, runtime_on(venue) as made:
        yield made


@asynccontextmanager
async def runtime_on(venue: Venue, wrap: Wrap = as_it_is) -> AsyncIterator[Rig]:
    """A runtime on an exchange in lockstep; open another one afterwards for a restart."""
    addresses = venue.exchange.addresses
    async with AsyncExitStack() as stack:
        clock = lambda: venue.session.now_ns  # noqa: E731
        runtime = await stack.enter_async_context(
            open_runtime(venue.plan, addresses.rest, clock, wrap)
        )
        control = await stack.enter_async_context(LockstepControl(addresses.control))
        feed = CcxtFeed(runtime.venue.link, LOCKSTEP_FEED)
        await feed.open(venue.plan.shape.symbols, "1m")
        stack.push_async_callback(feed.close)
        stepper = LockstepStepper(control, runtime.venue, feed)
        await stepper.begin()
        yield Rig(venue, runtime, stepper)


def quiet(plan: Plan, **shape: Any) -> Plan:
    """The same plan in a market that stands still."""
    return replace(plan, quiet=True, shape=replace(plan.shape, **shape))
