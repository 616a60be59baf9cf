"""A trader put together and ready to run: what every venue's function of this package yields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from runtime.bundle import Bundle
from runtime.journal.sql_journal import SqlJournal
from runtime.kernel import Kernel
from runtime.kernel_ports import Quote, Signals
from runtime.learning.learning import OnlineLearning
from runtime.ports import MarketFeed, Venue
from runtime.subsystems.emergency_stop import EmergencyStop
from runtime.wiring.plan import TradePlan
from runtime.wiring.state_folder import StateFolder


class Ended(StrEnum):
    """Why a run ended."""

    DATA = "the data ended"
    BARS = "as many bars closed as were asked for"
    ASKED = "stopped when asked"


class Drive(Protocol):
    """Moves the kernel through time."""

    async def prices(self) -> Mapping[str, Quote]:
        """Where the contracts stand before the run, as far as that is known."""
        ...

    async def run(self) -> Ended:
        """Drive until the market ends, enough bars closed, or ``stop`` was called."""
        ...

    def stop(self) -> None:
        """Let ``run`` return after the step under way."""
        ...

    async def settle(self) -> None:
        """Let what was sent last take effect, once ``run`` has returned."""
        ...


@dataclass
class Trader:
    """The parts of one run, opened; who opened it closes them.

    Attributes:
        drive: what moves the kernel.
        most_bars: closes there will be, 0 where that is not known.
        first_ns: close after which trading begins; 0 where it begins now.
        left: contracts still open when it ended.
        journal_name: where the journal is, without a password.
        files: what there is to look at afterwards, in words, and where.
    """

    plan: TradePlan
    bundle: Bundle
    folder: StateFolder
    kernel: Kernel
    drive: Drive
    venue: Venue
    feed: MarketFeed
    journal: SqlJournal
    signals: Signals
    learning: OnlineLearning
    emergency: EmergencyStop
    most_bars: int = 0
    first_ns: int = 0
    left: tuple[str, ...] = ()
    files: list[tuple[str, Path | str]] = field(default_factory=list)
    journal_name: str = ""

    async def run(self) -> Ended:
        """Recover, trade until the end or until ``stop``, and end in order.

        At the end of the data everything is closed there; a run that ends before it closes its
        positions or leaves them protected, as the plan says.
        """
        await self.kernel.start(await self.drive.prices())
        ended = await self.drive.run()
        if ended is not Ended.DATA:
            await self._end_early()
        await self.journal.close()
        return ended

    def stop(self) -> None:
        """End in order, soon."""
        self.drive.stop()

    async def _end_early(self) -> None:
        # Nothing is left of a simulation's exchange, so nothing can be left open at it.
        flatten = self.plan.venue == "sim" or self.plan.on_exit == "flatten"
        self.left = await self.kernel.stop(flatten=flatten)
        if self.left and flatten:
            await self.drive.settle()
            self.left = await self.kernel.stop(flatten=True)
