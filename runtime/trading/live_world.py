"""The live face of the core: an account whose fills come from a venue, as a desk reads it."""

from __future__ import annotations

from envs.core.account import Account
from envs.core.position import PendingEntry
from envs.core.series import MarketSeries
from envs.core.settings import CoreSettings
from runtime.kernel_ports import Signals
from runtime.subsystems.emergency_stop import EmergencyStop


class LiveWorld:
    """``envs.core.traded.TradedWorld`` over signals, an account and the emergency stop.

    It holds no rule and moves nothing: rows come from the signals, money from the books.

    Attributes:
        account: the account.
        gate: the order gate.
    """

    def __init__(
        self, settings: CoreSettings, signals: Signals, account: Account, stop: EmergencyStop
    ) -> None:
        self.settings, self._signals = settings, signals
        self.account, self.gate = account, stop

    @property
    def data(self) -> MarketSeries:
        """Market columns; rows after ``row`` are not read."""
        return self._signals.data

    @property
    def row(self) -> int:
        """The bar that closed last."""
        return self._signals.row

    @property
    def last_row(self) -> int:
        """The last bar there will be."""
        return self._signals.last_row

    @property
    def interval_ns(self) -> int:
        """Length of a bar."""
        return self.data.market.interval_ns

    @property
    def now_ns(self) -> int:
        """Close of the present row, int64 UTC nanoseconds."""
        return self._signals.data.market.close_ns.item(self._signals.row)

    def send(self, s: int, entry: PendingEntry) -> None:
        """Reserve an entry decided at this close."""
        self.account.pending[s] = entry
