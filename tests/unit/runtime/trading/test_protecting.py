"""A position is protected from its fill on, whatever the venue answers."""

from __future__ import annotations

from typing import Any

import pytest

from envs.core.types import ExitReason
from runtime.exchange.commands import CancelAlgo
from runtime.exchange.errors import WOULD_TRIGGER
from runtime.port_errors import StoreUnavailable
from runtime.port_values import Advice, Answer, NewTrigger, Outcome, Purpose, Replaced
from tests.unit.runtime.trading.desk import PRICE, Rig, bars_of, run, spoil_once


def refusal(ask: NewTrigger, code: int = -1001, advice: Advice = Advice.NONE) -> Answer[Any]:
    return Answer(Outcome.REJECTED, ask.client_id, code=code, text="no", advice=advice)


def stops_of(rig: Rig) -> list[int]:
    """Triggers of the stops that rest at the exchange."""
    algos = rig.session.state.open_algos("BTCUSDT")
    return [a.trigger_ticks for a in algos if a.type.value == "STOP_MARKET"]


def test_stop_partial_and_target_rest_from_the_fill_on() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_000, 10_000)).start()
        await rig.vertex()
        assert stops_of(rig) == [PRICE - 150]
        ticket = rig.ticket
        assert ticket.partial is not None
        assert ticket.target is not None
        assert ticket.partial.level == PRICE + 300
        assert ticket.partial.qty == 5_000
        assert ticket.target.level == PRICE + 375
        assert ticket.target.qty == 5_000
        names = [name for name, _ in rig.venue.calls if name == "place_trigger"]
        first = next(args[0] for name, args in rig.venue.calls if name == "place_trigger")
        assert first.purpose is Purpose.STOP
        assert len(names) == 3

    run(work())


def test_a_stop_refused_once_is_placed_a_little_further_away() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_000, 10_000)).start()
        rig.venue.spoil["place_trigger"] = spoil_once(refusal)
        await rig.vertex()
        assert stops_of(rig) == [PRICE - 150 - 5]
        assert rig.ticket.stop is not None
        assert rig.ticket.bare_ns == 0
        # The next look finds that the guard wants another level, and moves it there.
        await rig.vertex()
        assert stops_of(rig) == [PRICE - 150]

    run(work())


def test_a_stop_refused_twice_closes_the_position_and_raises_the_emergency_stop() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_000, 10_000)).start()

        async def never(real: Any, ask: NewTrigger) -> Answer[Any]:
            return refusal(ask)

        rig.venue.spoil["place_trigger"] = never
        await rig.vertex()
        assert not rig.session.state.holdings
        assert rig.kernel.trades[-1].reason is ExitReason.EMERGENCY
        assert any("no stop could be placed" in r.body["text"] for r in rig.records("alarm"))

    run(work())


def test_a_stop_the_price_has_passed_already_is_an_exit_for_its_own_reason() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_000, 10_000)).start()

        async def passed(real: Any, ask: NewTrigger) -> Answer[Any]:
            return refusal(ask, WOULD_TRIGGER, Advice.EXIT_NOW)

        rig.venue.spoil["place_trigger"] = passed
        await rig.vertex()
        assert rig.kernel.trades[-1].reason is ExitReason.STOP
        assert not rig.session.state.holdings

    run(work())


def test_the_next_stop_rests_before_the_last_one_goes() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_250, 10_260, reach=0)).start()
        seen: list[int] = []

        async def counted(real: Any, old: str, new: NewTrigger) -> Replaced:
            placed = await rig.venue.real.place_trigger(new)
            seen.append(len(stops_of(rig)))
            gone = await rig.venue.real.cancel_trigger(new.symbol, old)
            return Replaced(placed, gone)

        rig.venue.spoil["replace_trigger"] = counted
        await rig.bar()
        # One R was reached at the close: the stop stands at break-even now.
        assert seen == [2]
        assert len(stops_of(rig)) == 1
        assert stops_of(rig)[0] > PRICE
        assert next(level for _, level in rig.ticket.stops) == PRICE - 150

    run(work())


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.ABSENT])
def test_a_replacement_without_an_answer_leaves_the_old_stop_alone(outcome: Outcome) -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_250, 10_260, reach=0)).start()

        async def lost(real: Any, old: str, new: NewTrigger) -> Replaced:
            return Replaced(Answer(outcome, new.client_id), None)

        rig.venue.spoil["replace_trigger"] = lost
        await rig.bar()
        assert stops_of(rig) == [PRICE - 150]
        del rig.venue.spoil["replace_trigger"]
        await rig.vertex()
        assert len(stops_of(rig)) == 1
        assert stops_of(rig)[0] > PRICE

    run(work())


