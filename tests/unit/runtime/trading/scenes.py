"""Scenes that several tests of the kernel begin with."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.exchange.commands import Place
from runtime.exchange.orders import OrderRequest, OrderType, TimeInForce
from tests.unit.runtime.trading.desk import Rig, bars_of

OTHER = "ETHUSDT"
CALM_BARS = bars_of(10_000, 10_000, 10_000, 10_000, 10_000)


async def both(candidates: tuple[int, ...] = (0,)) -> Rig:
    """Positions in two contracts, protected."""
    rig = await Rig(CALM_BARS, more={OTHER: CALM_BARS}, candidates=candidates).start()
    await rig.vertex()
    assert sorted(rig.account.positions) == [0, 1]
    return rig


async def sold(rig: Rig, symbol: str, qty: int) -> None:
    """Somebody else sells at market."""
    ask = OrderRequest("somebody", symbol, -1, OrderType.MARKET, qty, 0, TimeInForce.GTC)
    await rig.session.submit(Place(ask))


async def killed_while_sending() -> Rig:
    """A process that was killed when its first entry was written down and not sent; the next."""
    rig = Rig(CALM_BARS)

    async def killed(real: Any, ask: Any) -> Any:
        raise asyncio.CancelledError

    rig.venue.spoil["place"] = killed
    with pytest.raises(asyncio.CancelledError):
        await rig.start()
    rig._begin()
    return rig
