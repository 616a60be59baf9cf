"""One kernel on a simulated exchange with hand-made bars, and answers that can be spoilt."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from envs.core.series import prepare
from envs.core.tape import SignalTape
from runtime.adapters.sim_feed import SimFeed
from runtime.adapters.sim_venue import SimVenue
from runtime.driving.sim import SimParts, SimStepper, sim_parts
from runtime.kernel import Kernel
from runtime.kernel_ports import Record
from runtime.store.memory_store import MemoryStore
from runtime.trading.tickets import Ticket
from tests.parity.faces import GRID, Kept, KernelCase, kernel_of
from tests.unit.runtime.exchange.cases import CALM, FLAT, Bar, data_of

SYMBOL = "BTCUSDT"
PRICE = FLAT[0]
ACTION = next(
    i for i, a in enumerate(GRID.actions) if (a.size, a.leverage, int(a.exit)) == (1.0, 1, 1)
)
"""The reference action: size 1, leverage 1, balanced."""


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a test's coroutine; nothing may hang."""
    return asyncio.run(asyncio.wait_for(work, 20))


def tape_of(shape: tuple[int, int], candidates: Sequence[int], side: int) -> SignalTape:
    """Candidates at some rows, all of one side."""
    zero, small = np.zeros(shape), np.zeros(shape, dtype=np.int8)
    chosen = np.zeros(shape, dtype=np.bool_)
    chosen[list(candidates)] = True
    return SignalTape(
        np.full(shape, side, dtype=np.int8), zero, zero, zero, np.full(shape, 0.002 * side),
        np.full(shape, 0.9), zero, small, small, np.full((*shape, 4), 0.25), np.ones((*shape, 4)),
        chosen, np.full((shape[0], 3, 3), np.nan), "planted", "uniform",
    )  # fmt: skip


class Spoilt:
    """A venue some of whose answers a test replaces; ``spoil[name]`` gets call and arguments."""

    def __init__(self, venue: SimVenue) -> None:
        self.real = venue
        self.spoil: dict[str, Callable[..., Awaitable[Any]]] = {}
        self.calls: list[tuple[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.real, name)
        if name not in ("place", "cancel", "place_trigger", "cancel_trigger", "replace_trigger",
                        "set_leverage", "resolve", "account", "income_since",
                        "fills_since", "modes"):  # fmt: skip
            return found

        async def call(*args: Any) -> Any:
            self.calls.append((name, args))
            spoil = self.spoil.get(name)
            return await (found(*args) if spoil is None else spoil(found, *args))

        return call


class Rig:
    """A kernel with its exchange, bar by bar."""

    def __init__(
        self, bars: Sequence[Bar], *, candidates: Sequence[int] = (0,), side: int = 1,
        action: Any = None, stamps: dict[int, float] | None = None, adopts: bool = False,
        more: dict[str, Sequence[Bar]] | None = None,
    ) -> None:  # fmt: skip
        market = data_of({SYMBOL: bars, **(more or {})}, stamps=stamps)
        # An ATR of 100 ticks: the balanced stop lies 150 below the entry.
        market = replace(market, atr=np.full_like(market.atr, 1.0))
        self.data = prepare(market, CALM)
        self.case = KernelCase(
            market,
            tape_of(market.valid.shape, candidates, side),
            CALM,
            1,
            False,
            ACTION if action is None else action,
        )
        self.journal, self.store = Kept(), MemoryStore()
        parts = sim_parts(self.data, CALM, 0)
        self.session, self.adopts = parts.session, adopts
        self._begin()

    def _begin(self) -> None:
        self.venue: Any = Spoilt(SimVenue(self.session, store=self.store))
        feed = SimFeed(self.session)
        stepper = SimStepper(self.session, self.venue, feed)
        self.parts = SimParts(self.session, self.venue, feed, stepper)
        self.kernel: Kernel = kernel_of(
            self.case,
            self.data,
            self.parts,
            journal=self.journal,
            store=self.store,
            adopts=self.adopts,
        )

    async def start(self) -> Rig:
        """Recover, and decide on the first bar."""
        await self.venue.open()
        await self.kernel.start(dict(self.venue.quotes()))
        return self

    def by_clock(self) -> Rig:
        """Let the kernel work as it does where the market moves by itself."""
        options = replace(self.kernel.parts.options, in_turn=False)
        self.kernel.parts = replace(self.kernel.parts, options=options)
        self.kernel.context.options = options
        return self

    async def look(self) -> None:
        """One look by the clock at the present prices."""
        await self.kernel.monitor(self.session.now_ns, dict(self.venue.quotes()))

    async def again(self) -> Rig:
        """A new process on the same venue and journal."""
        self._begin()
        return await self.start()

    async def vertex(self) -> int:
        """One vertex; returns which."""
        step = await self.parts.stepper.advance()
        await self.kernel.on_vertex(step.now_ns, step.index, dict(step.quotes))
        if step.index == 3:
            await self.kernel.on_close(step.now_ns, ())
        return step.index

    async def bar(self) -> None:
        """To the next close."""
        while await self.vertex() != 3:
            pass

    @property
    def ticket(self) -> Ticket:
        """The one ticket."""
        return self.kernel.context.books.tickets[0]

    @property
    def account(self) -> Any:
        """The books' account."""
        return self.kernel.context.books.account

    def records(self, kind: str) -> list[Record]:
        """Records of a kind."""
        return [r for r in self.journal.records if r.kind == kind]


def bars_of(*closes: int, reach: int = 20) -> list[Bar]:
    """Bars from close to close with short wicks."""
    out: list[Bar] = [FLAT]
    for close in closes:
        begin = out[-1][3]
        out.append((begin, max(begin, close) + reach, min(begin, close) - reach, close))
    return out


def spoil_once(answer: Callable[[Any], Any]) -> Callable[..., Awaitable[Any]]:
    """Replace the first answer, let the real thing happen afterwards."""
    done = False

    async def spoilt(real: Any, *args: Any) -> Any:
        nonlocal done
        if done:
            return await real(*args)
        done = True
        return answer(args[-1])

    return spoilt
