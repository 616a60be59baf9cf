"""The multi-symbol isolated-margin account: cash, positions, reservations, ledger, performance.

Money is int64 units of 1e-8 quote and conserved exactly: the ledger's entries sum to the change of
cash after every event. ``equity = cash + unrealised``.
"""

from __future__ import annotations

from collections import deque

from envs.core.errors import LedgerError
from envs.core.events import EntryKind, LedgerEntry
from envs.core.position import PendingEntry, Position
from envs.core.rules.booking import Book, Fill, unrealised_quote
from envs.core.rules.rounding import from_units, to_units
from envs.core.rules.sizing import Contract
from envs.core.rules.state import PERFORMANCE_WINDOW
from envs.core.trade import ClosedTrade
from envs.core.types import ExitReason

MAX_UNITS = 2**53


class Account:
    """Cash and open business of one episode.

    ``marks`` holds the last mark of each symbol in unsigned float ticks; ``keep_ledger`` may be
    switched off for speed: totals are conserved all the same.
    """

    def __init__(
        self, start_quote: float, contracts: tuple[Contract, ...], keep_ledger: bool = True
    ) -> None:
        self.cash_units = to_units(start_quote)
        self.start_units = self.cash_units
        self.contracts = contracts
        self.keep_ledger = keep_ledger
        self.positions: dict[int, Position] = {}
        self.pending: dict[int, PendingEntry] = {}
        self.ledger: list[LedgerEntry] = []
        self.marks: list[float] = [0.0] * len(contracts)
        self.last_entry_ns: dict[int, int] = {}
        self.recent_r: deque[float] = deque(maxlen=PERFORMANCE_WINDOW)
        self.booked_units = 0

    def unrealised_quote(self) -> float:
        """Sum of unrealised profit at the last marks, in symbol order."""
        total = 0.0
        for s in sorted(self.positions):
            p = self.positions[s]
            total += unrealised_quote(p.levels.side, p.book, self.marks[s], self.contracts[s])
        return total

    def equity_quote(self) -> float:
        """Cash plus unrealised."""
        return from_units(self.cash_units) + self.unrealised_quote()

    def margin_units(self, without: int = -1) -> int:
        """Isolated margin in use and reserved, leaving out one symbol."""
        used = 0
        for s, p in self.positions.items():
            if s != without:
                used += p.book.margin
        for s, e in self.pending.items():
            if s != without:
                used += e.margin_units
        return used

    def gross_notional_quote(self, without: int = -1) -> float:
        """Notional of positions at mark and of pending entries, in symbol order."""
        total = 0.0
        for s in sorted(self.positions):
            if s != without:
                c, book = self.contracts[s], self.positions[s].book
                price = self.marks[s] * c.tick_num / c.tick_den
                total += price * (book.qty * c.step_num / c.step_den)
        for s in sorted(self.pending):
            if s != without:
                total += self.pending[s].notional_quote
        return total

    def risk_quote(self, without: int = -1) -> float:
        """Plain sum of losses at the stops, in symbol order; a stop in profit counts 0."""
        total = 0.0
        for s in sorted(self.positions):
            if s == without:
                continue
            c, p = self.contracts[s], self.positions[s]
            ticks = p.levels.entry - p.guard.stop
            if ticks > 0:
                price = ticks * c.tick_num / c.tick_den
                total += price * (p.book.qty * c.step_num / c.step_den)
        for s in sorted(self.pending):
            if s != without:
                total += from_units(self.pending[s].risk_units)
        return total

    def book(self, kind: EntryKind, symbol: str, units: int, now_ns: int, decision_id: str) -> None:
        """Change cash by one ledger entry.

        Raises:
            LedgerError: The amount or the balance leaves the range in which money is exact.
        """
        if units == 0:
            return
        cash = self.cash_units + units
        if not (-MAX_UNITS < units < MAX_UNITS and -MAX_UNITS < cash < MAX_UNITS):
            raise LedgerError(
                f"{symbol}: booking {units} units on {self.cash_units} exceeds 9e7 quote; "
                "amounts that large cannot be kept exact"
            )
        self.cash_units = cash
        self.booked_units += units
        if self.keep_ledger:
            self.ledger.append(LedgerEntry(now_ns, symbol, kind, units, decision_id))

    def book_fill(self, position: Position, before: Book, fill: Fill, now_ns: int) -> None:
        """Book one closing fill and record it as a leg."""
        book, decision = position.book, position.decision
        symbol, id_ = decision.symbol, decision.decision_id
        self.book(EntryKind.REALISED, symbol, fill.gross, now_ns, id_)
        if fill.reason == ExitReason.LIQUIDATION:
            self.book(EntryKind.INSURANCE, symbol, book.insurance - before.insurance, now_ns, id_)
            self.book(EntryKind.LIQUIDATION_FEE, symbol, -fill.fee, now_ns, id_)
        else:
            self.book(EntryKind.FEE, symbol, -fill.fee, now_ns, id_)
        position.add_leg(fill, now_ns)

    def close(self, s: int, truncated: bool = False) -> ClosedTrade:
        """Take a finished position off the books."""
        trade = self.positions.pop(s).closed(self.contracts[s], truncated)
        self.recent_r.append(trade.r_net)
        return trade

    def performance(self) -> tuple[float, int]:
        """Sum of net R of the last 20 closed trades and how many there are."""
        total = 0.0
        for r in self.recent_r:
            total += r
        return total, len(self.recent_r)