def test_after_a_partial_exit_the_stop_covers_the_rest_alone() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_310, 10_320, reach=0)).start()
        await rig.bar()
        algos = [a for a in rig.session.state.open_algos("BTCUSDT") if "STOP" in a.type.value]
        assert rig.account.positions[0].book.qty == 5_000
        assert [a.qty_steps for a in algos] == [5_000]
        assert rig.account.positions[0].legs[0].reason is ExitReason.PARTIAL

    run(work())


def test_nothing_rests_for_a_position_that_is_gone() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(9_800, 9_800)).start()
        await rig.bar()
        assert rig.kernel.trades[-1].reason is ExitReason.STOP
        assert not rig.session.state.open_algos("BTCUSDT")
        assert not rig.kernel.context.books.tickets

    run(work())


def test_a_stop_covers_what_was_filled_while_it_was_being_placed() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_000, 10_000)).start()
        books, grown = rig.kernel.context.books, False

        async def slow(real: Any, ask: NewTrigger) -> Answer[Any]:
            nonlocal grown
            answer = await real(ask)
            if not grown:
                grown = True
                p = rig.account.positions[0]
                p.book = p.book._replace(qty=p.book.qty + 500)
            return answer

        rig.venue.spoil["place_trigger"] = slow
        await rig.vertex()
        assert rig.ticket.stop is not None
        assert rig.ticket.stop.qty == 10_000, "what was asked for, not what is wanted by now"
        await rig.kernel.protecting.ensure(0)
        placed = [a.qty_steps for a in rig.session.state.open_algos("BTCUSDT") if "STOP" in a.type]
        assert placed == [10_500]
        assert books.tickets[0].stop is not None

    run(work())


def test_stops_in_doubt_stay_while_there_is_no_other() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_000, 10_000)).start()

        async def lost(real: Any, ask: Any) -> Answer[Any]:
            await real(ask)
            return Answer(Outcome.UNKNOWN, ask.client_id)

        async def never(real: Any, ask: Any) -> Answer[Any]:
            return Answer(Outcome.UNKNOWN, ask.client_id)

        rig.venue.spoil.update(place_trigger=lost, place=never)
        await rig.vertex()
        # Neither a confirmed stop nor an exit: what may rest is all that protects.
        assert rig.account.positions
        assert stops_of(rig)
        rig.venue.spoil.clear()
        await rig.vertex()
        assert not rig.session.state.holdings
        assert not stops_of(rig)

    run(work())


def test_a_target_that_somebody_cancelled_is_placed_again() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_000, 10_000, 10_000)).start()
        await rig.vertex()
        target = rig.ticket.target
        assert target is not None
        await rig.session.submit(CancelAlgo(client_id=target.client_id))
        await rig.vertex()
        again = rig.ticket.target
        assert again is not None
        assert again.client_id != target.client_id
        resting = [a for a in rig.session.state.open_algos("BTCUSDT") if "PROFIT" in a.type]
        assert sorted(a.trigger_ticks for a in resting) == [PRICE + 300, PRICE + 375]

    run(work())


def test_a_stop_that_could_not_be_written_down_is_looked_for_at_the_venue() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_000, 10_000)).start()

        async def unwritten(real: Any, ask: NewTrigger) -> Answer[Any]:
            await real(ask)
            raise StoreUnavailable("the disk is full")

        rig.venue.spoil["place_trigger"] = unwritten
        await rig.vertex()
        assert stops_of(rig) == [PRICE - 150]
        assert rig.ticket.stop is not None
        assert rig.account.positions

    run(work())


def test_targets_wait_until_all_that_was_filled_is_booked() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_000, 10_000)).start()
        rig.ticket.told = 12_000
        await rig.vertex()
        assert rig.ticket.stop is not None
        assert rig.ticket.target is None

    run(work())
