"""What is told of a position before its entry's fill: funding, and fills that close it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from envs.core.types import ExitReason
from runtime.exchange.commands import CloseExternally, Liquidate, Place
from runtime.exchange.orders import OrderRequest, OrderType, TimeInForce
from runtime.port_errors import StoreUnavailable, VenueUnavailable
from runtime.port_events import Filled, OrderChanged, VenueEvent
from runtime.port_values import Answer, Fill, IncomeRow, NewOrder, Outcome
from runtime.trading.wallet import Wallet
from tests.unit.runtime.trading.desk import PRICE, SYMBOL, Rig, bars_of, run
from tests.unit.runtime.trading.scenes import OTHER

CALM_BARS = bars_of(10_000, 10_000, 10_000, 10_000)
STAMP = {2: 1e-4}
"""Funding is settled at the open of the bar after the one in which the entry fills."""


def lose_entries(rig: Rig) -> None:
    """Neither the answer to an entry nor the stream tells what became of it; nor can one ask."""

    async def lost(real: Any, ask: NewOrder) -> Any:
        answer = await real(ask)
        return answer if ask.reduce_only else Answer(Outcome.UNKNOWN, ask.client_id, text="lost")

    async def silent(real: Any, name: str) -> Any:
        return Answer(Outcome.UNKNOWN, name)

    def deaf() -> tuple[VenueEvent, ...]:
        return tuple(e for e in rig.venue.real.take_events() if not _of_entry(e))

    rig.venue.spoil.update(place=lost, resolve=silent)
    rig.venue.take_events = deaf


def _of_entry(event: VenueEvent) -> bool:
    if isinstance(event, Filled):
        return event.fill.side > 0
    return isinstance(event, OrderChanged) and event.order.side > 0


async def unknown(bars: int = 2, stamps: dict[int, float] | None = STAMP) -> Rig:
    """The venue has a position, funded if so asked, of which the runtime does not know."""
    rig = Rig(CALM_BARS, stamps=stamps).by_clock()
    lose_entries(rig)
    await rig.start()
    for _ in range(bars):
        await rig.bar()
    assert rig.session.state.holdings[SYMBOL].book.qty == 10_000
    assert not rig.account.positions
    return rig


def wallet(rig: Rig) -> int:
    return int(rig.session.state.ledger.wallet_units)


def test_funding_waits_for_the_fill_of_an_entry_in_doubt() -> None:
    async def work() -> None:
        rig = await unknown()
        await rig.kernel.taking.catch_up()
        assert rig.session.state.holdings[SYMBOL].book.funding != 0
        assert not rig.records("funding")
        rig.venue.spoil.clear()
        await rig.look()
        held = rig.account.positions[0]
        assert held.book.funding == rig.session.state.holdings[SYMBOL].book.funding
        assert rig.records("funding")[0].body["entry"].decision_id == held.decision.decision_id
        await rig.session.submit(CloseExternally(SYMBOL))
        await rig.look()
        assert rig.kernel.trades[-1].net_units == wallet(rig) - rig.account.start_units
        assert rig.account.cash_units == wallet(rig)
        assert len(rig.records("funding")) == 1

    run(work())


def test_funding_that_waits_is_no_difference_of_the_wallet() -> None:
    async def work() -> None:
        rig = await unknown()
        waits = sum(row.units for row in rig.kernel.taking.early.values())
        assert waits == rig.session.state.holdings[SYMBOL].book.funding != 0
        rig.account.cash_units = wallet(rig) - waits
        compared = Wallet(rig.kernel.context, rig.kernel.taking)
        for _ in range(3):
            await compared.compare(await rig.venue.account(), at_start=False)
        assert rig.kernel.context.wallet_off == 0
        rig.account.cash_units -= 1
        for _ in range(3):
            await compared.compare(await rig.venue.account(), at_start=False)
        assert rig.kernel.context.wallet_off == 1

    run(work())


def test_funding_that_waited_is_cash_where_no_fill_comes() -> None:
    async def work() -> None:
        rig = await unknown()
        assert not rig.records("funding")
        rig.kernel.entering.drop(rig.ticket, "EXPIRED")
        await rig.kernel.taking.take()
        assert [r.body["entry"].decision_id for r in rig.records("funding")] == [""]

    run(work())


def test_funding_that_waited_is_found_again_after_a_restart() -> None:
    async def work() -> None:
        rig = await unknown()
        await rig.kernel._commit()
        await rig.again()
        held = rig.account.positions[0]
        assert held.book.funding == rig.session.state.holdings[SYMBOL].book.funding != 0
        assert rig.account.cash_units == wallet(rig)

    run(work())


@pytest.mark.parametrize(
    ("command", "reason"),
    [(CloseExternally, ExitReason.EXTERNAL), (Liquidate, ExitReason.LIQUIDATION)],
)
def test_what_closes_a_position_whose_entry_was_lost_asks_for_what_came_before(
    command: Any, reason: ExitReason
) -> None:
    async def work() -> None:
        rig = await unknown()

        async def known(real: Any, name: str) -> Any:
            return await real(name)

        # By its name alone an entry can be told from a position of somebody else.
        rig.venue.spoil["resolve"] = known
        await rig.session.submit(command(SYMBOL))
        await rig.kernel.taking.take()
        trade = rig.kernel.trades[-1]
        assert (trade.reason, trade.qty_steps) == (reason, 10_000)
        assert trade.net_units == wallet(rig) - rig.account.start_units
        assert rig.account.cash_units == wallet(rig)
        await rig.look()
        assert not rig.kernel.context.books.tickets

    run(work())


def test_a_closing_fill_is_kept_while_nobody_says_what_came_before() -> None:
    async def work() -> None:
        rig = await unknown(stamps=None)

        async def silent(real: Any, symbol: str, after: int) -> Any:
            raise VenueUnavailable("silent")

        rig.venue.spoil["fills_since"] = silent
        await rig.session.submit(CloseExternally(SYMBOL))
        with pytest.raises(VenueUnavailable):
            await rig.kernel.taking.take()
        rig.venue.spoil.clear()
        await rig.look()
        assert rig.kernel.trades[-1].qty_steps == 10_000
        assert rig.account.cash_units == wallet(rig)

    run(work())


def test_funding_of_a_trade_before_is_not_booked_on_the_next_one() -> None:
    async def work() -> None:
        rig = await Rig(CALM_BARS).start()
        await rig.vertex()
        held = rig.account.positions[0]
        early_ms = held.levels.entry_ns // 1_000_000 - 1
        rig.kernel.taking.income_ms = 0
        rig.kernel.taking.fund(IncomeRow(901, "FUNDING_FEE", SYMBOL, "USDT", -700, early_ms))
        assert held.book.funding == 0
        assert rig.records("funding")[-1].body["entry"].decision_id == ""

    run(work())


def late_history(rig: Rig, rows: int) -> list[int]:
    """The history of the wallet lacks its last rows; put 0 into what is returned to end it."""
    lacks = [rows]

    async def behind(real: Any, time_ms: int) -> Any:
        told = await real(time_ms)
        return told[: len(told) - lacks[0]]

    rig.venue.spoil["income_since"] = behind
    return lacks


def test_a_history_that_is_older_than_a_fill_does_not_tell_its_funding() -> None:
    async def work() -> None:
        rig = (await Rig(CALM_BARS, stamps=STAMP).start()).by_clock()
        await rig.bar()
        # Funding and the closing fill come one after the other; the history lacks both.
        lacks = late_history(rig, 100)
        await rig.parts.stepper.advance()
        await rig.session.submit(CloseExternally(SYMBOL))
        await rig.look()
        assert rig.account.positions
        lacks[0] = 0
        await rig.kernel.watch()
        trade = rig.kernel.trades[-1]
        assert trade.net_units == wallet(rig) - rig.account.start_units
        assert rig.records("funding")[0].body["entry"].decision_id == trade.decision_id

    run(work())


def test_a_history_that_stays_behind_is_asked_for_a_few_times_a_second_only() -> None:
    async def work() -> None:
        rig = (await Rig(CALM_BARS, stamps=None).start()).by_clock()
        await rig.bar()
        late_history(rig, 100)
        await rig.session.submit(CloseExternally(SYMBOL))
        for _ in range(50):
            await rig.kernel.taking.take()
        assert 1 < asked_for_income(rig) < 10
        rig.kernel.context.now_ns += 2_000_000_000
        before = asked_for_income(rig)
        for _ in range(5):
            await rig.kernel.taking.take()
        assert asked_for_income(rig) == before + 1

    run(work())


def asked_for_income(rig: Rig) -> int:
    return len([1 for name, _ in rig.venue.calls if name == "income_since"])


def test_a_history_that_stays_behind_holds_a_fill_for_a_while_only() -> None:
    async def work() -> None:
        rig = (await Rig(CALM_BARS, stamps=None).start()).by_clock()
        await rig.bar()
        late_history(rig, 100)
        await rig.session.submit(CloseExternally(SYMBOL))
        await rig.look()
        assert rig.account.positions
        await rig.kernel.monitor(rig.session.now_ns + 60_000_000_000, dict(rig.venue.quotes()))
        assert not rig.account.positions
        assert rig.account.cash_units == wallet(rig)

    run(work())


def test_one_question_is_enough_where_the_venue_is_silent() -> None:
    async def work() -> None:
        rig = (await Rig(CALM_BARS, stamps=STAMP).start()).by_clock()
        await rig.bar()
        asked = 0

        async def silent(real: Any, time_ms: int) -> Any:
            nonlocal asked
            asked += 1
            raise VenueUnavailable("silent")

        rig.venue.spoil["income_since"] = silent
        await rig.parts.stepper.advance()
        await rig.session.submit(CloseExternally(SYMBOL))
        await rig.kernel.taking.take()
        # Everybody else waits for the lock meanwhile.
        assert asked == 1

    run(work())


def test_fills_that_are_booked_already_ask_for_no_funding() -> None:
    async def work() -> None:
        rig = (await Rig(CALM_BARS).start()).by_clock()
        await rig.vertex()
        ask = OrderRequest("somebody", SYMBOL, -1, OrderType.MARKET, 4_000, 0, TimeInForce.GTC)
        await rig.session.submit(Place(ask))
        await rig.look()
        asked = asked_for_income(rig)
        await rig.kernel.entering.fetch(rig.ticket)
        assert rig.account.positions[0].book.qty == 6_000
        assert asked_for_income(rig) == asked

    run(work())


def test_who_asks_for_funding_keeps_nobody_from_booking() -> None:
    async def work() -> None:
        rig = Rig(CALM_BARS, more={OTHER: CALM_BARS}, candidates=(0,)).by_clock()
        await rig.start()
        await rig.vertex()
        answered = asyncio.Event()

        async def slow(real: Any, time_ms: int) -> Any:
            await answered.wait()
            return await real(time_ms)

        rig.venue.spoil["income_since"] = slow
        await rig.session.submit(CloseExternally(SYMBOL))
        asking = asyncio.create_task(rig.kernel.taking.take())
        await asyncio.sleep(0)
        p, books = rig.account.positions[1], rig.kernel.context.books
        more = Fill(
            90, 2, OTHER, 1, 1_000, PRICE, 0, 5, "USDT", 0, False, rig.session.now_ns // 1_000_000
        )
        async with asyncio.timeout(1.0):
            await rig.kernel.taking.take([Filled(more, books.tickets[1].entry_id)])
        assert p.book.qty == 11_000
        assert not asking.done()
        # A fill of the same contract waits for its turn, whoever asks for it.
        again = asyncio.create_task(
            rig.kernel.taking.take([Filled(f, "") for f in await rig.venue.fills_since(SYMBOL, 0)])
        )
        await asyncio.sleep(0)
        assert not again.done()
        answered.set()
        await asyncio.gather(asking, again)
        assert rig.kernel.trades[-1].symbol == SYMBOL

    run(work())


def test_a_fill_told_while_another_ones_funding_is_asked_for_survives_its_failure() -> None:
    async def work() -> None:
        rig = Rig(CALM_BARS, more={OTHER: CALM_BARS}, candidates=(0,)).by_clock()
        await rig.start()
        await rig.vertex()
        answered = asyncio.Event()

        async def slow(real: Any, time_ms: int) -> Any:
            await answered.wait()
            return await real(time_ms)

        async def broken(real: Any, name: str) -> Any:
            raise StoreUnavailable("the disk is gone")

        rig.venue.spoil.update(income_since=slow, resolve=broken)
        await rig.session.submit(CloseExternally(SYMBOL))
        asking = asyncio.create_task(rig.kernel.taking.take())
        await asyncio.sleep(0)
        await rig.session.submit(CloseExternally(OTHER))
        told = asyncio.create_task(rig.kernel.taking.take())
        await asyncio.sleep(0)
        answered.set()
        with pytest.raises(StoreUnavailable):
            await asking
        with contextlib.suppress(StoreUnavailable):
            await told
        rig.venue.spoil.clear()
        await rig.kernel.taking.take()
        assert sorted(t.symbol for t in rig.kernel.trades) == [SYMBOL, OTHER]
        assert rig.account.cash_units == wallet(rig)

    run(work())


def test_funding_told_while_one_asks_is_asked_for_too() -> None:
    async def work() -> None:
        rig = (await Rig(CALM_BARS, stamps=STAMP).start()).by_clock()
        await rig.bar()
        answered = asyncio.Event()

        async def slow(real: Any, time_ms: int) -> Any:
            told = await real(time_ms)
            await answered.wait()
            return told

        rig.venue.spoil["income_since"] = slow
        rig.kernel.taking._owes = True
        asking = asyncio.create_task(rig.kernel.taking.take())
        await asyncio.sleep(0)
        await rig.parts.stepper.advance()
        await rig.venue.real.wait(0.0)
        told = asyncio.create_task(rig.kernel.taking.take())
        await asyncio.sleep(0)
        answered.set()
        await asyncio.gather(asking, told)
        assert len(rig.records("funding")) == 1

    run(work())
