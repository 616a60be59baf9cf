"""Fills become positions, cash and trades; each once, with the venue's own numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from envs.core.rules.booking import Book
from envs.core.rules.booking import Fill as ClosingFill
from envs.core.types import ExitReason
from runtime.port_values import Fill
from runtime.trading.books import as_told
from tests.unit.runtime.trading.desk import PRICE, Rig, bars_of, run

FEE = 40_000_000


def fill_of(trade_id: int, qty: int, price: int, *, side: int = 1, realised: int = 0) -> Fill:
    return Fill(
        trade_id, 1, "BTCUSDT", side, qty, price, qty * price * 1_000, FEE, "USDT", realised,
        False, 1_577_840_400_000 + trade_id,
    )  # fmt: skip


def test_the_venues_result_and_fee_stand_where_the_rules_come_to_others() -> None:
    book = Book(0, 0, 0, 0, 500, 30, 0, 0, 0, 0.0)
    closing = ClosingFill(PRICE, 10, 500, 30, 1)
    told, changed = as_told(book, closing, replace(fill_of(1, 10, PRICE, realised=499)))
    assert (changed.gross, changed.fee) == (499, FEE)
    assert (told.gross, told.fees) == (499, FEE)
    same, unchanged = as_told(book, closing, replace(fill_of(1, 10, PRICE, realised=500),
                                                     fee_units=30))  # fmt: skip
    assert (same, unchanged) == (book, closing)


def test_fills_of_one_entry_make_one_position_at_their_average() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_000)).start()
        books, data = rig.kernel.context.books, rig.data
        books.open(0, fill_of(11, 4_000, PRICE), data, 0.0)
        held = books.open(0, fill_of(12, 6_000, PRICE + 10), data, 0.0)
        assert held.levels.entry == PRICE + 6
        assert held.book.qty == 10_000
        assert held.book.cost == (4_000 * PRICE + 6_000 * (PRICE + 10)) * 1_000
        assert held.book.fees == 2 * FEE
        assert held.order.qty == 10_000
        assert held.levels.stop0 == PRICE + 6 - 150
        assert rig.account.cash_units == rig.account.start_units - 2 * FEE

    run(work())


def test_an_entry_that_fills_on_after_a_partial_exit_loses_no_money() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_000)).start()
        books, data = rig.kernel.context.books, rig.data
        books.open(0, fill_of(11, 4_000, PRICE), data, 0.0)
        out = fill_of(12, 1_000, PRICE + 50, side=-1, realised=50_000_000)
        assert books.close(0, out, int(ExitReason.PARTIAL), True, data, 0.0) is None
        held = books.open(0, fill_of(13, 2_000, PRICE), data, 0.0)
        assert held.book.qty == 5_000
        assert held.book.gross == 50_000_000
        assert held.order.qty == 6_000
        assert held.notional_units == 6_000 * PRICE * 1_000
        rest = fill_of(14, 5_000, PRICE, side=-1)
        trade = books.close(0, rest, int(ExitReason.STOP), False, data, 0.0)
        assert trade is not None
        assert trade.qty_steps == 6_000
        assert trade.gross_units == sum(leg.gross_units for leg in trade.legs) == 50_000_000
        assert trade.net_units == rig.account.cash_units - rig.account.start_units

    run(work())


def test_a_fill_told_twice_is_booked_once() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_000)).start()
        await rig.vertex()
        cash, books = rig.account.cash_units, rig.kernel.context.books
        trades = rig.session.state.ledger.trades
        again = (await rig.venue.fills_since("BTCUSDT", 0))[0]
        assert not books.is_new(again)
        assert len(trades) == 1
        await rig.kernel.taking.fill(again, rig.ticket.entry_id)
        assert rig.account.cash_units == cash

    run(work())


def test_cash_is_the_venues_wallet_to_the_last_unit() -> None:
    async def work() -> None:
        rig = await Rig(
            bars_of(10_100, 10_050, 9_990, 9_700, 9_700), stamps={2: 0.0007, 4: -0.0003}
        ).start()
        while not rig.parts.stepper.ended:
            await rig.vertex()
            assert rig.account.cash_units == rig.session.state.ledger.wallet_units
        trade = rig.kernel.trades[-1]
        assert trade.reason is ExitReason.STOP
        assert trade.funding_units != 0
        assert trade.net_units == rig.account.cash_units - rig.account.start_units

    run(work())


@pytest.mark.parametrize("side", [1, -1])
def test_a_position_closed_by_somebody_else_is_external(side: int) -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_000, 10_000), side=side).start()
        await rig.vertex()
        from runtime.exchange.commands import CloseExternally

        await rig.session.submit(CloseExternally("BTCUSDT"))
        await rig.vertex()
        assert rig.kernel.trades[-1].reason is ExitReason.EXTERNAL
        assert not rig.session.state.open_algos("BTCUSDT")
        assert rig.account.cash_units == rig.session.state.ledger.wallet_units

    run(work())
