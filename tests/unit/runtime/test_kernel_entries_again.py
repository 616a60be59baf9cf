"""An entry that was written down and never sent: a start after a crash sends it, once."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.port_values import Intent, NewOrder, Outcome
from tests.unit.runtime.trading.desk import SYMBOL, Rig, run
from tests.unit.runtime.trading.scenes import CALM_BARS


class Died(BaseException):
    """The process is gone."""


def deaths(rig: Rig, *, after: bool = False) -> Any:
    """The next entry ends the process between its intent and its request, or after both."""

    async def spoilt(real: Any, ask: NewOrder) -> Any:
        if after:
            await real(ask)
        else:
            assert await rig.store.save_intent(Intent(ask, rig.session.now_ms))
        raise Died

    return spoilt


async def dying(rig: Rig, *, after: bool = False) -> None:
    """Start, and die at the first entry."""
    rig.venue.spoil["place"] = deaths(rig, after=after)
    with pytest.raises(Died):
        await rig.start()


def entries_of(rig: Rig) -> list[str]:
    """Entries the exchange ever had."""
    return [o.client_id for o in rig.session.state.orders.values() if "-e-" in o.client_id]


def test_an_entry_that_was_never_sent_is_sent_under_the_next_id() -> None:
    async def work() -> None:
        rig = Rig(CALM_BARS)
        await dying(rig)
        assert entries_of(rig) == []
        await rig.again()
        await rig.vertex()
        [name] = entries_of(rig)
        assert name.endswith("-1")
        assert rig.session.state.holdings[SYMBOL].book.qty == 10_000
        assert rig.account.positions[0].book.qty == 10_000
        assert rig.ticket.stop is not None

    run(work())


def test_it_is_sent_however_many_lives_end_there() -> None:
    async def work() -> None:
        rig = Rig(CALM_BARS)
        for _ in range(3):
            await dying(rig)
            rig._begin()
        await rig.start()
        await rig.vertex()
        [name] = entries_of(rig)
        assert name.endswith("-3")
        assert rig.account.positions[0].book.qty == 10_000

    run(work())


def test_one_that_the_second_life_sent_is_not_sent_by_the_third() -> None:
    async def work() -> None:
        rig = Rig(CALM_BARS)
        await dying(rig)
        rig._begin()
        await dying(rig, after=True)
        assert len(entries_of(rig)) == 1
        await rig.again()
        await rig.vertex()
        assert len(entries_of(rig)) == 1
        assert rig.session.state.holdings[SYMBOL].book.qty == 10_000
        assert rig.account.positions[0].book.qty == 10_000

    run(work())


def test_one_in_doubt_is_not_sent_again() -> None:
    async def work() -> None:
        rig = Rig(CALM_BARS)
        await dying(rig)
        rig._begin()

        async def unknown(real: Any, name: str) -> Any:
            answer = await real(name)
            return type(answer)(Outcome.UNKNOWN, name)

        rig.venue.spoil["resolve"] = unknown
        await rig.start()
        assert entries_of(rig) == []
        assert rig.ticket.entry_doubt

    run(work())
