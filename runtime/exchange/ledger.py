"""The venue's wallet: every change is an income row, and the rows sum to the change exactly."""

from __future__ import annotations

from envs.core.rules.rounding import to_units
from runtime.exchange.orders import Income, IncomeType, Trade


class Ledger:
    """Wallet in units of 1e-8 quote, income rows and trades, in order of time."""

    def __init__(self, start_quote: float) -> None:
        self.start_units = to_units(start_quote)
        self.wallet_units = self.start_units
        self.income: list[Income] = []
        self.trades: list[Trade] = []

    def book(
        self, kind: IncomeType, symbol: str, units: int, now_ns: int, trade_id: int = 0,
        info: str = "",
    ) -> None:  # fmt: skip
        """Change the wallet; nothing is written for 0."""
        if units == 0:
            return
        self.wallet_units += units
        row = Income(len(self.income) + 1, kind, symbol, units, now_ns, trade_id, info)
        self.income.append(row)

    def next_trade_id(self) -> int:
        """Trade ids count from 1 without a gap."""
        return len(self.trades) + 1
