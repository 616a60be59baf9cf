"""Scenarios 1 to 5, 9, 11 to 15, 22 and 25 with the whole runtime, in lockstep.

The market waits, so nothing may be unprotected for any time at all once the runtime has acted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from envs.core.types import ExitReason
from runtime.exchange.fault_kinds import FaultKind as K
from runtime.kernel_ports import Quote
from tests.faults.runtime_auditor import DOUBLED
from tests.faults.runtime_checks import Bounds
from tests.faults.runtime_market import SYMBOLS, Shape
from tests.faults.runtime_parts import Plan
from tests.faults.runtime_rig import Rig, rig, run

A = SYMBOLS[0]
ORDER, ALGO = "POST /fapi/v1/order", "POST /fapi/v1/algoOrder"
ONE = Shape(symbols=(A,), bars=40, stamps_every=0)


def plan_in(folder: Path, **changes: Any) -> Plan:
    return Plan(folder, **({"shape": ONE, "quiet": True, "at_once": False} | changes))


def scene(folder: Path, work: Callable[[Rig], Awaitable[None]], **changes: Any) -> None:
    async def whole() -> None:
        async with rig(plan_in(folder, **changes)) as made:
            await work(made)

    run(whole())


async def entered(r: Rig) -> None:
    """Decide at a close and fill at the next open."""
    await r.bar()
    await r.step()


def entries(r: Rig) -> int:
    return len([o for o in r.venue.auditor.entries() if o.filled_steps])


LOST = [
    ("1 executed, connection cut", K.DROP_AFTER, {}),
    ("3 executed, answer late", K.DELAY_AFTER, {"seconds": 1.5}),
    ("4 executed, -1007", K.TIMEOUT, {"executed": True}),
    ("4 executed, unknown error", K.UNKNOWN_ERROR, {"executed": True}),
    ("4 executed, overloaded", K.OVERLOADED, {"executed": True}),
    ("5 empty body", K.EMPTY, {}),
    ("5 {} for a body", K.EMPTY, {"body": "{}"}),
    ("5 half a body", K.TRUNCATED, {}),
    ("5 HTML", K.GARBAGE, {}),
]
ABSENT = [
    ("2 connection cut before", K.DROP_BEFORE, {}),
    ("4 not executed, -1007", K.TIMEOUT, {"executed": False}),
    ("4 not executed, unknown error", K.UNKNOWN_ERROR, {"executed": False}),
]


@pytest.mark.parametrize(("kind", "more"), [x[1:] for x in LOST], ids=[x[0] for x in LOST])
@pytest.mark.parametrize("deaf", [False, True], ids=["heard", "deaf"])
def test_an_entry_whose_answer_is_lost(
    kind: K, more: dict[str, Any], deaf: bool, tmp_path: Path
) -> None:
    async def work(r: Rig) -> None:
        r.venue.arm(kind, ORDER, **more)
        if deaf:
            r.venue.arm(K.MUTE, stream="user", seconds=3.0)
        await entered(r)
        assert r.venue.fired(kind) == 1
        assert entries(r) == 1
        assert r.venue.held(A) != 0
        await r.bar(2)
        await r.verify()

    scene(tmp_path, work)


@pytest.mark.parametrize(("kind", "more"), [x[1:] for x in ABSENT], ids=[x[0] for x in ABSENT])
def test_an_entry_that_never_arrived(kind: K, more: dict[str, Any], tmp_path: Path) -> None:
    async def work(r: Rig) -> None:
        r.venue.arm(kind, ORDER, **more)
        await r.bar(1)
        assert r.venue.held(A) == 0
        skipped = [e.body["skipped"]["reason"] for e in r.runtime.journal.read({"skip"})]
        assert skipped == ["ABSENT"]
        await entered(r)
        assert entries(r) == 1
        await r.verify()

    scene(tmp_path, work)


REFUSED = [-2019, -4164, -1111, -5022, -4003]


@pytest.mark.parametrize("code", REFUSED)
def test_22_a_refused_entry_changes_nothing_and_is_not_repeated(code: int, tmp_path: Path) -> None:
    async def work(r: Rig) -> None:
        r.venue.arm(K.REFUSE, ORDER, code=code, message="refused")
        await r.bar()
        assert r.venue.fired(K.REFUSE) == 1
        assert r.venue.session.state.orders == {}
        await entered(r)
        assert entries(r) == 1
        await r.verify()

    scene(tmp_path, work)


STOPS_REFUSED = [(K.REFUSE, {"code": c}) for c in (-2021, -4120, -2019)] + [
    (K.STATUS, {"status": 502, "body": "Bad Gateway"}), (K.DROP_BEFORE, {}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "more"), STOPS_REFUSED)
@pytest.mark.parametrize("count", [1, None], ids=["once", "always"])
def test_12_a_stop_that_cannot_be_placed_is_placed_again_or_the_position_closed(
    kind: K, more: dict[str, Any], count: int | None, tmp_path: Path
) -> None:
    async def work(r: Rig) -> None:
        await r.bar()
        r.venue.arm(kind, ALGO, count=count, **more)
        await r.step()
        assert bool(r.venue.held(A)) == (count == 1 and more.get("code") != -2021)
        r.venue.calm()
        await r.bar()
        await r.verify()

    scene(tmp_path, work)


def test_11_a_stop_that_fired_without_filling_is_no_exit(tmp_path: Path) -> None:
    async def work(r: Rig) -> None:
        await entered(r)
        side = 1 if r.venue.held(A) > 0 else -1
        await r.venue.act(K.REFUSE_CHILD, symbol=A)
        await r.venue.act(K.PRICE_GAP, symbol=A, value=-0.05 * side)
        assert r.venue.held(A) != 0
        await look(r)
        assert r.venue.held(A) == 0
        await r.bar()
        await r.verify()

    scene(tmp_path, work)


@pytest.mark.parametrize("query", [False, True], ids=["listed", "listed and asked"])
def test_13_a_stop_that_vanishes_and_returns(query: bool, tmp_path: Path) -> None:
    async def work(r: Rig) -> None:
        await entered(r)
        r.venue.arm(K.VANISH_ALGO, symbol=A, options={"query": query})
        for _ in range(3):
            await r.kernel.reconcile()
            await look(r)
        r.venue.calm()
        for _ in range(3):
            await r.kernel.reconcile()
            await look(r)
        stops = [s for s in r.venue.auditor.spans if s.kind == DOUBLED]
        assert len(stops) <= 1
        await r.bar()
        # Hidden from every question for longer than the floor, it counts as never arrived.
        await r.verify(Bounds(0.0, 60.0, hidden=query))

    scene(tmp_path, work)


@pytest.mark.parametrize("kind", [K.DROP_AFTER, K.REFUSE, K.TRUNCATED])
def test_14_a_cancel_that_races_or_is_sent_twice(kind: K, tmp_path: Path) -> None:
    async def work(r: Rig) -> None:
        more = {"code": -2011, "message": "Unknown order sent."} if kind is K.REFUSE else {}
        r.venue.arm(kind, "DELETE /fapi/v1/algoOrder", count=None, probability=0.5, **more)
        await r.bar(12)
        assert r.venue.fired(kind) > 0
        assert len(r.venue.auditor.episodes()) > 1
        r.venue.calm()
        await r.kernel.reconcile()
        await look(r)
        await r.bar()
        await r.verify(Bounds(0.0, 3600.0))

    scene(tmp_path, work, quiet=False)


@pytest.mark.parametrize("kind", [K.CLOSE_EXTERNALLY, K.LIQUIDATE])
@pytest.mark.parametrize("deaf", [False, True], ids=["heard", "deaf"])
def test_15_a_position_that_somebody_else_closed(kind: K, deaf: bool, tmp_path: Path) -> None:
    async def work(r: Rig) -> None:
        await entered(r)
        if deaf:
            r.venue.arm(K.MUTE, stream="user", seconds=1.0)
        await r.venue.act(kind, symbol=A)
        for _ in range(2):
            await r.kernel.reconcile()
            await look(r)
        assert not r.venue.session.state.open_algos()
        reasons = [e.body["trade"]["reason"] for e in r.runtime.journal.read({"trade"})]
        assert reasons == [
            int(ExitReason.LIQUIDATION if kind is K.LIQUIDATE else ExitReason.EXTERNAL)
        ]
        await r.bar(2)
        await r.verify(Bounds(0.0, 0.0, 60.0))

    scene(tmp_path, work)


@pytest.mark.parametrize("kind", [K.POSITIONS_EMPTY, K.POSITIONS_FAIL])
def test_25_a_failed_or_empty_answer_about_positions_is_not_flat(kind: K, tmp_path: Path) -> None:
    async def work(r: Rig) -> None:
        await entered(r)
        held = r.venue.held(A)
        r.venue.arm(kind)
        await r.kernel.reconcile()
        await look(r)
        assert r.venue.fired(kind) == 1
        assert r.venue.held(A) == held
        assert r.kernel.context.books.account.positions
        await r.kernel.reconcile()
        await r.bar(2)
        await r.verify()

    scene(tmp_path, work)


async def look(r: Rig) -> None:
    """Let the kernel act where the market stands."""
    session = r.venue.session
    quotes = {
        name: Quote(q.last_ticks, q.mark_ticks, session.now_ns)
        for name, q in session.state.quotes.items()
    }
    await r.venue_told()
    await r.kernel.on_vertex(session.now_ns, min(session.point.vertex, 2), quotes)
