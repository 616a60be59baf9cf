"""Starts, comparisons and ends: what the venue says late, otherwise, or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from envs.core.types import ExitReason
from runtime.port_errors import StoreUnavailable, VenueRefused
from runtime.port_values import AccountModes, Answer, Outcome, SymbolMode
from runtime.trading.at_once import AtWork
from tests.unit.runtime.trading.desk import SYMBOL, Rig, run
from tests.unit.runtime.trading.scenes import CALM_BARS, OTHER, both, killed_while_sending, sold


def test_stops_of_a_position_nobody_knows_of_are_kept() -> None:
    async def work() -> None:
        rig = await Rig(CALM_BARS).start()
        await rig.vertex()
        before = sorted(a.client_id for a in rig.session.state.open_algos(SYMBOL))
        assert before
        # The journal is lost; the position and its orders are not.
        rig.journal.states.clear()
        await rig.again()
        await rig.kernel.reconcile()
        await rig.kernel.reconcile()
        assert sorted(a.client_id for a in rig.session.state.open_algos(SYMBOL)) == before
        assert SYMBOL in rig.kernel.context.unsure

    run(work())


def test_a_contract_on_cross_margin_is_isolated_before_its_next_entry() -> None:
    async def work() -> None:
        rig = await Rig(CALM_BARS, candidates=(2,)).start()

        async def crossed(real: Any) -> AccountModes:
            return AccountModes(False, {SYMBOL: SymbolMode(1, False)})

        rig.venue.spoil["modes"] = crossed
        for _ in range(10):
            await rig.kernel.reconcile()
        await rig.bar()
        await rig.bar()
        assert [args for name, args in rig.venue.calls if name == "set_leverage"] == [(SYMBOL, 1)]

    run(work())


def test_leverage_changed_while_nobody_looked_is_set_again() -> None:
    async def work() -> None:
        rig = await Rig(CALM_BARS, candidates=(0, 2)).start()
        await rig.vertex()
        await sold(rig, SYMBOL, rig.session.state.holdings[SYMBOL].book.qty)
        await rig.bar()
        await rig.venue.real.set_leverage(SYMBOL, 20)
        await rig.again()
        await rig.bar()
        sent = [args for name, args in rig.venue.calls if name == "set_leverage"]
        assert sent == [(SYMBOL, 1)]

    run(work())


def test_a_refusal_to_tell_the_modes_does_not_end_the_comparison() -> None:
    async def work() -> None:
        rig = await Rig(CALM_BARS).start()
        await rig.vertex()

        async def refused(real: Any) -> AccountModes:
            raise VenueRefused("-2015")

        rig.venue.spoil["modes"] = refused
        for _ in range(10):
            await rig.kernel.reconcile()
        assert not rig.kernel.context.unsure

    run(work())


def test_an_order_replaced_while_it_was_asked_for_is_not_called_gone() -> None:
    async def work() -> None:
        rig = await Rig(CALM_BARS).start()
        await rig.vertex()

        async def meanwhile(real: Any, name: str) -> Any:
            p, stop = rig.account.positions[0], rig.ticket.stop
            if stop is not None and name == stop.client_id:
                p.guard = p.guard._replace(stop=p.guard.stop + 1)
                await rig.kernel.protecting.ensure(0)
            return await real(name)

        rig.venue.spoil["resolve"] = meanwhile
        await rig.kernel.watch()
        assert not rig.records("alarm")
        assert rig.ticket.stop is not None

    run(work())


def test_flattening_at_the_end_does_not_wait_for_entries_that_cannot_be_cancelled() -> None:
    async def work() -> None:
        rig = await both((0, 1))
        await sold(rig, OTHER, rig.session.state.holdings[OTHER].book.qty)
        await rig.bar()
        assert sorted(rig.account.pending) == [1]

        async def broken(real: Any, *args: Any) -> Any:
            raise StoreUnavailable("the disk is gone")

        rig.venue.spoil["cancel"] = broken
        with pytest.raises(StoreUnavailable):
            await rig.kernel.stop(flatten=True)
        exits = [args[0].symbol for name, args in rig.venue.calls if name == "place"]
        assert exits[-1] == SYMBOL
        rig.venue.spoil.clear()
        await rig.vertex()
        assert SYMBOL not in rig.session.state.holdings

    run(work())


def test_an_entry_that_may_yet_fill_is_named_at_the_end() -> None:
    async def work() -> None:
        rig = await Rig(CALM_BARS).start()

        async def silent(real: Any, symbol: str, name: str) -> Answer[Any]:
            return Answer(Outcome.UNKNOWN, name)

        rig.venue.spoil["cancel"] = silent
        assert await rig.kernel.stop(flatten=False) == (SYMBOL,)

    run(work())


def test_work_that_is_done_makes_room_for_the_next() -> None:
    async def work() -> None:
        at_work, done = AtWork(), []

        async def first() -> None:
            done.append("first")

        async def second() -> None:
            done.append("second")

        at_work.begin(0, first())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        at_work.begin(0, second())
        await at_work.wait()
        assert done == ["first", "second"]

    run(work())


def test_an_entry_that_found_no_room_to_be_sent_is_given_up() -> None:
    async def work() -> None:
        rig = Rig(CALM_BARS).by_clock()
        rig.kernel.context.at_work.begin(0, asyncio.sleep(0.8))
        await rig.start()
        await asyncio.sleep(0.4)
        await rig.look()
        assert [r.body["skipped"].reason for r in rig.records("skip")] == ["NOT_SENT"]
        assert not rig.account.pending

    run(work())


def test_an_exit_that_was_accepted_after_all_leaves_no_doubt() -> None:
    async def work() -> None:
        rig = await Rig(CALM_BARS).start()
        await rig.vertex()
        refused = False

        async def once(real: Any, ask: Any) -> Any:
            nonlocal refused
            if not refused:
                refused = True
                return Answer(Outcome.REJECTED, ask.client_id, code=-1001)
            return await real(ask)

        rig.venue.spoil["place"] = once
        await rig.kernel.exits.send(0, int(ExitReason.EMERGENCY))
        assert SYMBOL in rig.kernel.context.unsure
        await rig.kernel.exits.send(0, int(ExitReason.EMERGENCY))
        assert not rig.kernel.context.unsure

    run(work())


def test_an_order_that_could_not_be_cancelled_is_not_called_cancelled() -> None:
    async def work() -> None:
        rig = await Rig(CALM_BARS).start()
        await rig.vertex()
        for name in rig.ticket.resting():
            rig.ticket.roles.pop(name.client_id)
        rig.ticket.stop = rig.ticket.partial = rig.ticket.target = None

        async def silent(real: Any, symbol: str, name: str) -> Answer[Any]:
            return Answer(Outcome.UNKNOWN, name)

        rig.venue.spoil["cancel_trigger"] = silent
        await rig.kernel.reconcile()
        told = [r.body["text"] for r in rig.records("alarm") if "rests for no" in r.body["text"]]
        assert told
        assert not [text for text in told if text.endswith(": cancelled")]

    run(work())


def test_operators_are_heard_in_lockstep_too() -> None:
    async def work() -> None:
        rig = await Rig(CALM_BARS, candidates=()).start()
        heard: list[int] = []

        async def asked(after: int) -> tuple[Any, ...]:
            heard.append(after)
            return ()

        rig.kernel.parts = replace(rig.kernel.parts, requests=asked)
        await rig.bar()
        assert heard

    run(work())


def test_an_entry_that_fills_during_recovery_is_not_called_foreign() -> None:
    async def work() -> None:
        rig = await killed_while_sending()
        rig.by_clock()

        async def at_once(real: Any, ask: Any) -> Any:
            answer = await real(ask)
            await rig.parts.stepper.advance()
            return answer

        rig.venue.spoil["place"] = at_once
        await rig.start()
        assert rig.account.positions[0].book.qty == 10_000
        assert rig.ticket.stop is not None
        assert not rig.records("foreign")

    run(work())
