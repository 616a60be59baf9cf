"""The venue against the books: silence proves nothing, nothing foreign is touched."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.exchange.commands import CancelAlgo, Place, SetPositionMode
from runtime.exchange.orders import OrderRequest, OrderType, TimeInForce
from runtime.port_errors import VenueUnavailable
from runtime.port_values import AccountView, Answer, Outcome, Unsure
from tests.unit.runtime.trading.desk import PRICE, SYMBOL, Rig, bars_of, run

CALM_BARS = bars_of(10_000, 10_000, 10_000, 10_000)


async def held(**options: Any) -> Rig:
    """A position that was entered and is protected."""
    rig = await Rig(CALM_BARS, **options).start()
    await rig.vertex()
    assert rig.account.positions
    return rig


async def foreign_position(rig: Rig, side: int = 1, qty: int = 700) -> None:
    request = OrderRequest(
        "somebody", SYMBOL, side, OrderType.MARKET, qty, 0, TimeInForce.GTC
    )  # fmt: skip
    await rig.session.submit(Place(request))


def test_a_failed_question_is_never_flat() -> None:
    async def work() -> None:
        rig = await held()

        async def silent(real: Any) -> AccountView:
            return AccountView(0, None, {SYMBOL: Unsure(SYMBOL, "no answer")}, None, None, ("x",))

        rig.venue.spoil["account"] = silent
        await rig.kernel.reconcile()
        await rig.kernel.reconcile()
        assert rig.account.positions[0].book.qty == 10_000
        assert rig.kernel.context.unsure[SYMBOL] == "no answer"
        del rig.venue.spoil["account"]
        await rig.kernel.reconcile()
        assert not rig.kernel.context.unsure

    run(work())


def test_a_start_without_the_venues_word_does_not_begin() -> None:
    async def work() -> None:
        rig = await held()

        async def silent(real: Any) -> AccountView:
            return AccountView(0, None, {}, None, None, ("openOrders: no answer",))

        rig._begin()
        rig.venue.spoil["account"] = silent
        with pytest.raises(VenueUnavailable, match="openOrders"):
            await rig.start()

    run(work())


def test_a_foreign_position_is_reported_once_left_alone_and_blocks_its_contract() -> None:
    async def work() -> None:
        rig = await Rig(CALM_BARS, candidates=(2,)).start()
        await rig.bar()
        await foreign_position(rig)
        await rig.vertex()
        for _ in range(3):
            await rig.kernel.reconcile()
        told = [r for r in rig.records("foreign") if "left alone" in r.body["text"]]
        assert len(told) == 1
        await rig.bar()
        decision = rig.records("decision")[-1].body["decision"]
        assert decision.chosen is None
        assert decision.reason == "STATE_UNKNOWN"
        assert rig.session.state.holdings[SYMBOL].book.qty == 700
        assert not rig.session.state.open_algos(SYMBOL)

    run(work())


def test_a_foreign_position_is_taken_over_and_protected_where_that_is_asked_for() -> None:
    async def work() -> None:
        rig = Rig(CALM_BARS, candidates=(), adopts=True)
        await rig.start()
        await foreign_position(rig, side=-1)
        await rig.bar()
        for _ in range(2):
            await rig.kernel.reconcile()
        await rig.vertex()
        algos = rig.session.state.open_algos(SYMBOL)
        stops = [a for a in algos if a.type.value == "STOP_MARKET"]
        assert [(a.side, a.qty_steps, a.trigger_ticks) for a in stops] == [(1, 700, PRICE + 150)]
        assert not rig.kernel.context.unsure

    run(work())


def test_orders_of_others_are_reported_and_never_cancelled() -> None:
    async def work() -> None:
        rig = await held()
        far = OrderRequest("hand-made", SYMBOL, 1, OrderType.LIMIT, 10, PRICE // 2, TimeInForce.GTC)
        await rig.session.submit(Place(far))
        await rig.kernel.reconcile()
        await rig.kernel.reconcile()
        assert [r.body["text"] for r in rig.records("foreign")] == ["order hand-made: not ours"]
        assert [o.client_id for o in rig.session.state.open_orders(SYMBOL)] == ["hand-made"]

    run(work())


def test_a_stop_that_somebody_cancelled_is_placed_again() -> None:
    async def work() -> None:
        rig = await held()
        gone = rig.ticket.stop
        assert gone is not None
        await rig.session.submit(CancelAlgo(client_id=gone.client_id))
        await rig.vertex()
        now = rig.ticket.stop
        assert now is not None
        assert now.client_id != gone.client_id
        stops = [a for a in rig.session.state.open_algos(SYMBOL) if a.type.value == "STOP_MARKET"]
        assert [a.client_id for a in stops] == [now.client_id]

    run(work())


def test_a_stop_the_venue_forgets_to_list_is_asked_for_before_another_is_placed() -> None:
    async def work() -> None:
        rig = await held()
        real_account = rig.venue.real.account

        async def forgetful(real: Any) -> AccountView:
            from dataclasses import replace

            return replace(await real_account(), triggers=())

        rig.venue.spoil["account"] = forgetful
        before = rig.ticket.stop
        await rig.kernel.reconcile()
        await rig.kernel.reconcile()
        # Asked by name, the venue knows it: nothing is doubled.
        assert rig.ticket.stop == before

        async def unknown(real: Any, name: str) -> Answer[Any]:
            return Answer(Outcome.ABSENT, name)

        rig.venue.spoil["resolve"] = unknown
        await rig.kernel.reconcile()
        rig.venue.spoil.clear()
        await rig.vertex()
        await rig.vertex()
        stops = [a for a in rig.session.state.open_algos(SYMBOL) if a.type.value == "STOP_MARKET"]
        assert len(stops) == 1, "the forgotten one was cancelled when it came back"

    run(work())


def test_an_account_in_hedge_mode_takes_no_new_risk() -> None:
    async def work() -> None:
        rig = await Rig(CALM_BARS, candidates=(2,)).start()
        await rig.bar()
        await rig.session.submit(SetPositionMode(True))
        for _ in range(10):
            await rig.kernel.reconcile()
        assert any("hedge" in r.body["text"] for r in rig.records("alarm"))
        await rig.bar()
        assert rig.records("decision")[-1].body["decision"].reason == "ACCOUNT_MODE"

    run(work())


def lost_entry(rig: Rig) -> None:
    """An entry arrives at the venue; its answer is lost."""

    async def lost(real: Any, ask: Any) -> Answer[Any]:
        await real(ask)
        return Answer(Outcome.UNKNOWN, ask.client_id, text="lost")

    rig.by_clock().venue.spoil["place"] = lost
    # Nor does the stream tell anything.
    rig.venue.take_events = lambda: ()


def test_the_watch_finds_out_an_entry_in_doubt_and_protects_what_it_filled() -> None:
    async def work() -> None:
        rig = Rig(CALM_BARS)
        lost_entry(rig)

        async def silent(real: Any, name: str) -> Answer[Any]:
            return Answer(Outcome.UNKNOWN, name)

        rig.venue.spoil["resolve"] = silent
        await rig.start()
        await rig.parts.stepper.advance()
        assert rig.ticket.entry_doubt
        assert rig.session.state.holdings[SYMBOL].book.qty == 10_000
        assert not rig.account.positions
        rig.venue.spoil.clear()
        await rig.kernel.watch()
        assert rig.account.positions[0].book.qty == 10_000
        assert rig.session.state.open_algos(SYMBOL)

    run(work())


def test_the_watch_asks_for_fills_that_an_answer_spoke_of() -> None:
    async def work() -> None:
        rig = Rig(CALM_BARS)
        lost_entry(rig)
        del rig.venue.spoil["place"]

        async def silent(real: Any, symbol: str, after: int) -> Any:
            raise VenueUnavailable("silent")

        await rig.start()
        await rig.parts.stepper.advance()
        rig.venue.spoil["fills_since"] = silent
        rig.ticket.told = 10_000
        await rig.kernel.watch()
        assert not rig.account.positions
        rig.venue.spoil.clear()
        rig.ticket.roles[f"child:{rig.session.state.ledger.trades[-1].order_id}"] = "entry"
        await rig.kernel.watch()
        assert rig.session.state.open_algos(SYMBOL)

    run(work())
