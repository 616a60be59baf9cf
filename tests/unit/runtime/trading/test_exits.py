"""The way out is never blocked: not by an error, not by what never comes."""

from __future__ import annotations

from typing import Any

import pytest

from envs.core.types import ExitReason
from runtime.port_errors import StoreUnavailable
from runtime.port_values import Answer
from tests.unit.runtime.trading.desk import Rig, bars_of, run


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
            from runtime.port_values import Outcome

            return Answer(Outcome.ACCEPTED, ask.client_id)

        rig.venue.real.wait = storm
        rig.venue.spoil["place"] = swallowed
        await rig.kernel.exits.send(0, int(ExitReason.TIME))
        assert waits < 200

    run(work())
