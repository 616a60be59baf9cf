"""``async with open_trader(plan) as trader``: a trader of any venue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runtime.wiring.plan import TradePlan
from runtime.wiring.trader import Trader


@asynccontextmanager
async def open_trader(plan: TradePlan) -> AsyncIterator[Trader]:
    """Open everything ``plan`` needs: state folder, lock, journal, venue, signals, kernel.

    Sim runs in process; local starts the built-in exchange as a child unless ``exchange_url`` is
    given, and stops it; demo and live speak to the exchange. Leaving the context closes all parts
    and leaves orders at the venue as they are.

    Raises:
        FixInput, FixSettings, FixData, RefusedArtifact: What must be mended first (exit code 2).
        CoreFailed: A core service did not start (exit code 3).
    """
    raise NotImplementedError
    yield
