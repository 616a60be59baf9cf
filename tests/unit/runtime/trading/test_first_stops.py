"""First aid: what a crash left without a stop gets one before anything else is loaded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from envs.core.types import ExitReason
from runtime.exchange.commands import CancelAlgo, Place
from runtime.exchange.orders import OrderRequest, OrderType, TimeInForce
from runtime.port_errors import StoreUnavailable
from runtime.port_values import AccountView, Answer, NewTrigger
from runtime.trading.first_stops import first_stops
from tests.unit.runtime.trading.desk import PRICE, SYMBOL, Rig, bars_of, run
from tests.unit.runtime.trading.scenes import CALM_BARS, both

FALLING = bars_of(10_000, 9_700, 9_700, 9_700)


async def died_after_its_entry(bars: Any = CALM_BARS) -> Rig:
    """The entry was journalled and sent, and filled at the venue when nobody lived any more."""
    rig = await Rig(bars).start()
    await rig.parts.stepper.advance()
    assert rig.session.state.holdings[SYMBOL].book.qty == 10_000
    return await new_process(rig)


async def new_process(rig: Rig) -> Rig:
    """A process that has opened the venue, and nothing else yet."""
    rig._begin()
    await rig.venue.open()
    return rig


async def aid(rig: Rig) -> tuple[str, ...]:
    return await first_stops(rig.journal.states[-1]["books"], rig.venue, rig.store)


def stops_of(rig: Rig, symbol: str = SYMBOL) -> list[tuple[str, int, int]]:
    """Name, trigger and quantity of the stops that rest at the exchange."""
    algos = rig.session.state.open_algos(symbol)
    return [
        (a.client_id, a.trigger_ticks, a.qty_steps)
        for a in algos
        if a.type is OrderType.STOP_MARKET
    ]


async def without_stop(rig: Rig) -> str:
    """Somebody cancelled the stop; its name."""
    [(name, _, _)] = stops_of(rig)
    await rig.session.submit(CancelAlgo(SYMBOL, client_id=name))
    return name


def test_an_entry_that_filled_at_the_moment_of_death_gets_its_stop() -> None:
    async def work() -> None:
        rig = await died_after_its_entry()
        assert await aid(rig) == (SYMBOL,)
        [(name, level, qty)] = stops_of(rig)
        assert (level, qty) == (PRICE - 150, 10_000)
        # The recovery finds it, and neither replaces it nor places another.
        await rig.kernel.start(dict(rig.venue.quotes()))
        assert stops_of(rig) == [(name, PRICE - 150, 10_000)]
        assert rig.ticket.stop is not None
        assert rig.ticket.stop.client_id == name

    run(work())


def test_a_stop_that_rests_is_left_alone() -> None:
    async def work() -> None:
        rig = await new_process(await both())
        before = stops_of(rig)
        assert await aid(rig) == ()
        assert stops_of(rig) == before
        assert not [name for name, _ in rig.venue.calls if name == "place_trigger"]

    run(work())


def test_a_stop_that_vanished_comes_back_where_the_guard_has_it_under_a_new_name() -> None:
    async def work() -> None:
        rig = await Rig(CALM_BARS).start()
        await rig.vertex()
        p = rig.account.positions[0]
        p.guard = p.guard._replace(stop=PRICE - 40)
        await rig.kernel.monitor(rig.session.now_ns, {})
        old = await without_stop(rig)
        await new_process(rig)
        assert await aid(rig) == (SYMBOL,)
        [(name, level, qty)] = stops_of(rig)
        assert (level, qty) == (PRICE - 40, 10_000)
        assert name != old

    run(work())


def test_a_stop_for_less_than_the_position_does_not_cover_it() -> None:
    async def work() -> None:
        rig = await died_after_its_entry()
        await rig.venue.place_trigger(NewTrigger("qt-s-" + "0" * 24 + "-0", SYMBOL, -1, 10, 9_000))
        assert await aid(rig) == (SYMBOL,)
        assert sorted(qty for _, _, qty in stops_of(rig)) == [10, 10_000]

    run(work())


def test_a_price_beyond_the_stop_means_out_and_the_trade_says_why() -> None:
    async def work() -> None:
        rig = await died_after_its_entry(FALLING)
        while rig.session.state.quotes[SYMBOL].last_ticks > PRICE - 200:
            await rig.parts.stepper.advance()
        await new_process(rig)
        assert await aid(rig) == (SYMBOL,)
        assert not rig.session.state.holdings
        await rig.kernel.start(dict(rig.venue.quotes()))
        [trade] = rig.kernel.trades
        assert trade.reason is ExitReason.STOP

    run(work())


def test_a_position_of_others_is_nobodys_business_here() -> None:
    async def work() -> None:
        rig = await Rig(CALM_BARS, candidates=()).start()
        ask = OrderRequest("somebody", SYMBOL, 1, OrderType.MARKET, 10, 0, TimeInForce.GTC)
        await rig.parts.stepper.advance()
        await rig.session.submit(Place(ask))
        assert await aid(await new_process(rig)) == ()
        assert not stops_of(rig)

    run(work())


@pytest.mark.parametrize("silent", [2, 3])
def test_stops_that_are_not_listed_are_asked_for_again(silent: int) -> None:
    async def work() -> None:
        rig, left = await died_after_its_entry(), [silent]

        async def spoilt(real: Any) -> AccountView:
            view: AccountView = await real()
            left[0] -= 1
            return replace(view, triggers=None) if left[0] >= 0 else view

        rig.venue.spoil["account"] = spoilt
        assert await aid(rig) == (() if silent == 3 else (SYMBOL,))

    run(work())


def test_a_journal_that_cannot_be_written_does_not_end_the_start() -> None:
    async def work() -> None:
        rig = await died_after_its_entry()

        async def spoilt(real: Any, ask: NewTrigger) -> Answer[Any]:
            raise StoreUnavailable("locked")

        rig.venue.spoil["place_trigger"] = spoilt
        assert await aid(rig) == ()
        assert not stops_of(rig)

    run(work())


def test_a_name_that_a_former_life_used_is_not_used_again() -> None:
    async def work() -> None:
        rig = await died_after_its_entry()
        assert await aid(rig) == (SYMBOL,)
        old = await without_stop(rig)
        # That life died before its next commit: the books know nothing of it.
        assert await aid(await new_process(rig)) == (SYMBOL,)
        [(name, _, _)] = stops_of(rig)
        assert name != old

    run(work())


def test_a_position_of_the_other_side_is_not_what_the_ticket_bought() -> None:
    async def work() -> None:
        rig = await died_after_its_entry()
        ask = OrderRequest("somebody", SYMBOL, -1, OrderType.MARKET, 20_000, 0, TimeInForce.GTC)
        await rig.session.submit(Place(ask))
        assert rig.session.state.holdings[SYMBOL].side == -1
        assert await aid(rig) == ()
        assert not stops_of(rig)

    run(work())
