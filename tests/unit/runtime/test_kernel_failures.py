"""An error in one place stops neither the way out of others, nor the bars, nor the journal."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from envs.core.types import ExitReason
from runtime.exchange.commands import Place
from runtime.exchange.orders import OrderRequest, OrderType, TimeInForce
from runtime.port_errors import StoreUnavailable, VenueRefused
from runtime.port_values import AccountModes, Answer, Outcome, SymbolMode
from runtime.trading.at_once import AtWork
from tests.parity.faces import Kept
from tests.unit.runtime.exchange.cases import FLAT
from tests.unit.runtime.trading.desk import SYMBOL, Rig, bars_of, run

OTHER = "ETHUSDT"
CALM_BARS = bars_of(10_000, 10_000, 10_000, 10_000, 10_000)


async def both(candidates: tuple[int, ...] = (0,)) -> Rig:
    """Positions in two contracts, protected."""
    rig = await Rig(CALM_BARS, more={OTHER: CALM_BARS}, candidates=candidates).start()
    await rig.vertex()
    assert sorted(rig.account.positions) == [0, 1]
    return rig


async def sold(rig: Rig, symbol: str, qty: int) -> None:
    """Somebody else sells at market."""
    ask = OrderRequest("somebody", symbol, -1, OrderType.MARKET, qty, 0, TimeInForce.GTC)
    await rig.session.submit(Place(ask))


@pytest.mark.parametrize("by_clock", [False, True])
def test_an_error_in_one_contract_keeps_no_other_from_being_closed(by_clock: bool) -> None:
    async def work() -> None:
        rig = await both()
        if by_clock:
            rig.by_clock()

        async def broken(real: Any, name: Any, *more: Any) -> Any:
            ask = more[-1] if more else name
            if getattr(ask, "symbol", name) == SYMBOL:
                raise RuntimeError("a bug in the way of one contract")
            return await real(name, *more)

        for name in ("place", "place_trigger", "replace_trigger"):
            rig.venue.spoil[name] = broken
        rig.ticket.stop = None
        rig.kernel.parts.stop.trip(3, "OPERATOR", rig.session.now_ns, "test")
        go_on = rig.look if by_clock else rig.vertex
        with pytest.raises(RuntimeError):
            await go_on()
        assert OTHER not in rig.session.state.holdings
        rig.venue.spoil.clear()
        await rig.look()
        assert not rig.session.state.holdings

    run(work())


def test_a_position_that_closes_meanwhile_is_no_error() -> None:
    async def work() -> None:
        rig = await both()

        async def meanwhile(real: Any, ask: Any) -> Any:
            answer = await real(ask)
            if ask.symbol == SYMBOL:
                await sold(rig, OTHER, rig.session.state.holdings[OTHER].book.qty)
            return answer

        rig.venue.spoil["place"] = meanwhile
        rig.kernel.parts.stop.trip(3, "OPERATOR", rig.session.now_ns, "test")
        await rig.look()
        await rig.look()
        assert not rig.session.state.holdings
        assert {t.reason for t in rig.kernel.trades} == {
            ExitReason.EMERGENCY, ExitReason.EXTERNAL,
        }  # fmt: skip

    run(work())


def test_a_time_exit_survives_a_position_that_closes_meanwhile() -> None:
    async def work() -> None:
        rig = await both()
        rig.by_clock()
        for p in rig.account.positions.values():
            p.levels = p.levels._replace(time_ns=1, entry_ns=p.levels.entry_ns - 10**18)

        async def meanwhile(real: Any, ask: Any) -> Any:
            answer = await real(ask)
            held = rig.session.state.holdings.get(OTHER)
            if ask.symbol == SYMBOL and held is not None:
                await sold(rig, OTHER, held.book.qty)
            return answer

        rig.venue.spoil["place"] = meanwhile
        await rig.kernel.watcher.look(3, dict(rig.venue.quotes()), stepped=False)
        assert not rig.session.state.holdings

    run(work())


def test_a_resting_entry_is_cancelled_until_it_is_gone() -> None:
    async def work() -> None:
        rig = await Rig(CALM_BARS).start()
        assert rig.account.pending
        rig.by_clock()

        async def silent(real: Any, *args: Any) -> Answer[Any]:
            return Answer(Outcome.UNKNOWN, args[-1])

        rig.venue.spoil["cancel"] = silent
        rig.kernel.parts.stop.trip(2, "OPERATOR", rig.session.now_ns, "test")
        await rig.look()
        assert rig.account.pending
        rig.venue.spoil.clear()
        await rig.look()
        assert not rig.account.pending
        assert [r.body["skipped"].reason for r in rig.records("skip")] == ["GATE_REDUCING"]

    run(work())


def test_a_contract_without_a_price_is_closed_all_the_same() -> None:
    async def work() -> None:
        rig = await both()
        rig._begin()
        await rig.venue.open()
        await rig.kernel.start()
        rig.by_clock()
        rig.kernel.parts.stop.trip(3, "OPERATOR", rig.session.now_ns, "test")
        await rig.kernel.monitor(rig.session.now_ns, {})
        assert not rig.session.state.holdings

    run(work())


def test_nothing_is_decided_while_what_is_held_has_no_price() -> None:
    async def work() -> None:
        bars = [FLAT, *CALM_BARS]
        rig = Rig(bars, more={OTHER: bars}, candidates=(0, 1))
        tape = rig.kernel.parts.signals.tape
        tape.candidate[0, 1] = False
        await rig.start()

        async def broken() -> None:
            raise RuntimeError("the models")

        rig.kernel.parts.signals.vote = broken  # type: ignore[method-assign]
        with pytest.raises(RuntimeError):
            await rig.bar()
        assert sorted(rig.account.positions) == [0]
        rig._begin()
        await rig.venue.open()
        await rig.kernel.start()
        last = rig.records("decision")[-1].body["decision"]
        assert (last.symbol, last.reason) == (OTHER, "MARK_UNKNOWN")
        assert last.chosen is None

    run(work())


def test_operators_who_cannot_be_heard_do_not_stop_the_monitor() -> None:
    async def work() -> None:
        rig = await Rig(CALM_BARS).start()

        async def gone(after: int) -> Any:
            raise StoreUnavailable("the database is gone")

        rig.kernel.parts = replace(rig.kernel.parts, requests=gone)
        step = await rig.parts.stepper.advance()
        with pytest.raises(StoreUnavailable):
            await rig.kernel.monitor(step.now_ns, dict(step.quotes))
        assert rig.ticket.stop is not None

    run(work())


def test_a_bar_is_taken_in_though_the_look_before_it_failed() -> None:
    async def work() -> None:
        rig = await Rig(CALM_BARS, candidates=(0, 1)).start()
        rig.by_clock()
        while (step := await rig.parts.stepper.advance()).index != 3:
            await rig.kernel.monitor(step.now_ns, dict(step.quotes))
        row, decided = rig.kernel.parts.signals.row, len(rig.records("decision"))

        async def broken(*args: Any, **more: Any) -> None:
            raise RuntimeError("a bug")

        rig.kernel.watcher.look = broken  # type: ignore[method-assign]
        with pytest.raises(RuntimeError):
            await rig.kernel.on_close(step.now_ns, (), quotes=dict(step.quotes))
        assert rig.kernel.parts.signals.row == row + 1
        assert len(rig.records("bar")) == 1
        assert len(rig.records("decision")) == decided, "no entry in a cycle that failed"

    run(work())


def test_what_is_told_while_a_commit_is_under_way_is_committed_too() -> None:
    async def work() -> None:
        rig = await Rig(CALM_BARS).start()
        kernel, journal = rig.kernel, rig.journal

        async def slow(state: Any = None) -> None:
            await Kept.commit(journal, state)
            if not told:
                told.append(1)
                kernel.context.alarm("x", "meanwhile")

        told: list[int] = []
        journal.commit = slow  # type: ignore[method-assign]
        kernel.context.dirty = True
        await kernel._commit()
        assert kernel.context.dirty

    run(work())


def test_a_stop_that_tripped_meanwhile_holds_back_an_entry_not_sent_yet() -> None:
    async def work() -> None:
        rig = Rig(CALM_BARS)

        async def killed(real: Any, ask: Any) -> Any:
            raise asyncio.CancelledError

        rig.venue.spoil["place"] = killed
        with pytest.raises(asyncio.CancelledError):
            await rig.start()
        rig._begin()
        stop = rig.kernel.parts.stop
        rig.kernel.parts = replace(rig.kernel.parts, requests=None)
        restore = stop.restore

        def braked(*args: Any, **more: Any) -> None:
            restore(*args, **more)
            stop.trip(2, "EMERGENCY_BRAKE", rig.session.now_ns)

        stop.restore = braked  # type: ignore[method-assign]
        await rig.start()
        assert not [name for name, _ in rig.venue.calls if name == "place"]
        assert [r.body["skipped"].reason for r in rig.records("skip")] == ["GATE_REDUCING"]

    run(work())


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
        rig = Rig(CALM_BARS)

        async def killed(real: Any, ask: Any) -> Any:
            raise asyncio.CancelledError

        rig.venue.spoil["place"] = killed
        with pytest.raises(asyncio.CancelledError):
            await rig.start()
        rig._begin()
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
