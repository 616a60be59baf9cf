"""Faults of all kinds at random: what the adapter says of an order is what the venue did."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from runtime.adapters.client_ids import client_id
from runtime.exchange.fault_kinds import FaultKind as K
from runtime.port_events import Filled
from runtime.port_values import Answer, NewOrder, NewTrigger, Outcome, Purpose
from tests.faults.adapter_rig import FAST, PRICE, SYMBOL, Rig, entry, eventually, rig, run

ORDERS = 14
ANY = (
    (K.DROP_BEFORE, 0.15, {}), (K.DROP_AFTER, 0.15, {}), (K.UNKNOWN_ERROR, 0.1, {"executed": True}),
    (K.TIMEOUT, 0.1, {"executed": False}), (K.EMPTY, 0.1, {}), (K.TRUNCATED, 0.1, {}),
    (K.GARBAGE, 0.05, {}), (K.DELAY_AFTER, 0.1, {"seconds": 0.1}),
)  # fmt: skip
STREAM = ((K.DUPLICATE, 0.2), (K.REORDER, 0.2), (K.POISON, 0.05), (K.MUTE, 0.15))
ENDPOINTS = ("POST /fapi/v1/order", "GET /fapi/v1/order", "DELETE /fapi/v1/order",
             "GET /fapi/v1/userTrades", "* /fapi/v1/algoOrder")  # fmt: skip
PATIENT = replace(
    FAST,
    reconcile_s=0.5,
    ask=replace(FAST.ask, search_s=6.0, deadline_s=6.0, floor_s=0.5, answer_s=0.3),
)


def _arm(r: Rig) -> None:
    for endpoint in ENDPOINTS:
        for kind, p, more in ANY:
            r.arm(kind, endpoint, count=None, probability=p / 2.0, **more)
    for kind, p in STREAM:
        r.arm(kind, stream="user", count=None, probability=p)


async def _trade(r: Rig, seed: int) -> dict[str, Answer]:  # type: ignore[type-arg]
    """Buy, rest, cancel and protect."""
    rng, answers = np.random.default_rng(seed), {}
    for i in range(ORDERS):
        name = entry(f"{seed}/{i}")
        what = int(rng.integers(3))
        if what == 0:
            answers[name] = await r.venue.place(NewOrder(name, SYMBOL, 1, 100))
        elif what == 1:
            resting = NewOrder(name, SYMBOL, 1, 100, PRICE - 100)
            answers[name] = await r.venue.place(resting)
            if rng.random() < 0.5:
                await r.venue.cancel(SYMBOL, name)
        else:
            name = client_id(f"{seed}/{i}", Purpose.STOP)
            answers[name] = await r.venue.place_trigger(NewTrigger(name, SYMBOL, -1, 100, 9_000))
    return answers


@pytest.mark.parametrize("seed", range(4))
def test_storm(seed: int, tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path, settings=PATIENT, seed=seed, timeout_ms=1_000) as r:
            _arm(r)
            answers = await _trade(r, seed)
            r.exchange.faults.disarm()
            state = r.exchange.session.state
            names = [o.client_id for o in state.orders.values()]
            names += [a.client_id for a in state.algos.values()]
            assert len(names) == len(set(names))
            assert set(names) <= set(answers)
            for name, answer in answers.items():
                if answer.outcome is Outcome.UNKNOWN:
                    answer = await r.venue.resolve(name)
                assert (answer.outcome is Outcome.ACCEPTED) == (name in names), answer
            await r.venue.reconcile()
            await eventually(lambda: sorted(r.fills()) == r.trades)
            told = [e.fill for e in r.hear() if isinstance(e, Filled)]
            stored = await r.store.fills(SYMBOL)
            assert sorted(told, key=lambda f: f.trade_id) == list(stored)
            assert sum(f.fee_units for f in stored) == sum(t.fee_units for t in state.ledger.trades)
            await r.venue._outbox.flush()
            assert await r.store.open_intents() == ()
            view = await r.venue.account()
            assert view.failures == ()
            open_ = {o.client_id for o in state.open_orders(SYMBOL)}
            assert {o.client_id for o in view.orders or ()} == open_
            kept = {v.client_id for v in await r.store.open_orders()}
            assert kept == open_ | {a.client_id for a in state.open_algos(SYMBOL)}

    run(scene())


def test_an_order_that_only_the_trades_know(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            r.arm(K.MUTE, stream="user", seconds=30.0)
            r.arm(K.DROP_AFTER, "POST /fapi/v1/order")
            r.arm(K.REFUSE, "GET /fapi/v1/order", code=-2013, message="none", count=4)
            answer = await r.buy("d")
            assert answer.outcome is Outcome.ACCEPTED
            assert r.exchange.faults.fired["refuse"] == 4

    run(scene())


def test_many_orders_at_once(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            answers = await asyncio.gather(*(r.buy(f"d{i}") for i in range(40)))
            assert {a.outcome for a in answers} == {Outcome.ACCEPTED}
            await eventually(lambda: sorted(r.fills()) == r.trades)
            assert len(r.trades) == 40
            states = [r.states(entry(f"d{i}")) for i in range(40)]
            assert all(s[-1] == "FILLED" and len(s) == len(set(s)) for s in states)

    run(scene())
