"""The emergency stop in a runtime that trades: what it closes, what it forbids, what survives."""

from __future__ import annotations

from pathlib import Path

from envs.core.rules.limits import COOLING_DOWN, TRIPPED
from runtime.exchange.fault_kinds import FaultKind as K
from tests.faults.runtime_parts import Plan
from tests.faults.runtime_rig import Rig, quiet, rig, run, runtime_on, venue_for

ORDERS = "POST /fapi/v1/order"


async def open_something(r: Rig) -> list[str]:
    """Trade until there is a position; returns the contracts held."""
    for _ in range(20):
        await r.bar()
        held = [s for s in r.venue.plan.shape.symbols if r.venue.held(s)]
        if held:
            return held
    raise AssertionError("nothing was opened")


def test_a_close_that_is_refused_twice_is_tried_until_flat(tmp_path: Path) -> None:
    async def main() -> None:
        async with rig(quiet(Plan(tmp_path))) as r:
            held = await open_something(r)
            r.venue.arm(K.REFUSE, ORDERS, code=-1008, status=503, count=2 * len(held))
            stop = r.runtime.stop
            stop.trip(3, "OPERATOR:1", r.venue.session.now_ns, "test")
            await r.step()
            assert r.venue.fired(K.REFUSE) > 0
            assert any(r.venue.held(s) for s in held)
            assert (stop.ess.state, stop.acting_level) == (TRIPPED, 3)
            for _ in range(12):
                await r.step()
            assert not any(r.venue.held(s) for s in held)
            # An exit whose outcome was not told is cleared up by asking the venue.
            await r.kernel.reconcile()
            await r.step()
            assert stop.ess.state == COOLING_DOWN
            trades = len(r.kernel.trades)
            await r.bar(3)
            assert not any(r.venue.held(s) for s in r.venue.plan.shape.symbols)
            assert len(r.kernel.trades) == trades
            await r.verify()

    run(main())


def test_a_trip_survives_a_restart_and_forbids_entries(tmp_path: Path) -> None:
    async def main() -> None:
        async with venue_for(quiet(Plan(tmp_path))) as venue:
            async with runtime_on(venue) as first:
                await first.bar(2)
                first.runtime.stop.feed_age("X", 61.0, venue.session.now_ns)
                await first.step()
                assert first.runtime.stop.ess.state == TRIPPED
            async with runtime_on(venue) as second:
                stop = second.runtime.stop
                # The contract is not watched any more: nothing can tell that it is fresh again.
                assert (stop.ess.level, stop.active) == (1, False)
                orders = len(venue.session.state.orders)
                await second.bar(3)
                entries = [
                    o for o in list(venue.session.state.orders.values())[orders:]
                    if not o.reduce_only
                ]  # fmt: skip
                assert entries == []
                kinds = {(e.kind, e.key) for e in second.runtime.journal.read(["ess"])}
                assert {("ess", "TRIPPED"), ("ess", "CAUSE_GONE"), ("ess", "COOLING_DOWN")} <= kinds
                await second.verify()

    run(main())
