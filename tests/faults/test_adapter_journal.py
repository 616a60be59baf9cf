"""A journal that is down stops new risk, never the way out of it: stops and cancels go on."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from envs.core.errors import FixInput
from runtime.adapters.client_ids import client_id
from runtime.exchange.fault_kinds import FaultKind as K
from runtime.port_errors import StoreUnavailable
from runtime.port_values import (
    Advice,
    NewOrder,
    NewTrigger,
    OrderStatus,
    Outcome,
    Purpose,
    TriggerView,
)
from tests.faults.adapter_rig import (
    FAST,
    PRICE,
    SYMBOL,
    Rig,
    entry,
    make_venue,
    open_store,
    rig,
    run,
)


def _rests(r: Rig) -> list[str]:
    return [a.client_id for a in r.exchange.session.state.open_algos(SYMBOL)]


def _noted(r: Rig) -> bool:
    return any("journal" in text for text in r.venue.health().problems)


@pytest.mark.parametrize("lost", [False, True])
def test_an_order_is_cancelled_while_the_journal_is_down(lost: bool, tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            placed = await r.buy("d", price_ticks=PRICE - 100)
            await r.store.close()
            if lost:
                r.arm(K.DROP_AFTER, "DELETE /fapi/v1/order")
                r.arm(K.MUTE, stream="user", seconds=30.0)
            answer = await r.venue.cancel(SYMBOL, placed.client_id)
            assert answer.outcome is Outcome.ACCEPTED
            assert answer.view is not None
            assert answer.view.status is OrderStatus.CANCELED
            assert _noted(r) or not lost

    run(scene())


def test_an_order_of_a_former_run_is_cancelled_while_the_journal_is_down(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            placed, stop = await r.buy("d", price_ticks=PRICE - 100), await r.stop("d")
            await r.venue._outbox.flush()
            await r.venue.close()
            async with open_store(tmp_path) as store:
                again = make_venue(r.exchange, store)
                await again.open()
                try:
                    await store.close()
                    found = await again.resolve(stop.client_id)
                    assert (found.outcome, found.confirmed) == (Outcome.ACCEPTED, True)
                    assert isinstance(found.view, TriggerView)
                    rests = await again.resolve(placed.client_id)
                    assert rests.view is not None
                    assert rests.view.is_open
                    ended = await again.cancel(SYMBOL, placed.client_id)
                    assert ended.view is not None
                    assert ended.view.status is OrderStatus.CANCELED
                    assert (await again.cancel_trigger(SYMBOL, stop.client_id)).confirmed
                    assert _rests(r) == []
                finally:
                    await again.close()

    run(scene())


def test_a_stop_is_placed_read_back_and_replaced_while_the_journal_is_down(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.buy("d")
            await r.store.close()
            first = await r.stop("d")
            assert (first.outcome, first.confirmed) == (Outcome.ACCEPTED, True)
            assert _noted(r)
            assert (await r.venue.resolve(first.client_id)).confirmed
            other = NewTrigger(client_id("d", Purpose.STOP, 1), SYMBOL, -1, 100, 9_100)
            done = await r.venue.replace_trigger(first.client_id, other)
            assert done.new.confirmed
            assert done.old is not None
            assert done.old.view is not None
            assert not done.old.view.is_open
            assert _rests(r) == [other.client_id]
            await r.store.open()
            # What could not be written is told and written when it is heard of again.
            await r.venue.account()
            assert other.client_id in {v.client_id for v in await r.store.open_orders()}

    run(scene())


def test_a_stop_is_cancelled_while_the_journal_is_down(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.buy("d")
            stop = await r.stop("d")
            await r.store.close()
            answer = await r.venue.cancel_trigger(SYMBOL, stop.client_id)
            assert (answer.outcome, answer.confirmed) == (Outcome.ACCEPTED, True)
            assert answer.view is not None
            assert not answer.view.is_open
            assert _rests(r) == []

    run(scene())


def test_a_stop_whose_answer_is_lost_is_found_while_the_journal_is_down(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.buy("d")
            await r.store.close()
            r.arm(K.DROP_AFTER, "POST /fapi/v1/algoOrder")
            answer = await r.stop("d")
            assert (answer.outcome, answer.confirmed) == (Outcome.ACCEPTED, True)

    run(scene())


def test_an_entry_under_way_is_not_called_absent_for_want_of_a_journal(tmp_path: Path) -> None:
    slow = replace(FAST, ask=replace(FAST.ask, floor_s=3.0, search_s=0.5))

    async def scene() -> None:
        async with rig(tmp_path, settings=slow) as r:
            r.arm(K.DROP_BEFORE, "POST /fapi/v1/order")
            assert (await r.buy("d", price_ticks=PRICE - 100)).outcome is Outcome.UNKNOWN
            await r.store.close()
            assert (await r.venue.cancel(SYMBOL, entry("d"))).outcome is Outcome.UNKNOWN
            await asyncio.sleep(2.5)
            assert (await r.venue.cancel(SYMBOL, entry("d"))).outcome is Outcome.ABSENT
            assert (await r.venue.resolve(entry("d"))).outcome is Outcome.ABSENT

    run(scene())


def test_what_nobody_knows_stays_unknown_until_the_journal_is_back(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.store.close()
            with pytest.raises(StoreUnavailable):
                await r.buy("d")
            answer = await r.venue.resolve(entry("d"))
            assert (answer.outcome, answer.advice) == (Outcome.UNKNOWN, Advice.VERIFY)
            await r.store.open()
            with pytest.raises(FixInput, match="no intent"):
                await r.venue.resolve(entry("d"))

    run(scene())


def _exit_of(steps: int) -> NewOrder:
    """A market exit of the position that ``d`` opened."""
    name = client_id("d", Purpose.EXIT)
    return NewOrder(name, SYMBOL, -1, steps, reduce_only=True, purpose=Purpose.EXIT)


@pytest.mark.parametrize("back", [False, True])
def test_an_exit_without_a_journal_entry_is_sent_once(back: bool, tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.buy("d")
            ask = _exit_of(40)
            await r.store.close()
            answers: list[Any] = [await r.venue.place(ask)]
            if back:
                await r.store.open()
            answers.append(await r.venue.place(ask))
            assert [a.outcome for a in answers] == [Outcome.ACCEPTED] * 2
            assert r.at_venue(ask.client_id) == 1

    run(scene())


def test_entries_and_an_exit_at_once_part_ways_where_the_journal_is_down(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.buy("d")
            ask = _exit_of(100)
            await r.store.close()
            entries = [r.buy(f"e{n}") for n in range(3)]
            *held, out = await asyncio.gather(
                *entries, r.venue.place(ask), return_exceptions=True
            )  # fmt: skip
            assert all(isinstance(answer, StoreUnavailable) for answer in held)
            assert not isinstance(out, BaseException)
            assert out.outcome is Outcome.ACCEPTED
            assert [r.at_venue(entry(f"e{n}")) for n in range(3)] == [0, 0, 0]

    run(scene())


def test_income_of_a_window_that_reaches_to_now_is_asked_for_once(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            link, asked = r.venue.link, []
            call = link.call

            async def counted(method: str, *args: Any, **more: Any) -> Any:
                asked.append(method)
                return await call(method, *args, **more)

            link.call = counted  # type: ignore[method-assign]
            assert await r.venue.income_since(link.venue_now_ms - 60_000) == ()
            assert asked.count("fapiPrivateGetIncome") == 1
            await r.buy("d")
            asked.clear()
            assert await r.venue.income_since(0)
            assert asked.count("fapiPrivateGetIncome") == 2, "a window far back is empty"

    run(scene())
