"""What one face did over a period, told in the same words by every face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from envs.core.account import Account
from envs.core.events import GateEvent, LedgerEntry
from envs.core.trade import ClosedTrade, Decision, ResolvedDecision, Skipped
from runtime.kernel_ports import Record
from runtime.trading import records

STEPS = "steps of the environment"
BOOKS = frozenset(
    {
        "decisions", "skipped decisions", "gate events", "ledger entries", "equity at closes",
        "closed trades", "learning", "final state",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Standing:
    """The account at one close: money in units of 1e-8 quote, equity in quote."""

    close_ns: int
    equity_quote: float
    cash_units: int
    held: int


@dataclass(frozen=True)
class SkippedDecision:
    """A decision that opened nothing, at the market time that was known of it."""

    decision_id: str
    time_ns: int
    reason: str


@dataclass(frozen=True)
class Learned:
    """A unit of learning and when it became due, market time."""

    time_ns: int
    resolved: ResolvedDecision


@dataclass(frozen=True)
class Step:
    """The account when an executable candidate is decided: equity and earnings in quote."""

    time_ns: int
    symbol: str
    side: int
    state: int
    equity_quote: float


@dataclass(repr=False)
class Tale:
    """Everything that is compared, in the order in which it happened.

    Attributes:
        face: env, compiled, sim, local.
        tells: chapters of ``chapters.CHAPTERS`` this face can tell.
        steps: the account at every step of an environment; kernels have no such steps.
        learned: units of learning, in the order in which they became due.
        ledger: every change of cash.
        cash_units: at the end.
        digests: of both agents at the end, by name.
        alarms: what the runtime wanted a person to look at; a clean run has none.
        bars: closes seen; ``seconds`` of wall time for the whole run.
        notes: what is worth reporting beside the comparison.
    """

    face: str
    tells: frozenset[str] = BOOKS
    decisions: list[Decision] = field(default_factory=list)
    trades: list[ClosedTrade] = field(default_factory=list)
    skipped: list[SkippedDecision] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    learned: list[Learned] = field(default_factory=list)
    standings: list[Standing] = field(default_factory=list)
    gate: list[GateEvent] = field(default_factory=list)
    ledger: list[LedgerEntry] = field(default_factory=list)
    cash_units: int = 0
    digests: dict[str, str] = field(default_factory=dict)
    alarms: list[str] = field(default_factory=list)
    bars: int = 0
    seconds: float = 0.0
    notes: dict[str, str | int | float] = field(default_factory=dict)

    def observe(self, record: Record) -> None:
        """Take in what a kernel tells its observers."""
        body = record.body
        if record.kind == records.DECISION:
            self.decisions.append(body["decision"])
        elif record.kind == records.TRADE:
            self.trades.append(body["trade"])
        elif record.kind == records.SKIP:
            self.skip(record.key, record.time_ns, body["skipped"])
        elif record.kind == records.RESOLVED:
            self.learned.append(Learned(record.time_ns, body["resolved"]))
        elif record.kind == records.GATE:
            self.gate.append(body["event"])
        elif record.kind in (records.ALARM, records.FOREIGN):
            self.alarms.append(f"{record.key}: {body.get('text', '')}")

    def skip(self, decision_id: str, time_ns: int, skipped: Skipped) -> None:
        """Note a decision that opened nothing."""
        self.skipped.append(SkippedDecision(decision_id, time_ns, skipped.reason))

    def closed_bar(self, close_ns: int, account: Account) -> None:
        """Note how the account stands at a close, which decisions taken there do not change."""
        self.standings.append(
            Standing(close_ns, account.equity_quote(), account.cash_units, len(account.positions))
        )
        self.bars += 1

    def end(self, account: Account, digests: dict[str, str]) -> None:
        """Note what is left when everything is closed."""
        self.ledger = list(account.ledger)
        self.cash_units = account.cash_units
        self.digests = digests

    def counts(self) -> dict[str, int]:
        """How much of everything there is."""
        reasons: Sequence[str] = [leg.reason.name for t in self.trades for leg in t.legs]
        return {
            "bars": self.bars, "decisions": len(self.decisions), "trades": len(self.trades),
            "skipped": len(self.skipped), "learned": len(self.learned),
            "ledger": len(self.ledger), "gate": len(self.gate), "alarms": len(self.alarms),
        } | {f"exits {name}": reasons.count(name) for name in sorted(set(reasons))}  # fmt: skip
