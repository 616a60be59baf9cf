"""What the venue told is booked once, in its order, whatever fails on the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from envs.core.errors import FixInput
from envs.core.events import EntryKind
from envs.core.types import ExitReason
from runtime.exchange.commands import Place
from runtime.exchange.orders import OrderRequest, OrderType, TimeInForce
from runtime.port_errors import StoreUnavailable, VenueRefused, VenueUnavailable
from runtime.port_events import Filled
from runtime.port_values import Fill, IncomeRow
from tests.unit.runtime.trading.desk import PRICE, SYMBOL, Rig, bars_of, run

CALM_BARS = bars_of(10_000, 10_000, 10_000)


async def held() -> Rig:
    """A position that was entered and is protected."""
    rig = await Rig(CALM_BARS).start()
    await rig.vertex()
    assert rig.account.positions
    return rig


async def sold(rig: Rig, qty: int, name: str = "somebody") -> None:
    """Somebody else sells some of it at market."""
    request = OrderRequest(name, SYMBOL, -1, OrderType.MARKET, qty, 0, TimeInForce.GTC)
    await rig.session.submit(Place(request))


def wallet(rig: Rig) -> int:
    """Cash as the exchange has it."""
    return int(rig.session.state.ledger.wallet_units)


def test_a_fill_survives_a_journal_that_cannot_say_what_it_was_for() -> None:
    async def work() -> None:
        rig = await held()
        failing = True

        async def broken(real: Any, name: str) -> Any:
            if failing:
                raise StoreUnavailable("the disk is gone")
            return await real(name)

        rig.venue.spoil["resolve"] = broken
        await sold(rig, 10_000)
        with pytest.raises(StoreUnavailable):
            await rig.kernel.taking.take()
        failing = False
        await rig.kernel.taking.take()
        assert rig.kernel.trades[-1].reason is ExitReason.EXTERNAL
        assert rig.account.cash_units == wallet(rig)

    run(work())


def test_a_fill_is_booked_where_the_journal_has_no_intent_to_ask_for() -> None:
    async def work() -> None:
        rig = await held()

        async def unknown(real: Any, name: str) -> Any:
            raise FixInput(f"client id {name}: no intent in the journal")

        rig.venue.spoil["resolve"] = unknown
        await sold(rig, 10_000)
        await rig.kernel.taking.take()
        assert not rig.account.positions
        assert rig.account.cash_units == wallet(rig)

    run(work())


@pytest.mark.parametrize("error", [VenueUnavailable("silent"), VenueRefused("-2015")])
def test_fills_wait_in_their_order_for_the_funding_before_them(error: Exception) -> None:
    async def work() -> None:
        rig = await held()
        asked = 0

        async def silent_once(real: Any, time_ms: int) -> Any:
            nonlocal asked
            asked += 1
            if asked == 1:
                raise error
            return await real(time_ms)

        rig.venue.spoil["income_since"] = silent_once
        await sold(rig, 4_000, "first")
        await sold(rig, 6_000, "second")
        await rig.kernel.taking.take()
        assert rig.account.positions[0].book.qty == 10_000
        await rig.kernel.taking.take()
        assert [leg.qty_steps for leg in rig.kernel.trades[-1].legs] == [4_000, 6_000]
        assert rig.account.cash_units == wallet(rig)

    run(work())


def row_of(number: int, units: int, time_ms: int) -> IncomeRow:
    """Funding of the one contract."""
    return IncomeRow(number, "FUNDING_FEE", SYMBOL, "USDT", units, time_ms)


def test_funding_of_nothing_is_not_told_as_something_else() -> None:
    async def work() -> None:
        rig = await held()
        now_ms = rig.session.now_ns // 1_000_000
        rig.kernel.taking.fund(row_of(901, 0, now_ms))
        assert not rig.records("funding")
        rig.account.ledger.clear()
        rig.kernel.taking.fund(row_of(902, 0, now_ms))
        assert not rig.records("funding")

    run(work())


def test_funding_told_after_its_position_closed_is_cash_all_the_same() -> None:
    async def work() -> None:
        rig = await Rig(CALM_BARS, candidates=()).start()
        before = rig.account.cash_units
        rig.kernel.taking.fund(row_of(901, -700, rig.session.now_ns // 1_000_000))
        assert rig.account.cash_units == before - 700
        assert rig.account.ledger[-1].kind is EntryKind.FUNDING
        assert "without a position" in rig.records("alarm")[-1].body["text"]

    run(work())


def test_a_funding_row_told_late_is_booked_though_a_later_one_was() -> None:
    async def work() -> None:
        rig = await held()
        now_ms = rig.session.now_ns // 1_000_000 + 60_000
        rows = [row_of(902, -20, now_ms)]

        async def known(real: Any, time_ms: int) -> Any:
            return tuple(r for r in rows if r.time_ms >= time_ms)

        rig.venue.spoil["income_since"] = known
        await rig.kernel.taking.catch_up()
        rows.insert(0, row_of(901, -10, now_ms - 3))
        await rig.kernel.taking.catch_up()
        assert [r.body["entry"].units for r in rig.records("funding")] == [-20, -10]
        await rig.kernel._commit()
        await rig.again()
        rig.venue.spoil["income_since"] = known
        await rig.kernel.taking.catch_up()
        assert len(rig.records("funding")) == 2

    run(work())


def test_what_is_remembered_of_funding_does_not_grow_for_ever() -> None:
    async def work() -> None:
        rig = await held()
        taking, hour = rig.kernel.taking, 3_600_000
        for k in range(500):
            taking.fund(row_of(1_000 + k, -1, rig.session.now_ns // 1_000_000 + k * 8 * hour))
        assert len(taking.income_ids) < 10

    run(work())


def test_a_fee_paid_in_another_asset_is_no_cash() -> None:
    async def work() -> None:
        rig = await held()
        cash = rig.account.cash_units
        fill = Fill(
            999, 77, SYMBOL, -1, 10_000, PRICE, 0, 123_456_789, "BNB", 0, False,
            rig.session.now_ns // 1_000_000,
        )  # fmt: skip
        await rig.kernel.taking.take([Filled(fill, "somebody")])
        assert rig.account.cash_units == cash
        assert any("BNB" in r.body["text"] for r in rig.records("alarm"))

    run(work())


def test_fills_asked_for_are_those_since_the_contract_was_flat() -> None:
    async def work() -> None:
        rig = await held()
        books, asked = rig.kernel.context.books, []
        floor = books.floor[SYMBOL]

        async def noted(real: Any, symbol: str, after: int) -> Any:
            asked.append(after)
            return await real(symbol, after)

        # The stream told the later of two fills and lost the earlier one.
        books.seen[SYMBOL].add(floor + 7)
        rig.venue.spoil["fills_since"] = noted
        await rig.kernel.entering.fetch(rig.ticket)
        assert asked == [floor]

    run(work())


def test_more_of_a_position_never_loosens_its_stop_nor_forgets_its_exit() -> None:
    async def work() -> None:
        rig = await held()
        p = rig.account.positions[0]
        p.guard = p.guard._replace(stop=PRICE + 10, stop_kind=3, peak=PRICE + 200, order=7)
        more = Fill(
            50, 2, SYMBOL, 1, 1_000, PRICE, 0, 5, "USDT", 0, False,
            rig.session.now_ns // 1_000_000,
        )  # fmt: skip
        again = rig.kernel.context.books.open(0, replace(more), rig.data, 0.0)
        assert again.guard.stop == PRICE + 10
        assert again.guard.stop_kind == 3
        assert again.guard.peak == PRICE + 200
        assert again.guard.order == 7

    run(work())


def test_fills_of_contracts_that_are_not_traded_are_nobodys_business() -> None:
    async def work() -> None:
        rig = await held()
        fill = Fill(5, 5, "XRPUSDT", 1, 10, 10, 0, 7, "USDT", 0, False, 1_577_840_500_000)
        cash = rig.account.cash_units
        await rig.kernel.taking.take([Filled(fill, "somebody")])
        await sold(rig, 10_000)
        await rig.kernel.taking.take()
        assert rig.kernel.trades
        assert cash != rig.account.cash_units == wallet(rig)

    run(work())


def test_more_closed_than_is_booked_means_that_a_fill_was_missed() -> None:
    async def work() -> None:
        rig = await held()
        now_ms, cash = rig.session.now_ns // 1_000_000, rig.account.cash_units
        rig.ticket.roles["child:77"] = "entry"
        lost = Fill(8, 77, SYMBOL, 1, 1_000, PRICE, 0, 30, "USDT", 0, False, now_ms)
        sold_ = Fill(9, 78, SYMBOL, -1, 11_000, PRICE, 0, 50, "USDT", 0, False, now_ms)

        async def all_of_them(real: Any, symbol: str, after: int) -> Any:
            return (lost, sold_)

        rig.venue.spoil["fills_since"] = all_of_them
        await rig.kernel.taking.take([Filled(sold_, "somebody")])
        assert rig.account.cash_units == cash - 80
        assert rig.kernel.trades[-1].qty_steps == 11_000

    run(work())


def test_a_fill_that_waits_is_kept_once_however_often_it_is_told() -> None:
    async def work() -> None:
        rig = await held()

        async def silent(real: Any, time_ms: int) -> Any:
            raise VenueUnavailable("silent")

        rig.venue.spoil["income_since"] = silent
        await sold(rig, 4_000)
        fills = await rig.venue.fills_since(SYMBOL, 0)
        for _ in range(5):
            await rig.kernel.taking.take([Filled(fill, "") for fill in fills])
        assert len(rig.kernel.taking._held) == 1

    run(work())
