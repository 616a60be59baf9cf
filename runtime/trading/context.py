"""What the parts of trading share: the ports, the books, and the market time of this moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from envs.core.series import MarketSeries
from envs.core.settings import CoreSettings
from envs.core.trade import ClosedTrade, Decision, Skipped
from envs.core.types import ExitReason
from runtime.kernel_ports import Journal, Learning, Record, Signals
from runtime.ports import Venue
from runtime.subsystems.emergency_stop import EmergencyStop
from runtime.trading import records
from runtime.trading.at_once import AtWork
from runtime.trading.books import Books
from runtime.trading.tickets import is_adopted

Observer = Callable[[Record], None]


@dataclass(frozen=True)
class TradingOptions:
    """Times of trading.

    Attributes:
        settle_s: wall seconds to wait for the fills of a market order that was accepted.
        protect_deadline_s: market seconds a position may be without a confirmed stop.
        decide_within_s: market seconds after a close within which it may be decided on.
        in_turn: send the entries of a close one after the other (lockstep), not at once.
        full: journal every signal, not the candidates alone.
    """

    settle_s: float = 1.0
    protect_deadline_s: float = 5.0
    decide_within_s: float = 60.0
    in_turn: bool = True
    full: bool = True


@dataclass
class Context:
    """Shared by the parts of one kernel; ``now_ns`` is market time.

    ``at_work`` holds what is under way for a contract, by the clock only. ``unsure`` names
    contracts without known state and why: no new risk there. ``wrong_mode`` says why there is no
    new risk anywhere.
    """

    settings: CoreSettings
    account_name: str
    symbols: tuple[str, ...]
    venue: Venue
    journal: Journal
    signals: Signals
    learning: Learning
    stop: EmergencyStop
    books: Books
    options: TradingOptions
    now_ns: int = 0
    unsure: dict[str, str] = field(default_factory=dict)
    wrong_mode: str = ""
    observers: list[Observer] = field(default_factory=list)
    trades: list[ClosedTrade] = field(default_factory=list)
    dirty: bool = False
    at_work: AtWork = field(default_factory=AtWork)

    @property
    def data(self) -> MarketSeries:
        """Market columns up to the present row."""
        return self.signals.data

    @property
    def can_value(self) -> bool:
        """Whether every position has a price; right after a start some may have none yet."""
        known = self.books.quotes
        return all(self.symbols[s] in known for s in self.books.account.positions)

    def slip(self, s: int) -> float:
        """Slippage fraction of fills after the last close."""
        return self.data.slip_next[s][self.signals.row]

    def tell(self, record: Record) -> None:
        """Journal something and show it to whoever watches."""
        self.dirty = True
        self.journal.add(record)
        for observer in self.observers:
            observer(record)

    def alarm(self, about: str, text: str) -> None:
        """Journal something a person should look at."""
        self.tell(records.alarm_record(self.now_ns, about, text))

    def skipped(self, decision: Decision, reason: str) -> None:
        """Resolve a decision that opened nothing."""
        skipped = Skipped(reason)
        self.tell(records.skip_record(self.now_ns, decision, skipped))
        self.learning.outcome(decision, skipped)

    def closed(self, trade: ClosedTrade, decision: Decision, stops: list[tuple[int, int]]) -> None:
        """Resolve a decision whose position is flat; one the end of data closed is truncated."""
        if trade.reason is ExitReason.END:
            trade = replace(trade, truncated=True)
        self.trades.append(trade)
        self.stop.trade_closed()
        self.tell(records.trade_record(trade, stops))
        if not is_adopted(decision.decision_id):
            self.learning.outcome(decision, trade)
