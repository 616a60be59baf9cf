"""A market that moves when it is told to, and what a driver asks of the kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from envs.core.quick import quick
from runtime.kernel_ports import Quote
from runtime.port_market import Bar

OPEN, FIRST, SECOND, CLOSE = range(4)


@quick
@dataclass(frozen=True)
class Step:
    """Where the market stands after an advance.

    ``index`` is the vertex: 0 open, 1 and 2 the extremes, 3 close; ``quotes`` by symbol, those of
    contracts without a bar as they were. ``bars`` closed here, one per contract that traded, by
    name; empty unless ``index`` is 3. ``ended`` says that the market has no next vertex.
    """

    index: int
    now_ns: int
    quotes: Mapping[str, Quote]
    bars: tuple[Bar, ...]
    ended: bool


class Stepper(Protocol):
    """Moves a market by vertices; while the account is flat from close to close."""

    @property
    def ended(self) -> bool:
        """Whether there is no next vertex."""
        ...

    async def begin(self) -> Step:
        """Where the market stands, with the bars that close there. Once, before advance.

        A kernel that was killed acts on this vertex again: nothing it did there is done twice.
        """
        ...

    async def advance(self) -> Step:
        """Go on; what happened at the venue on the way can then be taken from it.

        Raises:
            FixInput: The market has ended, or it does not run in lockstep.
            VenueUnavailable: The venue did not answer.
        """
        ...


class Stepped(Protocol):
    """What ``LockstepDriver`` asks of the kernel; ``bar_ns`` is the last close it knows."""

    @property
    def bar_ns(self) -> int:
        """Close of the last bar received, 0 before the first."""
        ...

    async def on_vertex(self, now_ns: int, index: int, quotes: Mapping[str, Quote]) -> None:
        """Act on what happened up to a vertex."""
        ...

    async def on_close(self, close_ns: int, bars: Sequence[Bar]) -> None:
        """Decide on the bars that close here; after ``on_vertex`` of the close."""
        ...

    async def finish(self) -> None:
        """Close what is still open: the market has ended."""
        ...
