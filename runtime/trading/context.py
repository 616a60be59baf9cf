"""What the parts of trading share: the ports, the books, and the market time of this moment."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from envs.core.series import MarketSeries
from envs.core.settings import CoreSettings
from envs.core.trade import ClosedTrade, Decision, ResolvedDecision, ResolvedLabel, Skipped
from envs.core.types import ExitReason
from envs.core.view import DecisionView
from runtime.journal.levels import why_nothing
from runtime.kernel_ports import Journal, Learning, Record, Signals
from runtime.port_market import Bar
from runtime.ports import Venue
from runtime.subsystems.emergency_stop import EmergencyStop
from runtime.trading import records
from runtime.trading.at_once import AtWork
from runtime.trading.books import Books
from runtime.trading.tickets import is_adopted

Observer = Callable[[Record], None]
KEPT_TRADES = 1_000
"""Closed trades held in memory by the clock."""


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
    new risk anywhere, ``wallet_off`` by how many units the venue's wallet differs without a reason,
    which has the same effect. ``trades`` holds the closed ones since the start, by the clock the
    last of them only; ``closed_trades`` counts them. ``observers`` hear every record, ``listeners``
    those of a kind.
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
    wallet_off: int = 0
    observers: list[Observer] = field(default_factory=list)
    listeners: dict[str, list[Observer]] = field(default_factory=dict)
    trades: list[ClosedTrade] = field(default_factory=list)
    closed_trades: int = 0
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
        for s in self.books.account.positions:  # noqa: SIM110 - asked for every candidate
            if self.symbols[s] not in known:
                return False
        return True

    def barred(self, symbol: str) -> str:
        """Why the venue's word allows no entries of a contract; empty where it does."""
        if symbol in self.unsure:
            return "STATE_UNKNOWN"
        if self.wrong_mode:
            return "ACCOUNT_MODE"
        if self.wallet_off:
            return "WALLET_UNEXPLAINED"
        shut = self.venue.health().shut.get(symbol)
        return "" if shut is None else shut.reason

    def slip(self, s: int) -> float:
        """Slippage fraction of fills after the last close."""
        return self.data.slip_next[s][self.signals.row]

    def observe(self, observer: Observer, kinds: Collection[str] | None = None) -> None:
        """Let an observer hear the records of some kinds, or (None) all of them.

        A coarse journal keeps few records, and what nobody wants is not even made.
        """
        if kinds is None:
            self.observers.append(observer)
        for kind in kinds or ():
            self.listeners.setdefault(kind, []).append(observer)

    def tell(self, record: Record) -> None:
        """Journal something and show it to whoever watches."""
        self.dirty = True
        self.journal.add(record)
        for observer in self.observers:
            observer(record)
        for listener in self.listeners.get(record.kind, ()):
            listener(record)

    def wants(self, kind: str, time_ns: int, why: str = "") -> bool:
        """Whether anybody wants a record of something; else the journal has counted it.

        ``why`` a decision sent nothing (``Journal.leaves_out``).
        """
        self.dirty = True
        if self.observers or kind in self.listeners:
            return True
        return not self.journal.leaves_out(kind, time_ns, why)

    def closed_bars(self, close_ns: int, bars: Sequence[Bar]) -> None:
        """Journal the bars of a close."""
        if self.wants(records.BAR, close_ns):
            self.tell(records.bar_record(close_ns, bars))

    def resolved(self, units: Sequence[ResolvedDecision]) -> Sequence[ResolvedDecision]:
        """Journal units of learning before they are learned; returns them."""
        for unit in units:
            if self.wants(records.RESOLVED, self.now_ns):
                self.tell(records.resolved_record(self.now_ns, unit))
        return units

    def learned(
        self, close_ns: int, units: Sequence[ResolvedDecision],
        labels: Sequence[Sequence[ResolvedLabel]],
    ) -> None:  # fmt: skip
        """Journal a step of learning that was taken: with what comes next, not by itself.

        By the clock others look and commit while the models are asked.
        """
        dirty = self.dirty
        if (units or labels) and self.wants(records.LEARNED, close_ns):
            self.tell(records.learned_record(close_ns, units, labels))
        self.dirty = dirty

    def decided(self, view: DecisionView, decision: Decision) -> None:
        """Journal a candidate as it was seen and decided."""
        if self.wants(records.DECISION, view.bar_close_ns, why_nothing(decision)):
            self.tell(records.decision_record(view, decision))

    def alarm(self, about: str, text: str) -> None:
        """Journal something a person should look at."""
        self.tell(records.alarm_record(self.now_ns, about, text))

    def skipped(self, decision: Decision, reason: str) -> None:
        """Resolve a decision that opened nothing."""
        skipped = Skipped(reason)
        if self.wants(records.SKIP, self.now_ns, why_nothing(decision)):
            self.tell(records.skip_record(self.now_ns, decision, skipped))
        self.learning.outcome(decision, skipped)

    def closed(self, trade: ClosedTrade, decision: Decision, stops: list[tuple[int, int]]) -> None:
        """Resolve a decision whose position is flat; one the end of data closed is truncated."""
        if trade.reason is ExitReason.END:
            trade = replace(trade, truncated=True)
        self.trades.append(trade)
        self.closed_trades += 1
        if not self.options.in_turn:
            # By the clock a process lives for months; the journal has them all.
            del self.trades[:-KEPT_TRADES]
        self.stop.trade_closed()
        self.tell(records.trade_record(trade, stops))
        if not is_adopted(decision.decision_id):
            self.learning.outcome(decision, trade)
