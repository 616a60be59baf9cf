"""Killed at any point and started again, the runtime ends in the books it would have ended in."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from envs.core.series import prepare
from runtime.driving.sim import SimParts, SimStepper, sim_parts
from runtime.kernel import Kernel
from runtime.store.memory_store import MemoryStore
from tests.parity.faces import Kept, KernelCase, case_of, kernel_of
from tests.property.strategies import FIRST_ROW, Case

_MUTATING = {
    "place", "cancel", "place_trigger", "cancel_trigger", "replace_trigger", "set_leverage",
}  # fmt: skip


class Killed(BaseException):
    """The process is gone: nothing may catch it and go on."""


class Fate:
    """Says at which of the points passed the process dies."""

    def __init__(self, deaths: frozenset[int] = frozenset()) -> None:
        self.deaths, self.points = deaths, 0

    def point(self) -> None:
        self.points += 1
        if self.points in self.deaths:
            raise Killed


class MortalJournal(Kept):
    """Dies before a commit is on disk, or right after."""

    fate: Fate = Fate()
    _pending: int = 0

    async def commit(self, state: Callable[[], Mapping[str, Any]] | None = None) -> None:
        self.fate.point()
        await super().commit(state)
        self._pending = len(self.records)
        self.fate.point()

    def forget_uncommitted(self) -> None:
        """What was not committed is lost with the process."""
        del self.records[self._pending :]


class MortalVenue:
    """Dies before a request reaches the venue, or before its answer comes back."""

    def __init__(self, venue: Any, fate: Fate) -> None:
        self._venue, self._fate = venue, fate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._venue, name)
        if name not in _MUTATING:
            return found

        async def mortal(*args: Any, **kw: Any) -> Any:
            self._fate.point()
            answer = await found(*args, **kw)
            self._fate.point()
            return answer

        return mortal


class Life:
    """One venue and one journal through as many processes as it takes."""

    def __init__(self, case: KernelCase, fate: Fate) -> None:
        self.case, self.fate = case, fate
        self.data = prepare(case.market, case.settings)
        self.parts = sim_parts(self.data, case.settings, FIRST_ROW)
        self.journal, self.store = MortalJournal(), MemoryStore()
        self.journal.fate = fate
        self.lives = 0

    async def live(self) -> Life:
        """Run to the end of the market, through every death."""
        await self.store.open()
        while True:
            self.lives += 1
            try:
                await self._one()
                return self
            except Killed:
                self.journal.forget_uncommitted()

    async def _one(self) -> None:
        parts = self._process()
        kernel = kernel_of(self.case, self.data, parts, journal=self.journal, store=self.store)
        await parts.venue.open()
        await kernel.start(dict(parts.venue.quotes()))
        session = parts.session
        vertex = session.point.vertex
        await kernel.on_vertex(session.now_ns, vertex, dict(parts.venue.quotes()))
        if vertex == 3 and session.now_ns > kernel.bar_ns:
            await kernel.on_close(session.now_ns, ())
        await self._drive(kernel, parts.stepper)

    def _process(self) -> SimParts:
        session = self.parts.session
        from runtime.adapters.sim_feed import SimFeed
        from runtime.adapters.sim_venue import SimVenue

        venue: Any = MortalVenue(SimVenue(session, store=self.store), self.fate)
        feed = SimFeed(session)
        return SimParts(session, venue, feed, SimStepper(session, venue, feed))

    async def _drive(self, kernel: Kernel, stepper: SimStepper) -> None:
        while not stepper.ended:
            step = await stepper.advance()
            await kernel.on_vertex(step.now_ns, step.index, dict(step.quotes))
            if step.index == 3:
                await kernel.on_close(step.now_ns, ())
        await kernel.finish()

    def books(self) -> tuple[Any, ...]:
        """What must not depend on the deaths: the venue's ledger and the journal's trades."""
        ledger = self.parts.session.state.ledger
        income = Counter((i.time_ns, i.symbol, i.type, i.units) for i in ledger.income)
        trades = [r.body["trade"] for r in self.journal.records if r.kind == "trade"]
        ids = [t.decision_id for t in trades]
        assert len(ids) == len(set(ids)), "a trade was lost or counted twice"
        skips = {r.key for r in self.journal.records if r.kind == "skip"}
        return income, ledger.wallet_units, sorted(trades, key=lambda t: t.decision_id), skips


def lived(case: Case, deaths: frozenset[int] = frozenset()) -> Life:
    return asyncio.run(asyncio.wait_for(Life(case, Fate(deaths)).live(), 120))


@pytest.mark.parametrize("seed", range(4))
def test_any_death_ends_in_the_same_books(seed: int) -> None:
    case = case_of(seed, n=40, symbols=2, shock=[0.0, 0.05, 0.1, 0.2][seed], memoryless=True)
    calm = lived(case)
    assert calm.lives == 1
    rng = np.random.default_rng(seed)
    for k in rng.choice(np.arange(1, calm.fate.points), 12, replace=False):
        again = lived(case, frozenset({int(k)}))
        assert again.lives == 2
        for mine, theirs in zip(again.books(), calm.books(), strict=True):
            assert mine == theirs, f"death at point {k}"
