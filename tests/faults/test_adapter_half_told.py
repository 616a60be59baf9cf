"""An order of which the stream has told the beginning only, while its own answer was lost.

The first message of a market order says NEW; what it filled is told by the next one. Where that
one is lost too, the venue has to be asked: an order without a price never rests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runtime.exchange.fault_kinds import FaultKind as K
from runtime.port_values import NewOrder, OrderStatus, OrderView, Outcome
from tests.faults.adapter_rig import PRICE, SYMBOL, Rig, entry, eventually, rig, run

POST, GET = "POST /fapi/v1/order", "GET /fapi/v1/order"
LOST = [(K.DROP_AFTER, {}), (K.EMPTY, {}), (K.DELAY_AFTER, {"seconds": 1.0})]


def lose(r: Rig, kind: K, **more: Any) -> None:
    """The answer of the next order, and everything the stream tells of it but the first message."""
    r.arm(kind, POST, **more)
    r.arm(K.MUTE, stream="user:ORDER_TRADE_UPDATE", skip=1)


@pytest.mark.parametrize(("kind", "more"), LOST)
def test_a_market_order_is_not_open_because_its_first_message_says_so(
    kind: K, more: dict[str, Any], tmp_path: Path
) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            lose(r, kind, **more)
            answer = await r.buy("d")
            assert answer.outcome is Outcome.ACCEPTED
            assert answer.view.status is OrderStatus.FILLED
            assert answer.view.filled_steps == 100
            # The stream owes its fill: nobody waits for the next comparison by the clock.
            await eventually(lambda: r.fills() == r.trades)

    run(scene())


def test_a_market_order_that_cannot_be_asked_for_is_in_doubt(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            lose(r, K.EMPTY)
            r.arm(K.STATUS, GET, count=None, status=502, body="Bad Gateway")
            assert (await r.buy("d")).outcome is Outcome.UNKNOWN
            r.exchange.faults.disarm()
            found = (await r.venue.resolve(entry("d"))).view
            assert isinstance(found, OrderView)
            assert found.status is OrderStatus.FILLED

    run(scene())


def test_a_limit_order_rests_as_the_stream_says(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            r.arm(K.EMPTY, POST)
            r.arm(K.STATUS, GET, count=None, status=502, body="Bad Gateway")
            ask = NewOrder(entry("d"), SYMBOL, 1, 100, PRICE - 100)
            answer = await r.venue.place(ask)
            assert answer.view is not None
            assert answer.view.status is OrderStatus.NEW

    run(scene())
