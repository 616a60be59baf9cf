"""By the clock: an entry of which only the beginning is told, in a market that settles funding.

Nothing but a question can say what it filled; until then it is bare, and its funding nobody's.
"""

from __future__ import annotations

from pathlib import Path

from runtime.exchange.fault_kinds import FaultKind as K
from tests.faults.runtime_market import SYMBOLS, Shape
from tests.faults.runtime_parts import Plan
from tests.faults.runtime_rig import eventually, faults_of, run
from tests.faults.runtime_timed import BUSY, settle, timed

A = SYMBOLS[0]
SHAPE = Shape(seed=9, interval_s=3, bars=40, symbols=(A,), stamps_every=1)


def test_an_entry_that_is_told_by_halves_is_found_and_has_its_funding(tmp_path: Path) -> None:
    async def scene() -> None:
        async with timed(Plan(tmp_path, SHAPE, at_once=False)) as made:
            made.venue.arm(K.DELAY_AFTER, "POST /fapi/v1/order", seconds=5.0)
            made.venue.arm(K.MUTE, stream="user:ORDER_TRADE_UPDATE", skip=1)
            made.begin()
            await eventually(lambda: made.venue.fired(K.MUTE) == 1, 20.0)
            assert made.venue.fired(K.DELAY_AFTER) == 1
            kernel = made.runtime.kernel
            books = kernel.context.books.account
            await eventually(lambda: bool(books.positions or kernel.trades), 20.0)
            found = await settle(made, 20.0, BUSY)
            found = found or await faults_of(made.venue, made.runtime, BUSY, ended=True)
            assert not found, "\n".join(found)

    run(scene(), 90.0)
