"""Scenarios 8, 10, 23, 24 and 26: restarts, foreign hands, modes and contracts that change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from envs.core.errors import FixInput
from runtime.adapters.client_ids import is_ours
from runtime.exchange import commands as c
from runtime.exchange.fault_kinds import FaultKind as K
from runtime.exchange.orders import OrderRequest, OrderType
from runtime.port_errors import VenueRefused
from runtime.store.database import open_database
from runtime.store.run_lock import RunLock
from tests.faults.runtime_checks import Bounds, venue_faults
from tests.faults.runtime_rig import Rig, eventually, rig, run, runtime_on, venue_for
from tests.faults.test_runtime_orders import A, entered, look, plan_in


def records(r: Rig, kind: str) -> list[Any]:
    return [e.body for e in r.runtime.journal.read({kind})]


def test_8_with_an_empty_journal_a_position_is_reported_and_its_stop_left(tmp_path: Path) -> None:
    async def work() -> None:
        async with venue_for(plan_in(tmp_path / "one")) as venue:
            async with runtime_on(venue) as r:
                await entered(r)
            held, stops = venue.held(A), len(venue.session.state.open_algos())
            assert held != 0
            venue.plan = replace(venue.plan, folder=tmp_path / "two")
            async with runtime_on(venue) as r:
                await r.bar(2)
                await r.kernel.reconcile()
                assert records(r, "foreign")
                assert not [e for e in records(r, "order") if e["ask"]["purpose"] == "entry"]
            assert venue.held(A) == held
            assert len(venue.session.state.open_algos()) == stops
            assert not venue_faults(venue.auditor, Bounds(0.0, 0.0))

    run(work())


def test_8_the_same_journal_goes_on_with_the_position(tmp_path: Path) -> None:
    async def work() -> None:
        async with venue_for(plan_in(tmp_path)) as venue:
            async with runtime_on(venue) as r:
                await entered(r)
            async with runtime_on(venue) as r:
                assert r.kernel.context.books.account.positions
                await r.bar(2)
                await r.verify()

    run(work())


def test_10_a_stop_that_fires_while_the_runtime_is_down(tmp_path: Path) -> None:
    async def work() -> None:
        async with venue_for(plan_in(tmp_path)) as venue:
            async with runtime_on(venue) as r:
                await entered(r)
            side = 1 if venue.held(A) > 0 else -1
            await venue.act(K.PRICE_GAP, symbol=A, value=-0.05 * side)
            assert venue.held(A) == 0
            async with runtime_on(venue) as r:
                assert len(records(r, "trade")) == 1
                assert not venue.session.state.open_algos()
                await r.bar(2)
                assert len(records(r, "trade")) == 1
                await r.verify(Bounds(0.0, 0.0, 60.0))

    run(work())


def test_23_hedge_mode_is_refused_at_the_start(tmp_path: Path) -> None:
    async def work() -> None:
        async with venue_for(plan_in(tmp_path)) as venue:
            await venue.act(K.SET_POSITION_MODE, value=1.0)
            with pytest.raises(VenueRefused, match="hedge"):
                async with runtime_on(venue):
                    raise AssertionError("it must not start")

    run(work())


def test_23_hedge_mode_in_mid_run_stops_entries(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(plan_in(tmp_path)) as r:
            await r.venue.act(K.SET_POSITION_MODE, value=1.0)
            for _ in range(12):
                await r.kernel.reconcile()
            await r.bar(3)
            assert r.venue.session.state.orders == {}
            assert any("hedge" in x["text"] for x in records(r, "alarm"))
            await r.verify()

    run(work())


def test_23_another_leverage_is_set_back_before_the_next_entry(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(plan_in(tmp_path)) as r:
            await r.venue.act(K.SET_LEVERAGE, symbol=A, value=9.0)
            await entered(r)
            assert r.venue.session.state.leverage[A] != 9
            await r.verify()

    run(work())


def test_24_orders_of_others_are_reported_and_not_touched(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(plan_in(tmp_path)) as r:
            other = OrderRequest("somebody", A, 1, OrderType.LIMIT, 1_000, 9_000)
            await r.venue.session.submit(c.Place(other))
            await r.kernel.reconcile()
            await entered(r)
            await r.kernel.reconcile()
            assert [x for x in records(r, "foreign") if "somebody" in x["text"]]
            assert [o.client_id for o in r.venue.session.state.open_orders()
                    if not is_ours(o.client_id)] == ["somebody"]  # fmt: skip
            await r.verify()

    run(work())


def test_24_one_runtime_an_account(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'journal.db'}")
    try:
        with RunLock(database, "chaos"), pytest.raises(FixInput, match="trades with it"):
            RunLock(database, "chaos").__enter__()
    finally:
        database.close()


def test_26_a_delisted_contract_is_left_and_not_entered(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(plan_in(tmp_path)) as r:
            await entered(r)
            r.venue.arm(K.DELIST, symbol=A)
            await r.kernel.stop(flatten=True)
            await look(r)
            assert r.venue.held(A) == 0
            await r.bar(3)
            assert len(r.venue.auditor.episodes()) == 1
            await r.verify(Bounds(0.0, 0.0, 60.0))

    run(work())


def reasons(r: Rig) -> list[str]:
    """Of the decisions of A, in their order."""
    found = [e.body["decision"] for e in r.runtime.journal.read({"decision"}) if f":{A}:" in e.key]
    return [x["reason"] for x in found]


def test_26_other_filters_refuse_one_entry_and_block_those_after_it(tmp_path: Path) -> None:
    async def work() -> None:
        async with rig(plan_in(tmp_path)) as r:
            r.venue.arm(K.FILTERS, symbol=A, options={"stepSize": "7"})
            await r.bar(3)
            assert r.venue.session.state.orders == {}
            (skipped,) = [x["skipped"]["reason"] for x in records(r, "skip") if x]
            assert "-1111" in skipped
            assert reasons(r)[1:] == ["FILTERS_CHANGED"] * 2
            await r.kernel.reconcile()
            (alarm,) = [x["text"] for x in records(r, "alarm") if "step" in x["text"]]
            assert "restart" in alarm
            await r.verify()

    run(work())


def test_26_a_suspended_contract_is_left_until_it_trades_again(tmp_path: Path) -> None:
    """Exits go on meanwhile; the others are entered as always."""

    async def work() -> None:
        plan = plan_in(tmp_path)
        async with rig(replace(plan, venue=replace(plan.venue, listing_s=0.1))) as r:
            await entered(r)
            r.venue.arm(K.DELIST, symbol=A)
            await eventually(lambda: A in r.runtime.venue.health().shut)
            await r.kernel.reconcile()
            side = 1 if r.venue.held(A) > 0 else -1
            await r.venue.act(K.PRICE_GAP, symbol=A, value=-0.05 * side)
            await look(r)
            assert r.venue.held(A) == 0
            before = len(reasons(r))
            await r.bar(2)
            assert set(reasons(r)[before:]) == {"NOT_TRADING"}
            r.venue.calm()
            await eventually(lambda: not r.runtime.venue.health().shut)
            await r.kernel.reconcile()
            await r.bar(2)
            assert r.venue.held(A) != 0
            told = [x["text"] for x in records(r, "alarm")]
            assert any("is SETTLING" in text for text in told)
            assert "may be entered again" in told
            await r.verify()

    run(work())
