"""A trader put together and ready to run: what every venue's function of this package yields."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from runtime.bundle import Bundle
    from runtime.kernel_ports import Journal, Learning, Signals
    from runtime.ports import Store, Venue
    from runtime.wiring.plan import TradePlan


class Driver(Protocol):
    """Moves a kernel through time: bars and quotes in, until there are no more."""

    async def run(self, until: asyncio.Event | None = None, max_bars: int | None = None) -> int:
        """Drive until the data ends, ``until`` is set, or ``max_bars`` closed; returns closes."""
        ...


@dataclass
class Trader:
    """The parts of one run, opened; ``run`` drives them, ``close`` belongs to who opened it.

    Attributes:
        kernel: ``runtime.kernel.Kernel``.
        driver: what moves it.
        ended: why it ended: ``data``, ``bars``, ``asked``; empty while it runs.
    """

    plan: TradePlan
    bundle: Bundle
    kernel: Any
    driver: Driver
    venue: Venue
    store: Store
    journal: Journal
    signals: Signals
    learning: Learning
    ended: str = ""

    async def run(self, until: asyncio.Event | None = None) -> int:
        """Recover, trade until the end or until asked to stop, and finish; returns bar closes."""
        raise NotImplementedError
