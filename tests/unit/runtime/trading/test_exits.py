"""The way out is never blocked: not by an error, not by what never comes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from envs.core.types import ExitReason
from runtime.exchange.commands import CloseExternally
from runtime.port_errors import StoreUnavailable
from runtime.port_values import Answer, OrderStatus, Outcome
from tests.unit.runtime.trading.desk import SYMBOL, Rig, bars_of, run


async def held() -> Rig:
    """A position that was entered and is protected."""
    rig = await Rig(bars_of(10_000, 10_000, 10_000)).start()
    await rig.vertex()
    assert rig.account.positions
    return rig


def test_an_exit_that_broke_on_the_way_is_sent_again() -> None:
    async def work() -> None:
        rig = await held()

        async def broken(real: Any, ask: Any) -> Answer[Any]:
            raise StoreUnavailable("the disk is gone")

        rig.venue.spoil["place"] = broken
        with pytest.raises(StoreUnavailable):
            await rig.kernel.exits.send(0, int(ExitReason.EMERGENCY))
        rig.venue.spoil.clear()
        await rig.kernel.exits.send(0, int(ExitReason.EMERGENCY))
        assert not rig.session.state.holdings

    run(work())


def test_a_storm_of_events_does_not_keep_the_next_one_waiting() -> None:
    async def work() -> None:
        rig = await held()
        waits = 0

        async def storm(seconds: float) -> bool:
            nonlocal waits
            waits += 1
            return True

        async def swallowed(real: Any, ask: Any) -> Answer[Any]:
            return Answer(Outcome.ACCEPTED, ask.client_id)

        rig.venue.real.wait = storm
        rig.venue.spoil["place"] = swallowed
        await rig.kernel.exits.send(0, int(ExitReason.TIME))
        assert waits < 200

    run(work())


@pytest.mark.parametrize("heard", [True, False], ids=["accepted", "closed before"])
def test_an_exit_whose_fill_nobody_told_is_found_by_the_watch(heard: bool) -> None:
    async def work() -> None:
        rig = (await held()).by_clock()
        rig.venue.take_events = lambda: ()
        if not heard:
            # The stop fired, or somebody else was faster: -2022, nothing is left to reduce.
            await rig.session.submit(CloseExternally(SYMBOL))
        p = rig.account.positions[0]
        p.guard = p.guard._replace(order=int(ExitReason.EMERGENCY))
        await rig.kernel.exits.send(0, int(ExitReason.EMERGENCY))
        assert (rig.ticket.exit is not None) == heard
        assert not rig.session.state.holdings
        await rig.kernel.watch()
        assert rig.kernel.trades[-1].qty_steps == 10_000
        assert rig.account.cash_units == rig.session.state.ledger.wallet_units

    run(work())


def test_an_exit_that_ended_short_is_sent_again_though_the_stream_is_deaf() -> None:
    async def work() -> None:
        rig = (await held()).by_clock()

        async def short(real: Any, ask: Any) -> Answer[Any]:
            answer = await real(replace(ask, qty_steps=4_000))
            return replace(answer, view=replace(answer.view, status=OrderStatus.EXPIRED))

        rig.venue.take_events = lambda: ()
        rig.venue.spoil["place"] = short
        await rig.kernel.exits.send(0, int(ExitReason.EMERGENCY))
        rig.venue.spoil.clear()
        await rig.kernel.exits.send(0, int(ExitReason.EMERGENCY))
        assert not rig.session.state.holdings

    run(work())
