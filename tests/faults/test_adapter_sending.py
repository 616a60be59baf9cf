"""Scenarios 1-6, 14 and 22 of the contract at the level of the adapter."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from envs.core.errors import FixInput
from runtime.exchange.commands import Place
from runtime.exchange.fault_kinds import FaultKind as K
from runtime.exchange.orders import OrderRequest, OrderType
from runtime.port_values import Advice, Force, Intent, IntentState, NewOrder, OrderStatus, Outcome
from tests.faults.adapter_rig import (
    FAST,
    PRICE,
    SYMBOL,
    Rig,
    entry,
    eventually,
    make_venue,
    open_store,
    rig,
    run,
)

POST = "POST /fapi/v1/order"


async def _one_fill(r: Rig, answer: Any, name: str) -> None:
    """The order was found, filled once, told once and written down."""
    assert answer.outcome is Outcome.ACCEPTED
    assert answer.view.status is OrderStatus.FILLED
    assert r.at_venue(entry(name)) == 1
    await eventually(lambda: r.fills() == r.trades)
    assert len(r.trades) == 1
    fills = await r.store.fills(SYMBOL)
    ledger = r.exchange.session.state.ledger
    assert [f.fee_units for f in fills] == [t.fee_units for t in ledger.trades]
    assert [f.quote_units for f in fills] == [t.quote_units for t in ledger.trades]
    for _ in range(100):
        intent = await r.store.intent(entry(name))
        if intent is not None and intent.state is IntentState.ACCEPTED:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the intent was never settled")


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (K.DROP_AFTER, {}),
        (K.TIMEOUT, {"executed": True}),
        (K.TIMEOUT, {"executed": True, "status": 503, "code": -1006}),
        (K.UNKNOWN_ERROR, {"executed": True}),
        (K.OVERLOADED, {"executed": True}),
        (K.STATUS, {"executed": True, "status": 502, "body": "Bad Gateway"}),
        (K.STATUS, {"executed": True, "status": 500, "code": -1000}),
        (K.EMPTY, {}),
        (K.EMPTY, {"body": "{}"}),
        (K.EMPTY, {"body": "[]"}),
        (K.EMPTY, {"body": '{"code":0,"msg":"success"}'}),
        (K.TRUNCATED, {}),
        (K.GARBAGE, {}),
    ],
)
def test_carried_out_but_not_told(kind: K, more: dict[str, Any], tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            r.arm(kind, POST, **more)
            # Without the stream only questions can find it.
            r.arm(K.MUTE, stream="user", seconds=30.0)
            await _one_fill(r, await r.buy("d"), "d")

    run(scene())


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (K.DROP_BEFORE, {}),
        (K.TIMEOUT, {"executed": False}),
        (K.UNKNOWN_ERROR, {"executed": False}),
        (K.OVERLOADED, {"executed": False}),
        (K.STATUS, {"executed": False, "status": 504, "body": "Gateway Timeout"}),
    ],
)
def test_never_carried_out_is_absent_and_may_be_sent_under_a_new_id(
    kind: K, more: dict[str, Any], tmp_path: Path
) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            r.arm(kind, POST, **more)
            began = r.venue.link.clock.monotonic_s()
            answer = await r.buy("lost")
            assert answer.outcome is Outcome.ABSENT
            assert r.venue.link.clock.monotonic_s() - began >= 0.3
            assert r.trades == []
            await _one_fill(r, await r.buy("again"), "again")

    run(scene())


def test_never_carried_out_and_the_venue_silent_stays_unknown(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            r.arm(K.DROP_BEFORE, POST)
            r.arm(K.STATUS, "GET /fapi/v1/*", count=None, status=502, body="Bad Gateway")
            answer = await r.buy("lost")
            assert answer.outcome is Outcome.UNKNOWN
            await r.venue._outbox.flush()
            assert [i.client_id for i in await r.store.open_intents()] == [entry("lost")]
            r.exchange.faults.disarm()
            assert (await r.venue.resolve(entry("lost"))).outcome is Outcome.ABSENT

    run(scene())


def test_a_position_that_cannot_be_asked_for_forbids_absent(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            r.arm(K.DROP_BEFORE, POST)
            r.arm(K.POSITIONS_FAIL, count=None)
            assert (await r.buy("lost")).outcome is Outcome.UNKNOWN

    run(scene())


def test_the_event_wins_over_a_late_answer(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path, timeout_ms=4_000) as r:
            r.arm(K.DELAY_AFTER, POST, seconds=3.0)
            began = r.venue.link.clock.monotonic_s()
            answer = await r.buy("d")
            assert r.venue.link.clock.monotonic_s() - began < 2.0
            await _one_fill(r, answer, "d")

    run(scene())


@pytest.mark.parametrize("kind", [K.DELAY_AFTER, K.DELAY_BEFORE])
def test_a_slow_answer_is_not_waited_for_when_the_venue_can_be_asked(
    kind: K, tmp_path: Path
) -> None:
    quick = replace(FAST, ask=replace(FAST.ask, answer_s=0.2, floor_s=2.0))

    async def scene() -> None:
        async with rig(tmp_path, settings=quick) as r:
            r.arm(kind, POST, seconds=1.0)
            r.arm(K.MUTE, stream="user", seconds=30.0)
            began = r.venue.link.clock.monotonic_s()
            answer = await r.buy("d")
            taken = r.venue.link.clock.monotonic_s() - began
            assert taken < (0.9 if kind is K.DELAY_AFTER else 1.9)
            await _one_fill(r, answer, "d")

    run(scene())


def test_a_refusal_is_remembered_and_not_asked_for_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            first = await r.buy("small", steps=1)
            await r.venue._outbox.flush()
            r.arm(K.STATUS, count=None, status=502, body="Bad Gateway")
            again = await r.buy("small", steps=1)
            assert (again.outcome, again.code) == (first.outcome, first.code)

    run(scene())


def test_an_answer_later_than_the_timeout_is_looked_for(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path, timeout_ms=300) as r:
            r.arm(K.DELAY_AFTER, POST, seconds=0.8)
            r.arm(K.MUTE, stream="user", seconds=30.0)
            await _one_fill(r, await r.buy("d"), "d")

    run(scene())


def test_the_same_id_is_never_sent_twice(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            first, second = await r.buy("d"), await r.buy("d")
            assert first.view == second.view
            await _one_fill(r, second, "d")
            with pytest.raises(FixInput, match="already used"):
                await r.buy("d", steps=200)

    run(scene())


def test_a_duplicate_id_is_the_success_of_the_first_send(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            # The journal was lost: the same order rests at the venue already.
            request = OrderRequest(
                entry("d"), SYMBOL, 1, OrderType.LIMIT, 100, price_ticks=PRICE - 100
            )
            await r.exchange.session.submit(Place(request))
            answer = await r.buy("d", price_ticks=PRICE - 100)
            assert answer.outcome is Outcome.ACCEPTED
            assert answer.view.status is OrderStatus.NEW
            assert r.at_venue(entry("d")) == 1

    run(scene())


@pytest.mark.parametrize("sent", [False, True])
def test_a_restart_finds_what_was_begun(sent: bool, tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.venue.close()
            ask = NewOrder(entry("killed"), SYMBOL, 1, 100)
            await r.store.save_intent(Intent(ask, 1))
            if sent:
                request = OrderRequest(ask.client_id, SYMBOL, 1, OrderType.MARKET, 100)
                await r.exchange.session.submit(Place(request))
            async with open_store(tmp_path) as store:
                again = make_venue(r.exchange, store)
                await again.open()
                try:
                    answer = await again.place(ask)
                    wanted = Outcome.ACCEPTED if sent else Outcome.ABSENT
                    assert answer.outcome is wanted
                    assert r.at_venue(ask.client_id) == int(sent)
                finally:
                    await again.close()

    run(scene())


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (-2019, Advice.SIZE_DOWN), (-1013, Advice.FIX_REQUEST), (-4164, Advice.SKIP),
        (-2022, Advice.RECONCILE), (-4400, Advice.REDUCE_ONLY),
    ],
)  # fmt: skip
def test_a_definite_no_changes_nothing_and_is_not_repeated(
    code: int, advice: Advice, tmp_path: Path
) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            r.arm(K.REFUSE, POST, code=code, message="no")
            answer = await r.buy("d")
            assert (answer.outcome, answer.code, answer.advice) == (Outcome.REJECTED, code, advice)
            assert r.trades == []
            assert r.at_venue(entry("d")) == 0
            await _one_fill(r, await r.buy("next"), "next")

    run(scene())


def test_true_refusals_of_the_venue(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            small = await r.buy("small", steps=1)
            large = await r.buy("large", steps=100_000_000)
            crossing = await r.buy("post", price_ticks=PRICE + 50, force=Force.GTX)
            reduce = await r.venue.place(NewOrder("qt-r", SYMBOL, -1, 100, reduce_only=True))
            assert [a.code for a in (small, crossing, reduce)] == [-4164, -5022, -2022]
            assert large.outcome is Outcome.REJECTED
            assert r.trades == []

    run(scene())


def test_a_cancel_whose_answer_is_lost_is_not_taken_for_unknown(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            placed = await r.buy("d", price_ticks=PRICE - 100)
            # aiohttp sends a DELETE again by itself: the second one is told -2011.
            r.arm(K.DROP_AFTER, "DELETE /fapi/v1/order")
            answer = await r.venue.cancel(SYMBOL, placed.client_id)
            assert answer.outcome is Outcome.ACCEPTED
            assert answer.view.status is OrderStatus.CANCELED
            await eventually(lambda: r.states(placed.client_id) == ["NEW", "CANCELED"])

    run(scene())


def test_a_cancel_that_comes_too_late_tells_the_fill(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.buy("d")
            answer = await r.venue.cancel(SYMBOL, entry("d"))
            assert answer.view.status is OrderStatus.FILLED
            r.arm(K.DROP_BEFORE, "DELETE /fapi/v1/order", count=2)
            placed = await r.buy("rest", price_ticks=PRICE - 100)
            answer = await r.venue.cancel(SYMBOL, placed.client_id)
            assert answer.view.status is OrderStatus.CANCELED

    run(scene())


def test_an_amendment_whose_answer_is_lost_is_compared(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            placed = await r.buy("d", price_ticks=PRICE - 100)
            r.arm(K.EMPTY, "PUT /fapi/v1/order")
            answer = await r.venue.amend(SYMBOL, placed.client_id, 150, PRICE - 200)
            assert answer.outcome is Outcome.ACCEPTED
            assert (answer.view.qty_steps, answer.view.price_ticks) == (150, PRICE - 200)
            r.arm(K.TIMEOUT, "PUT /fapi/v1/order", executed=False)
            answer = await r.venue.amend(SYMBOL, placed.client_id, 160, PRICE - 200)
            assert answer.outcome is Outcome.ABSENT

    run(scene())
