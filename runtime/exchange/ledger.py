"""The venue's wallet: every change is an income row, and the rows sum to the change exactly."""

from __future__ import annotations

from envs.core.rules.rounding import to_units
from runtime.exchange.orders import Income, IncomeType, Trade

KEPT = 10_000
"""At least so many of the last rows are kept: an exchange forgets old history too."""


class Ledger:
    """Wallet in units of 1e-8 quote, the last income rows and trades in order of time.

    ``forgotten_units`` is what the income rows no longer kept summed to.
    """

    def __init__(self, start_quote: float, kept: int = KEPT) -> None:
        self.start_units = to_units(start_quote)
        self.wallet_units = self.start_units
        self.forgotten_units = 0
        self.n_income = self.n_trades = 0
        self.income: list[Income] = []
        self.trades: list[Trade] = []
        self._kept = kept

    def book(
        self, kind: IncomeType, symbol: str, units: int, now_ns: int, trade_id: int = 0,
        info: str = "",
    ) -> None:  # fmt: skip
        """Change the wallet; nothing is written for 0."""
        if units == 0:
            return
        self.wallet_units += units
        self.n_income += 1
        self.income.append(Income(self.n_income, kind, symbol, units, now_ns, trade_id, info))
        if len(self.income) > 2 * self._kept:
            self.forgotten_units += sum(i.units for i in self.income[: self._kept])
            del self.income[: self._kept]

    @property
    def booked_units(self) -> int:
        """Sum of all income rows there ever were; always wallet minus start."""
        return self.forgotten_units + sum(row.units for row in self.income)

    def add(self, trade: Trade) -> None:
        """Keep a trade; its id must be ``next_trade_id``."""
        self.n_trades = trade.trade_id
        self.trades.append(trade)
        if len(self.trades) > 2 * self._kept:
            del self.trades[: self._kept]

    def next_trade_id(self) -> int:
        """Trade ids count from 1 without a gap."""
        return self.n_trades + 1
