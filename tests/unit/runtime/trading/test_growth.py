"""What a process that lives for months keeps in memory has an end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runtime.exchange.commands import Cancel, Place
from runtime.exchange.orders import OrderRequest, OrderType, TimeInForce
from runtime.trading.context import KEPT_TRADES
from tests.unit.runtime.trading.desk import SYMBOL, Rig, bars_of, run

LOSING = bars_of(9_500, 9_500)


async def traded() -> Rig:
    """One trade, closed by its stop."""
    rig = await Rig(LOSING).start()
    await rig.bar()
    assert len(rig.kernel.trades) == 1
    return rig


def test_closed_trades_by_the_clock_are_the_last_and_all_are_counted() -> None:
    async def work() -> None:
        rig = await traded()
        context, (trade,) = rig.kernel.context, rig.kernel.trades
        decision = rig.records("decision")[0].body["decision"]
        rig.by_clock()
        for k in range(KEPT_TRADES + 5):
            context.closed(replace(trade, exit_ns=trade.exit_ns + k), decision, [])
        assert len(rig.kernel.trades) == KEPT_TRADES
        assert rig.kernel.trades[-1].exit_ns == trade.exit_ns + KEPT_TRADES + 4
        assert context.closed_trades == KEPT_TRADES + 6
        assert rig.kernel.state()["books"]["closed"] == KEPT_TRADES + 6

    run(work())


def test_in_lockstep_all_are_there() -> None:
    async def work() -> None:
        rig = await traded()
        context, (trade,) = rig.kernel.context, rig.kernel.trades
        decision = rig.records("decision")[0].body["decision"]
        for _ in range(KEPT_TRADES):
            context.closed(trade, decision, [])
        assert len(rig.kernel.trades) == context.closed_trades == KEPT_TRADES + 1

    run(work())


def test_changes_of_the_emergency_stop_are_journalled_once_and_let_go() -> None:
    async def work() -> None:
        rig = await Rig(LOSING).start()
        stop = rig.kernel.parts.stop
        for k in range(3):
            stop.trip(1, f"OPERATOR:{k}", rig.kernel.context.now_ns)
            await rig.vertex()
            assert stop.events == []
        levels = [r.body["event"].level for r in rig.records("gate")]
        assert levels.count(1) >= 1
        assert len({id(r.body["event"]) for r in rig.records("gate")}) == len(levels)

    run(work())


def test_orders_of_others_are_forgotten_when_they_are_gone() -> None:
    async def work() -> None:
        rig = await Rig(bars_of(10_000, 10_000, 10_000), candidates=()).start()
        await rig.bar()

        async def foreign(name: str) -> Any:
            request = OrderRequest(
                name, SYMBOL, 1, OrderType.LIMIT, 100, 5_000, TimeInForce.GTC
            )  # fmt: skip
            await rig.session.submit(Place(request))

        for k in range(4):
            await foreign(f"somebody-{k}")
            for _ in range(2):
                await rig.kernel.reconcile()
            for order in rig.session.state.open_orders(SYMBOL):
                await rig.session.submit(Cancel(SYMBOL, order.order_id))
        told = [r.body["text"] for r in rig.records("foreign")]
        assert told == [f"order somebody-{k}: not ours" for k in range(4)]
        assert len(rig.kernel.reconciler._reported) == 1

    run(work())
