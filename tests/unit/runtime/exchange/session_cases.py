"""Sessions on a small swinging market, and how tests wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from runtime.exchange.market import ExchangeMarket
from runtime.exchange.settings import ExchangeSettings
from tests.unit.runtime.exchange.cases import CALM, FLAT, market_of

LOCKSTEP = ExchangeSettings(symbols=("A",), speed="lockstep", core=CALM)
TIMED = ExchangeSettings(symbols=("A",), speed=600.0, tick_s=60.0, core=CALM)
SWING = (10_000, 10_400, 9_700, 10_100)


def swinging(n: int = 8, tick_s: float = 60.0) -> ExchangeMarket:
    """A flat bar and then equal swings."""
    return market_of({"A": [FLAT, *[SWING] * (n - 1)]}, tick_s=tick_s)


async def until(true: Callable[[], object]) -> None:
    """Let others run until something holds."""
    for _ in range(200_000):
        if true():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came")


def played(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine to its end, a minute at most."""
    asyncio.run(asyncio.wait_for(work(), 60))
