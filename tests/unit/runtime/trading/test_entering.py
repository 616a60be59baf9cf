"""Entries are sent once, and a doubt about one stops the contract, not the account."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.port_errors import StoreUnavailable, VenueRefused, VenueUnavailable
from runtime.port_values import Answer, NewOrder, Outcome
from tests.unit.runtime.trading.desk import SYMBOL, Rig, bars_of, run


@pytest.mark.parametrize(
    ("outcome", "code", "reason"),
    [(Outcome.REJECTED, -2019, "REJECTED -2019"), (Outcome.ABSENT, 0, "ABSENT")],
)
def test_a_definite_no_is_a_skip_with_its_reason(outcome: Outcome, code: int, reason: str) -> None:
    async def work() -> None:
        rig = Rig(bars_of(10_000, 10_000))

        async def no(real: Any, ask: NewOrder) -> Answer[Any]:
            return Answer(outcome, ask.client_id, code=code)

        rig.venue.spoil["place"] = no
        await rig.start()
        assert [r.body["skipped"].reason for r in rig.records("skip")] == [reason]
        assert not rig.account.pending
        assert not rig.kernel.context.books.tickets
        assert not rig.kernel.context.unsure

    run(work())


def test_an_unknown_outcome_blocks_the_contract_until_the_venue_says() -> None:
    async def work() -> None:
        rig = Rig(bars_of(10_000, 10_000, 10_000), candidates=(0, 1))

        async def lost(real: Any, ask: NewOrder) -> Answer[Any]:
            await real(ask)
            return Answer(Outcome.UNKNOWN, ask.client_id, text="no answer")

        async def silent(real: Any, name: str) -> Answer[Any]:
            return Answer(Outcome.UNKNOWN, name)

        rig.venue.spoil.update(place=lost, resolve=silent)
        await rig.start()
        assert rig.ticket.entry_doubt
        assert "BTCUSDT" in rig.kernel.context.unsure
        rig.venue.spoil.clear()
        await rig.vertex()
        # It had been sent: its fill is ours, counted once, and protected.
        assert rig.account.positions[0].book.qty == 10_000
        assert rig.ticket.stop is not None
        placed = [args for name, args in rig.venue.calls if name == "place"]
        assert len(placed) == 1

    run(work())


def test_an_entry_without_leverage_is_not_sent() -> None:
    async def work() -> None:
        rig = Rig(bars_of(10_000, 10_000))

        async def refused(real: Any, symbol: str, leverage: int) -> None:
            raise VenueRefused("not allowed")

        rig.venue.spoil["set_leverage"] = refused
        await rig.start()
        assert [r.body["skipped"].reason for r in rig.records("skip")] == ["LEVERAGE_NOT_SET"]
        assert not [name for name, _ in rig.venue.calls if name == "place"]

    run(work())


def test_nothing_is_sent_that_could_not_be_journalled() -> None:
    async def work() -> None:
        rig = Rig(bars_of(10_000, 10_000))

        async def full(state: Any = None) -> None:
            if any(r.kind == "decision" for r in rig.journal.records):
                raise StoreUnavailable("the disk is full: make room")

        rig.journal.commit = full  # type: ignore[method-assign]
        with pytest.raises(StoreUnavailable):
            await rig.start()
        assert not [name for name, _ in rig.venue.calls if name == "place"]
        assert not rig.account.pending
        assert not rig.kernel.context.books.tickets

    run(work())


def test_the_same_entry_is_never_sent_twice_over_a_restart() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_000, 10_000)).start()
        sent = rig.ticket.entry_id
        await rig.again()
        assert rig.ticket.entry_id == sent
        assert not [name for name, _ in rig.venue.calls if name == "place"]
        await rig.vertex()
        assert rig.account.positions[0].book.qty == 10_000

    run(work())


@pytest.mark.parametrize("by_clock", [False, True])
def test_an_entry_whose_intent_cannot_be_written_is_given_up(by_clock: bool) -> None:
    async def work() -> None:
        rig = Rig(bars_of(10_000, 10_000))
        if by_clock:
            rig.by_clock()

        async def full(real: Any, ask: NewOrder) -> Answer[Any]:
            raise StoreUnavailable("the disk is full: make room")

        rig.venue.spoil["place"] = full
        with pytest.raises(StoreUnavailable):
            await rig.start()
        await rig.look()
        assert [r.body["skipped"].reason for r in rig.records("skip")] == ["NOT_SENT"]
        assert not rig.account.pending
        assert not rig.kernel.context.books.tickets

    run(work())


def test_an_entry_that_broke_on_the_way_is_found_out() -> None:
    async def work() -> None:
        rig = Rig(bars_of(10_000, 10_000)).by_clock()

        async def broken(real: Any, ask: NewOrder) -> Answer[Any]:
            await real(ask)
            raise RuntimeError("in the middle")

        rig.venue.spoil["place"] = broken
        with pytest.raises(RuntimeError):
            await rig.start()
        assert rig.ticket.entry_doubt
        rig.venue.spoil.clear()
        await rig.vertex()
        assert rig.account.positions[0].book.qty == 10_000
        assert rig.ticket.stop is not None

    run(work())


def test_an_entry_the_journal_never_saw_was_never_sent() -> None:
    async def work() -> None:
        rig = Rig(bars_of(10_000, 10_000)).by_clock()

        async def broken(real: Any, ask: NewOrder) -> Answer[Any]:
            raise RuntimeError("before it was written")

        rig.venue.spoil["place"] = broken
        with pytest.raises(RuntimeError):
            await rig.start()
        await rig.look()
        assert [r.body["skipped"].reason for r in rig.records("skip")] == ["NOT_SENT"]
        assert not rig.account.pending

    run(work())


def test_an_entry_is_given_up_once_however_many_say_so() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_000, 10_000)).start()
        ticket = rig.ticket
        rig.kernel.entering.drop(ticket, "EXPIRED")
        rig.kernel.entering.drop(ticket, "EXPIRED")
        assert len(rig.records("skip")) == 1

    run(work())


def test_a_halt_by_hand_sends_no_market_order_for_a_limit_that_did_not_fill() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_000, 10_000, 10_000)).start()
        ticket = rig.ticket
        ticket.order = ticket.order._replace(style=1, unfilled_market=True)
        rig.kernel.parts.stop.halt("somebody", "looking into it", rig.session.now_ns)
        sent = len([1 for name, _ in rig.venue.calls if name == "place"])
        await rig.kernel.entering.judge_close(0)
        assert len([1 for name, _ in rig.venue.calls if name == "place"]) == sent
        assert [r.body["skipped"].reason for r in rig.records("skip")] == ["LAPSED"]

    run(work())


@pytest.mark.parametrize(("failures", "found"), [(2, True), (3, False)])
def test_fills_are_asked_for_again_at_once_and_not_for_ever(failures: int, found: bool) -> None:
    async def work() -> None:
        rig = Rig(bars_of(10_000, 10_000)).by_clock()
        await rig.start()
        rig.venue.take_events = lambda: ()
        await rig.parts.stepper.advance()
        rig.ticket.told = 10_000
        left = failures

        async def silent(real: Any, symbol: str, after: int) -> Any:
            nonlocal left
            left -= 1
            if left >= 0:
                raise VenueUnavailable("overloaded")
            return await real(symbol, after)

        rig.venue.spoil["fills_since"] = silent
        assert await rig.kernel.entering.fetch(rig.ticket) is found
        assert bool(rig.account.positions) is found

    run(work())


def test_a_question_for_fills_is_given_up_when_the_stream_tells_them() -> None:
    async def work() -> None:
        rig = Rig(bars_of(10_000, 10_000)).by_clock()
        await rig.start()
        held_back = rig.venue.take_events
        rig.venue.take_events = lambda: ()
        await rig.parts.stepper.advance()
        rig.ticket.told = 10_000

        async def never(real: Any, symbol: str, after: int) -> Any:
            await asyncio.sleep(60.0)

        rig.venue.spoil["fills_since"] = never
        asking = asyncio.create_task(rig.kernel.entering.fetch(rig.ticket))
        await asyncio.sleep(0)
        rig.venue.take_events = held_back
        await rig.kernel.taking.take()
        assert rig.account.positions
        assert await asking
        # Nor is it waited for where nothing tells them.
        rig.ticket.told = 20_000
        assert not await rig.kernel.entering.fetch(rig.ticket)

    run(work())


@pytest.mark.parametrize("half_told", [False, True], ids=["in doubt", "said to be open"])
def test_the_look_that_finds_an_entry_protects_what_it_filled(half_told: bool) -> None:
    async def work() -> None:
        rig = Rig(bars_of(10_000, 10_000)).by_clock()

        async def lost(real: Any, ask: NewOrder) -> Answer[Any]:
            answer: Answer[Any] = await real(ask)
            # At a close the order waits for the open, so it is open by its answer.
            return answer if half_told else Answer(Outcome.UNKNOWN, ask.client_id, text="lost")

        async def silent(real: Any, name: str) -> Answer[Any]:
            return Answer(Outcome.UNKNOWN, name)

        rig.venue.spoil.update(place=lost, resolve=silent)
        await rig.start()
        assert rig.ticket.entry_doubt
        rig.venue.take_events = lambda: ()
        await rig.parts.stepper.advance()
        rig.venue.spoil.clear()
        await rig.look()
        assert rig.session.state.open_algos(SYMBOL)

    run(work())
