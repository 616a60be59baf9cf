"""``async with open_trader(plan) as trader``: a trader of any venue."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from runtime.wiring.plan import TradePlan
from runtime.wiring.trader import Trader


def open_trader(plan: TradePlan, typed: str = "") -> AbstractAsyncContextManager[Trader]:
    """Open everything ``plan`` needs: state folder, lock, journal, venue, signals, kernel.

    Sim runs in process; local starts the built-in exchange as a child unless ``exchange_url`` is
    given, and stops it; demo and live speak to the exchange. Leaving the context closes all parts
    and leaves orders at the venue as they are. ``typed`` is the confirmation of live trading.

    Raises (entering):
        FixInput, FixSettings, FixData, RefusedArtifact: What must be mended first (exit code 2).
        VenueUnavailable, StoreUnavailable, CoreFailed: A core service did not start (3).
    """
    if plan.venue == "sim":
        from runtime.wiring.sim import open_sim

        return open_sim(plan)
    if plan.venue == "local":
        from runtime.wiring.local import open_local

        return open_local(plan)
    from runtime.wiring.demo import open_demo

    return open_demo(plan, typed)
