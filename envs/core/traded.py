"""What a desk and an observation read of the world they trade in, simulated or live."""

from __future__ import annotations

from typing import Protocol

from envs.core.account import Account
from envs.core.position import PendingEntry
from envs.core.rules.limits import Drawdowns
from envs.core.series import MarketSeries


class GateView(Protocol):
    """What the order gate allows now; ``max_positions`` outside recovery."""

    max_positions: int

    @property
    def active(self) -> bool:
        """Whether new entries may be sent."""
        ...

    @property
    def position_limit(self) -> int:
        """Most positions and pending entries."""
        ...

    @property
    def size_factor(self) -> float:
        """Reducing factor of the emergency stop."""
        ...

    @property
    def drawdowns(self) -> Drawdowns:
        """Drawdowns of the last evaluation."""
        ...


class TradedWorld(Protocol):
    """A market, an account in it, and the row that closed last."""

    @property
    def data(self) -> MarketSeries:
        """Market columns; rows after ``row`` must not be read."""
        ...

    @property
    def account(self) -> Account:
        """The account."""
        ...

    @property
    def gate(self) -> GateView:
        """Its order gate."""
        ...

    @property
    def row(self) -> int:
        """The bar that closed last."""
        ...

    @property
    def last_row(self) -> int:
        """The last bar there will be."""
        ...

    @property
    def now_ns(self) -> int:
        """Its close, int64 UTC nanoseconds."""
        ...

    def send(self, s: int, entry: PendingEntry) -> None:
        """Reserve an entry that was decided now."""
        ...
