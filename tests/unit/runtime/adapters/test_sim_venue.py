"""The simulated venue tells what the ccxt adapter tells: answers, events, income, account."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from envs.core.errors import FixInput
from runtime.adapters.event_guard import EventGuard
from runtime.adapters.intake import Intake
from runtime.adapters.sim_views import events_of
from runtime.exchange.clock import SystemClock
from runtime.exchange.commands import (
    Amend,
    Cancel,
    CancelAlgo,
    CloseExternally,
    Liquidate,
    Place,
    PlaceAlgo,
    SetLeverage,
)
from runtime.exchange.errors import VenueError
from runtime.exchange.payloads import user_payload
from runtime.exchange.session import ExchangeSession
from runtime.exchange.settings import ExchangeSettings
from runtime.port_events import (
    Filled,
    ModeChanged,
    OrderChanged,
    StreamChanged,
    TriggerChanged,
    WalletChanged,
)
from runtime.port_values import Force, NewOrder, NewTrigger, Outcome, Purpose
from runtime.store.sql_store import SqlStore
from tests.unit.runtime.driving.pair import A, B, pair
from tests.unit.runtime.exchange.cases import (
    CALM,
    FLAT,
    limit_order,
    market_of,
    market_order,
    stop_order,
)

UP, DOWN = (10_000, 10_400, 9_990, 10_300), (10_300, 10_310, 9_400, 9_500)
STAMPS = {4: 0.001, 6: -0.0005}


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 25.0))


def buy(name: str, steps: int = 1_000, **more: Any) -> NewOrder:
    return NewOrder(name, A, 1, steps, **more)


def stop(name: str, trigger: int, steps: int = 1_000, side: int = -1, **more: Any) -> NewTrigger:
    return NewTrigger(name, A, side, steps, trigger, **more)


def test_a_trade_is_told_the_same_from_entry_to_stop() -> None:
    async def scene() -> None:
        bars = {A: [FLAT] * 3 + [UP, UP, DOWN, FLAT], B: [FLAT] * 7}
        async with pair(bars, stamps=STAMPS) as two:
            await two.ask("modes")
            await two.ask("set_leverage", A, 10)
            placed = await two.ask("place", buy("entry"))
            assert placed.outcome is Outcome.ACCEPTED
            assert not placed.view.filled_steps
            again = await two.ask("place", buy("entry"))
            assert again.view.order_id == placed.view.order_id
            assert (await two.ask("place", buy("entry", 999))).startswith("FixInput")
            await two.step()
            assert (await two.ask("account")).stands[A].steps == 1_000
            assert len(await two.ask("fills_since", A, 0)) == 1
            assert (await two.ask("place_trigger", stop("s1", 9_800))).confirmed
            assert (await two.ask("place_trigger", stop("tp", 10_350, 400, takes_profit=True))).view
            refused = await two.ask("place_trigger", stop("bad", 10_900))
            assert refused.code == -2021
            assert (await two.ask("resolve", "bad")).outcome is Outcome.ABSENT
            replaced = await two.ask("replace_trigger", "s1", stop("s2", 9_900))
            assert replaced.old.view.status == "CANCELED"
            await two.ask("account")
            for _ in range(12):
                await two.step()
            assert (await two.ask("resolve", "s2")).view.child_id > 0
            fills = await two.ask("fills_since", A, 0)
            assert [f.qty_steps for f in fills] == [1_000, 400, 600]
            assert await two.ask("fills_since", A, fills[1].trade_id) == fills[2:]
            income = await two.ask("income_since", 0)
            assert {r.kind for r in income} == {"REALIZED_PNL", "COMMISSION", "FUNDING_FEE"}
            late = income[-1].time_ms
            assert all(r.time_ms >= late for r in await two.ask("income_since", late))
            await two.ask("account")

    run(scene())


def test_refusals_and_resting_orders_are_told_the_same() -> None:
    async def scene() -> None:
        bars = {A: [FLAT] * 3 + [(10_000, 10_020, 9_940, 10_000)] * 4, B: [FLAT] * 7}
        async with pair(bars) as two:
            for ask, code in (
                (buy("dust", 1), -4164),
                (buy("rich", 10**8), -2019),
                (buy("whale", 2 * 10**9), -4005),
                (buy("far", price_ticks=20_000), -4016),
                (NewOrder("low", A, -1, 1_000, 5_000), -4024),
                (buy("takes", price_ticks=10_100, force=Force.GTX), -5022),
                (buy("naked", reduce_only=True, purpose=Purpose.EXIT), -2022),
                (NewOrder("no spaces", A, 1, 1_000), -1100),
            ):
                assert (await two.ask("place", ask)).code == code, ask
                assert (await two.ask("place", ask)).code == code, "sent before"
            assert "not listed" in await two.ask("place", NewOrder("x", "XRPUSDT", 1, 1))
            rests = await two.ask("place", buy("rests", price_ticks=9_950, force=Force.GTX))
            assert rests.view.is_open
            assert (await two.ask("amend", A, "rests", 2_000, 9_945)).view.qty_steps == 2_000
            assert (await two.ask("amend", A, "rests", 2_000, 9_945)).code == -5027
            await two.ask("place", buy("goes", price_ticks=9_000))
            assert (await two.ask("cancel", A, "goes")).view.status == "CANCELED"
            assert (await two.ask("cancel", A, "goes")).view.status == "CANCELED"
            await two.ask("account")
            for _ in range(6):
                await two.step()
            assert (await two.ask("resolve", "rests")).view.status == "FILLED"
            assert (await two.ask("set_leverage", A, 5)).startswith("VenueUnavailable")
            assert (await two.ask("set_leverage", A, 900)).startswith("VenueUnavailable")
            await two.ask("cancel_trigger", A, "never")
            exit_ = NewOrder("out", A, -1, 2_000, reduce_only=True, purpose=Purpose.EXIT)
            assert (await two.ask("place", exit_)).view.filled_steps == 2_000
            assert [f.maker for f in await two.ask("fills_since", A, 0)] == [True, False]

    run(scene())


def test_a_liquidation_is_told_the_same() -> None:
    async def scene() -> None:
        bars = {A: [FLAT] * 3 + [FLAT, (10_000, 10_000, 8_000, 8_000), FLAT], B: [FLAT] * 6}
        async with pair(bars, start_quote=1_000.0) as two:
            await two.ask("set_leverage", A, 20)
            await two.ask("place", buy("entry", 100_000))
            await two.step()
            for _ in range(8):
                await two.step()
            fills = await two.ask("fills_since", A, 0)
            assert len(fills) == 2
            income = await two.ask("income_since", 0)
            assert "INSURANCE_CLEAR" in {r.kind for r in income}
            await two.ask("account")

    run(scene())


def test_every_message_means_what_the_simulated_venue_tells() -> None:
    """The values made directly equal those read from the texts of the user stream."""

    async def scene() -> None:
        bars = {"A": [FLAT] * 3 + [UP, UP, DOWN, DOWN, FLAT], "B": [FLAT] * 8}
        market = market_of(bars, first_row=2, stamps=STAMPS)
        settings = ExchangeSettings(symbols=("A", "B"), speed="lockstep", core=CALM)
        session = ExchangeSession(settings, market, SystemClock(), None)
        told: list[tuple[Any, Any]] = []
        session.listen(
            lambda events: told.extend(
                (user_payload(e, session.state, session.now_ms), events_of(e, session.state))
                for e in events
            )
        )
        for command in (
            SetLeverage("A", 7), Place(market_order(1, 1_000, "in")),
            Place(limit_order(1, 700, 9_700, "rest")), Amend("A", None, "rest", 800, 9_710),
            Place(limit_order(-1, 500, 10_200, "gone")), Cancel("A", None, "gone"),
        ):  # fmt: skip
            await session.submit(command)
        await session.advance()
        for algo in (
            stop_order(-1, 900, 9_900, "s"), stop_order(-1, 300, 9_850, "late"),
            stop_order(-1, 100, 8_000, "c", on_mark=True),
        ):  # fmt: skip
            await session.submit(PlaceAlgo(algo))
        await session.submit(CancelAlgo(client_id="c"))
        await session.advance(12)
        await session.submit(Liquidate("A"))
        with pytest.raises(VenueError):
            await session.submit(Place(market_order(-1, 5, "none", reduce_only=True)))
        await session.submit(Place(market_order(-1, 1_000, "again", "B")))
        await session.advance()
        await session.submit(CloseExternally("B"))
        instruments = {n: x.instrument for n, x in session.state.listings.items()}
        store = SqlStore("sqlite://", threaded=False)
        await store.open()
        intake = Intake(instruments, store, EventGuard(), SystemClock())
        kinds = set()
        for message, mine in told:
            assert await intake.message(message), intake.problems
            assert intake.take() == mine
            kinds |= {type(e) for e in mine}
        assert kinds == {OrderChanged, TriggerChanged, Filled, WalletChanged, ModeChanged}
        await store.close()

    run(scene())


def test_nothing_suspends_and_events_are_taken_once() -> None:
    async def scene() -> None:
        from runtime.driving.sim import sim_parts

        data = market_of({"A": [FLAT] * 6}).series
        parts = sim_parts(data, CALM, 2)
        venue = parts.venue
        with pytest.raises(StopIteration):
            venue.open().send(None)
        assert [type(e) for e in venue.take_events()] == [StreamChanged]
        with pytest.raises(StopIteration) as done:
            venue.place(NewOrder("e", "A", 1, 1_000)).send(None)
        assert done.value.value.outcome is Outcome.ACCEPTED
        with pytest.raises(StopIteration):
            parts.stepper.advance().send(None)
        assert await venue.wait(60.0)
        assert any(isinstance(e, Filled) for e in venue.take_events())
        assert venue.take_events() == ()
        assert not await venue.wait(60.0)
        await venue.close()
        with pytest.raises(FixInput, match="no intent"):
            await venue.resolve("x")

    run(scene())


def test_a_store_is_told_of_intents_orders_and_fills() -> None:
    async def scene() -> None:
        from runtime.adapters.sim_venue import SimVenue
        from runtime.driving.sim import sim_parts

        parts = sim_parts(market_of({"A": [FLAT] * 6}).series, CALM, 2)
        store = SqlStore("sqlite://", threaded=False)
        await store.open()
        venue = SimVenue(parts.session, store=store)
        await venue.open()
        await venue.place(NewOrder("e", "A", 1, 1_000))
        parts.session.glide()
        await venue.reconcile()
        assert [f.qty_steps for f in await store.fills("A")] == [1_000]
        assert "e" in (await store.order_ids("A")).values()
        intent = await store.intent("e")
        assert intent is not None
        assert intent.state.value == "accepted"
        assert await store.open_intents() == ()
        later = SimVenue(parts.session, store=store)
        assert (await later.place(NewOrder("e", "A", 1, 1_000))).view.filled_steps == 1_000
        await store.close()

    run(scene())
