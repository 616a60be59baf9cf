"""Scenarios 13, 15, 19, 20, 23 and 25 of the contract at the level of the adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.adapters.client_ids import client_id
from runtime.exchange.fault_kinds import FaultKind as K
from runtime.port_errors import VenueRefused, VenueUnavailable
from runtime.port_events import ModeChanged, OrderChanged, TriggerChanged
from runtime.port_values import (
    Advice,
    Flat,
    NewOrder,
    NewTrigger,
    Outcome,
    Position,
    Purpose,
    TriggerStatus,
    Unsure,
)
from tests.faults.adapter_rig import OTHER, PRICE, SYMBOL, eventually, make_venue, rig, run

POST = "POST /fapi/v1/order"
STOP = "POST /fapi/v1/algoOrder"


@pytest.mark.parametrize("skew_ms", [30_000, -30_000])
def test_a_clock_that_steps_during_the_run(skew_ms: int, tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            r.arm(K.SKEW, value=float(skew_ms))
            assert (await r.buy("d")).outcome is Outcome.ACCEPTED
            assert r.venue.health().clock_offset_ms == pytest.approx(-skew_ms, abs=500)
            assert len(r.trades) == 1
            r.exchange.faults.disarm()
            assert (await r.venue.account()).failures == ()

    run(scene())


def test_too_many_requests_pause_everything_for_as_long_as_was_asked(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            r.arm(K.RATE_LIMITED, POST, retry_after_s=1)
            answer = await r.buy("d")
            assert (answer.outcome, answer.advice) == (Outcome.REJECTED, Advice.BACK_OFF)
            assert answer.wait_s == 1.0
            assert 0.5 < r.venue.health().paused_s <= 1.0
            clock = r.venue.link.clock
            began = clock.monotonic_s()
            assert (await r.buy("later")).outcome is Outcome.ACCEPTED
            assert clock.monotonic_s() - began > 0.5
            assert len(r.trades) == 1

    run(scene())


def test_a_ban_is_not_prolonged_by_asking(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            r.arm(K.BANNED, seconds=1.5, retry_after_s=2)
            assert (await r.buy("d")).outcome is Outcome.REJECTED
            assert r.exchange.faults.fired["banned"] == 1
            view = await r.venue.account()
            assert view.failures == ()
            assert r.exchange.faults.fired["banned"] == 1

    run(scene())


def test_an_entry_that_would_wait_too_long_is_refused_unsent(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            r.venue.link.budget.pause(60.0)
            answer = await r.buy("d")
            assert (answer.outcome, answer.advice) == (Outcome.REJECTED, Advice.BACK_OFF)
            assert answer.wait_s > 50.0
            assert r.trades == []

    run(scene())


def test_positions_that_cannot_be_asked_for_are_not_flat(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.buy("d")
            r.arm(K.POSITIONS_FAIL)
            view = await r.venue.account()
            assert isinstance(view.stands[SYMBOL], Unsure)
            assert isinstance(view.stands[OTHER], Unsure)
            assert len(view.failures) == 1
            assert isinstance((await r.venue.account()).stands[SYMBOL], Position)

    run(scene())


def test_an_empty_answer_is_not_flat_before_it_is_confirmed(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.buy("d")
            r.arm(K.POSITIONS_EMPTY)
            stand = (await r.venue.account()).stands[SYMBOL]
            assert isinstance(stand, Position)
            assert stand.steps == 100
            r.arm(K.POSITIONS_EMPTY, count=None)
            assert isinstance((await r.venue.account()).stands[SYMBOL], Unsure)
            r.exchange.faults.disarm()
            await r.venue.place(NewOrder("qt-x", SYMBOL, -1, 100, reduce_only=True))
            assert (await r.venue.account()).stands[SYMBOL] == Flat(SYMBOL)

    run(scene())


@pytest.mark.parametrize(
    ("endpoint", "part"),
    [
        ("GET /fapi/v1/openOrders", "orders"), ("GET /fapi/v1/openAlgoOrders", "triggers"),
        ("GET /fapi/v3/account", "balance"),
    ],
)  # fmt: skip
def test_what_could_not_be_asked_is_none(endpoint: str, part: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            r.arm(K.EMPTY, endpoint, count=None)
            view = await r.venue.account()
            assert getattr(view, part) is None
            assert view.failures

    run(scene())


def test_a_stop_is_placed_read_back_and_replaced_without_a_gap(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.buy("d")
            first = await r.stop("d")
            assert (first.outcome, first.confirmed) == (Outcome.ACCEPTED, True)
            new = NewTrigger(client_id("d", Purpose.STOP, 1), SYMBOL, -1, 50, 9_100)
            done = await r.venue.replace_trigger(first.client_id, new)
            assert done.new.confirmed
            assert done.old is not None
            assert done.old.view is not None
            assert done.old.view.status is TriggerStatus.CANCELED
            open_ = r.exchange.session.state.open_algos(SYMBOL)
            assert [(a.client_id, a.qty_steps) for a in open_] == [(new.client_id, 50)]

    run(scene())


def test_the_old_stop_stays_when_the_new_one_is_refused(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.buy("d")
            first = await r.stop("d")
            past = NewTrigger(client_id("d", Purpose.STOP, 1), SYMBOL, -1, 100, PRICE + 100)
            done = await r.venue.replace_trigger(first.client_id, past)
            assert (done.new.outcome, done.new.advice) == (Outcome.REJECTED, Advice.EXIT_NOW)
            assert done.old is None
            assert [a.client_id for a in r.exchange.session.state.open_algos(SYMBOL)] == [
                first.client_id
            ]

    run(scene())


@pytest.mark.parametrize(
    ("kind", "more"),
    [(K.DROP_AFTER, {}), (K.EMPTY, {}), (K.TRUNCATED, {}), (K.TIMEOUT, {"executed": True})],
)
def test_a_stop_whose_answer_is_lost_is_found(
    kind: K, more: dict[str, Any], tmp_path: Path
) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.buy("d")
            r.arm(kind, STOP, **more)
            answer = await r.stop("d")
            assert (answer.outcome, answer.confirmed) == (Outcome.ACCEPTED, True)
            assert len(r.exchange.session.state.algos) == 1

    run(scene())


def test_a_stop_never_placed_is_absent(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.buy("d")
            r.arm(K.DROP_BEFORE, STOP)
            assert (await r.stop("d")).outcome is Outcome.ABSENT
            assert (await r.venue.cancel_trigger(SYMBOL, "qt-none")).outcome is Outcome.ABSENT

    run(scene())


def test_a_stop_that_vanishes_for_a_while_is_neither_doubled_nor_forgotten(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.buy("d")
            first = await r.stop("d")
            r.arm(K.VANISH_ALGO, seconds=0.5)
            listed = (await r.venue.account()).triggers
            assert listed == ()
            # The targeted question still finds it.
            answer = await r.venue.resolve(first.client_id)
            assert (answer.outcome, answer.confirmed) == (Outcome.ACCEPTED, True)
            assert (await r.stop("d")).view == answer.view
            assert len(r.exchange.session.state.algos) == 1

    run(scene())


def test_a_stop_that_cannot_be_read_back_is_not_confirmed(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.buy("d")
            r.arm(K.VANISH_ALGO, seconds=2.0, options={"query": True})
            answer = await r.stop("d")
            assert (answer.outcome, answer.confirmed) == (Outcome.ACCEPTED, False)
            assert answer.advice is Advice.VERIFY

    run(scene())


def test_a_stop_that_fires_is_told_with_its_child_and_its_fill(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.buy("d")
            stop = await r.stop("d", trigger=9_900)
            await r.act(K.PRICE_GAP, symbol=SYMBOL, value=-0.02)
            await eventually(lambda: len(r.fills()) == 2)
            triggers = [e.trigger for e in r.hear() if isinstance(e, TriggerChanged)]
            child = triggers[-1].child_id
            assert triggers[-1].client_id == stop.client_id
            assert child in {e.order.order_id for e in r.hear() if isinstance(e, OrderChanged)}
            cancelled = await r.venue.cancel_trigger(SYMBOL, stop.client_id)
            assert cancelled.view.child_id == child
            assert (await r.venue.account()).stands[SYMBOL] == Flat(SYMBOL)

    run(scene())


def test_a_trigger_without_a_fill_is_no_exit(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.buy("d")
            stop = await r.stop("d", trigger=9_900)
            await r.act(K.REFUSE_CHILD, symbol=SYMBOL)
            await r.act(K.PRICE_GAP, symbol=SYMBOL, value=-0.02)
            await eventually(lambda: not r.exchange.session.state.open_algos(SYMBOL))
            view = (await r.venue.resolve(stop.client_id)).view
            assert view is not None
            assert not view.is_open
            assert isinstance((await r.venue.account()).stands[SYMBOL], Position)
            assert r.fills() == [1]

    run(scene())


@pytest.mark.parametrize(("kind", "forced"), [(K.LIQUIDATE, True), (K.CLOSE_EXTERNALLY, False)])
def test_a_position_closed_by_others_is_told(kind: K, forced: bool, tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.venue.set_leverage(SYMBOL, 5)
            await r.buy("d")
            await r.act(kind, symbol=SYMBOL)
            await eventually(lambda: len(r.fills()) == 2)
            last = [e.order for e in r.hear() if isinstance(e, OrderChanged)][-1]
            assert last.is_forced is forced
            assert (await r.venue.account()).stands[SYMBOL] == Flat(SYMBOL)
            rows = await r.venue.income_since(0)
            income = r.exchange.session.state.ledger.income
            assert [x.units for x in rows] == [x.units for x in income]

    run(scene())


def test_changed_modes_are_told_and_refused_at_the_start(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.venue.set_leverage(SYMBOL, 3)
            await r.act(K.SET_LEVERAGE, symbol=SYMBOL, value=20)
            await eventually(lambda: sum(isinstance(e, ModeChanged) for e in r.hear()) == 2)
            modes = await r.venue.modes()
            assert (modes.symbols[SYMBOL].leverage, modes.symbols[SYMBOL].isolated) == (20, True)
            await r.act(K.SET_POSITION_MODE, value=1)
            assert (await r.venue.modes()).hedge
            other = make_venue(r.exchange, r.store)
            with pytest.raises(VenueRefused, match="hedge"):
                await other.open()
            await other.close()

    run(scene())


@pytest.mark.parametrize("endpoint", ["marginType", "leverage"])
def test_leverage_is_set_only_where_both_were_taken(endpoint: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.venue.set_leverage(SYMBOL, 3)
            # The margin type stands already, and the venue says so; that is no failure.
            await r.venue.set_leverage(SYMBOL, 4)
            assert (await r.venue.modes()).symbols[SYMBOL].leverage == 4
            r.arm(K.REFUSE, f"POST /fapi/v1/{endpoint}", code=-4028)
            with pytest.raises(VenueUnavailable, match="-4028"):
                await r.venue.set_leverage(SYMBOL, 5)
            await r.venue.set_leverage(SYMBOL, 6)
            mode = (await r.venue.modes()).symbols[SYMBOL]
            assert (mode.leverage, mode.isolated) == (6, True)

    run(scene())


def test_wrong_keys_and_a_missing_venue_are_told_apart(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            other = make_venue(r.exchange, r.store)
            other.link.exchange.secret = "wrong"  # noqa: S105
            with pytest.raises(VenueRefused):
                await other.open()
            assert other.health().problems
            await other.close()
            r.arm(K.STATUS, "GET /fapi/v1/exchangeInfo", status=502, body="Bad Gateway")
            other = make_venue(r.exchange, r.store)
            with pytest.raises(VenueUnavailable):
                await other.open()
            await other.close()

    run(scene())
