"""The process that is killed: a runtime on an exchange of another process, started again and again.

Lockstep: it moves the market itself through the control port, and where a former life moved it and
died, it acts on the present vertex first.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
import traceback
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from runtime.adapters.ccxt_feed import CcxtFeed
from runtime.adapters.lockstep_control import LockstepControl
from runtime.adapters.lockstep_venue import KEEP_ALIVE_MS
from runtime.driving.market_clock import MarketClock
from runtime.driving.steps import CLOSE, Step
from runtime.driving.timed import TimedDriver, TimedSettings
from runtime.driving.wire import LOCKSTEP_FEED, LockstepStepper
from runtime.kernel_ports import Quote
from runtime.port_market import Bar
from tests.chaos.files import ERROR, READY, RESULT, note
from tests.chaos.points import JOURNAL, LEARNING, STORE, VENUE, Tripwire, Watched, watch_client
from tests.faults.runtime_journal import managed, trades_of
from tests.faults.runtime_parts import Plan, Runtime, open_runtime

_HEAR_S = 5.0
"""Wall seconds until REST tells what the stream does not: it does so in another order."""
_METHODS = {"journal": JOURNAL, "store": STORE, "venue": VENUE, "learning": LEARNING}


@dataclass(frozen=True)
class Life:
    """One life: where the exchange is, and at which point it ends (0: at none)."""

    plan: Plan
    rest: str
    control: str
    deadly: int = 0


def live(life: Life) -> None:
    """Run until the market has ended, or until it is killed."""
    _told(life, _live(life))


def live_by_clock(life: Life) -> None:
    """Run by the clock until SIGTERM, or until it is killed."""
    _told(life, _live_by_clock(life))


def _told(life: Life, work: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(work)
    except BaseException:
        (life.plan.folder / ERROR).write_text(traceback.format_exc(), encoding="utf-8")
        raise


async def _live(life: Life) -> None:
    wire = Tripwire(life.deadly)
    async with AsyncExitStack() as stack:
        control = await stack.enter_async_context(LockstepControl(life.control))
        told = await control.state()
        now_ns = int(told["now"]) * 1_000_000
        clock = [now_ns]
        runtime = await stack.enter_async_context(
            open_runtime(
                life.plan, life.rest, lambda: clock[0], _wrap(wire), quotes_of(told), hears=True
            )
        )
        feed = CcxtFeed(runtime.venue.link, LOCKSTEP_FEED)
        await feed.open(life.plan.shape.symbols, "1m")
        stack.push_async_callback(feed.close)
        stepper = LockstepStepper(control, runtime.venue, feed)  # type: ignore[arg-type]
        await stepper.begin()
        note(life.plan.folder / READY, {"at": time.time()})
        await _present(runtime, feed, told)
        while not stepper.ended:
            step = await stepper.advance()
            clock[0] = step.now_ns
            await _act(runtime, step)
        await runtime.kernel.finish()
        note(life.plan.folder / RESULT, result_of(runtime) | {"points": wire.passed})


async def _present(runtime: Runtime, feed: CcxtFeed, told: dict[str, Any]) -> None:
    """Act on the vertex at which the market stands, if a former life died before it could."""
    plan, now_ns = runtime.plan, int(told["now"]) * 1_000_000
    row, index = point_of(int(told["number"]), plan.shape.interval_s)
    if index == CLOSE and (row == plan.shape.first_row or runtime.kernel.bar_ns == now_ns):
        return
    bars: tuple[Bar, ...] = ()
    if index == CLOSE:
        await feed.collect(now_ns // 1_000_000)
        found = [await feed.history(name, 2) for name in plan.shape.symbols]
        bars = tuple(b for some in found for b in some if b.close_ms * 1_000_000 == now_ns)
        feed.take_bars()
    await _act(runtime, Step(index, now_ns, quotes_of(told), bars, False))


def quotes_of(told: Mapping[str, Any]) -> dict[str, Quote]:
    """Where the contracts stand, from the state the control port tells."""
    now_ns = int(told["now"]) * 1_000_000
    return {
        name: Quote(int(x["last_ticks"]), float(x["mark_ticks"]), now_ns)
        for name, x in told["prices"].items()
    }


def point_of(number: int, interval_s: int) -> tuple[int, int]:
    """Row and vertex of a point's number in a market that ticks every second."""
    ticks = interval_s + 1
    return number // (4 * ticks), number // ticks % 4


async def _act(runtime: Runtime, step: Step) -> None:
    await runtime.kernel.on_vertex(step.now_ns, step.index, step.quotes)
    if step.index == CLOSE:
        await runtime.kernel.on_close(step.now_ns, step.bars)


async def _live_by_clock(life: Life) -> None:
    async with AsyncExitStack() as stack:
        control = await stack.enter_async_context(LockstepControl(life.control))
        told_ns, told_s = int((await control.state())["now"]) * 1_000_000, time.monotonic()
        marked: list[MarketClock] = []

        def now_ns() -> int:
            """As the exchange told it at the start, until its prices tell it."""
            since_ns = int((time.monotonic() - told_s) * 1e9)
            return marked[0].now_ns() if marked else told_ns + since_ns

        runtime = await stack.enter_async_context(open_runtime(life.plan, life.rest, now_ns))
        note(life.plan.folder / READY, {"at": time.time()})
        feed = CcxtFeed(runtime.venue.link)
        await feed.open(life.plan.shape.symbols, "1m")
        stack.push_async_callback(feed.close)
        clock = MarketClock(runtime.venue.link, feed, wall=False, start_ns=now_ns())
        marked.append(clock)
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        driver = TimedDriver(
            runtime.kernel, runtime.venue, feed, clock, life.plan.shape.symbols, TimedSettings(),
            stop, runtime.stop,
        )  # fmt: skip
        await driver.run()
        for _ in range(40):
            with contextlib.suppress(Exception):
                await runtime.venue.reconcile()
                await runtime.kernel.reconcile()
                if not await runtime.kernel.stop(flatten=True):
                    break
            await asyncio.sleep(0.25)
        await runtime.kernel.finish()
        note(life.plan.folder / RESULT, result_of(runtime))


def result_of(runtime: Runtime) -> dict[str, Any]:
    """What a run came to: money, trades, and what was learned.

    Trades are in the order of their ends; those that ended at one instant may be told in any.
    """
    trades = sorted(trades_of(runtime.journal), key=lambda t: (t.exit_ns, t.decision_id))
    return {
        "cash_units": runtime.kernel.context.books.account.cash_units,
        "trades": [(t.decision_id, t.net_units) for t in trades],
        "net_units": sum(t.net_units for t in trades),
        "agent": runtime.agent.digest(),
        "manager": repr(managed(runtime.signals.manager)),
        "refused": runtime.learning.learner.refused,
    }


def _wrap(wire: Tripwire) -> Any:
    def wrap(name: str, part: Any) -> Any:
        if name == "client":
            part.streaming["keepAlive"] = KEEP_ALIVE_MS
            watch_client(part, wire)
            return part
        if name == "venue":
            part.hear_s = _HEAR_S
        return Watched(part, name, _METHODS[name], wire)

    return wrap
