"""An error in one place stops neither the way out of others, nor the bars, nor the journal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from envs.core.types import ExitReason
from runtime.port_errors import StoreUnavailable
from runtime.port_values import Answer, Outcome
from tests.parity.faces import Kept
from tests.unit.runtime.exchange.cases import FLAT
from tests.unit.runtime.trading.desk import SYMBOL, Rig, run
from tests.unit.runtime.trading.scenes import CALM_BARS, OTHER, both, killed_while_sending, sold


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
        rig = await killed_while_sending()
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
