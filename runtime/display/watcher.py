"""Follows a kernel by its records: counts, sums and the last of each kind, for view and summary."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any

from envs.core.actions import ActionPreset
from envs.core.rules.rounding import from_units
from envs.core.trade import ClosedTrade, Decision, Skipped
from envs.core.types import ExitReason, ExitStrategy
from runtime.display.snapshot import DecisionLine, Learned, Totals, TradeLine
from runtime.display.words import utc
from runtime.kernel_ports import Record
from runtime.trading import records

_LAST = 12
_CURVE = 100_000
_OPENED = "opened"


class Watcher:
    """An observer of a kernel; it only reads, and costs a few microseconds a record.

    Args:
        preset: names the actions.
        equity: present equity in quote, asked at every close.

    Attributes:
        kinds: of the records it follows.
    """

    def __init__(self, preset: ActionPreset, equity: Callable[[], float]) -> None:
        self._preset, self._equity = preset, equity
        self.bars = 0
        self.now_ns = 0
        self.start = 0.0
        self.curve: deque[float] = deque(maxlen=_CURVE)
        self._decided_last: deque[Decision] = deque(maxlen=_LAST)
        self.trades: deque[TradeLine] = deque(maxlen=_LAST)
        self.alarms: deque[tuple[int, str, str]] = deque(maxlen=_LAST)
        self.alarm_count = 0
        self._reasons: Counter[str] = Counter()
        self._exits: Counter[str] = Counter()
        self._sent: set[str] = set()
        self._sums = [0.0] * 5
        self._trades = self._wins = self._forced = self._decisions = 0
        self._resolved = 0
        self._last_resolved = ""
        self._peak = self._deepest = 0.0
        self._kinds: Mapping[str, Callable[[Record], None]] = {
            records.RUN: self._began,
            records.BAR: self._bar,
            records.RESOLVED: self._learn,
            records.DECISION: self._decided,
            records.SKIP: self._skipped,
            records.TRADE: self._closed,
            records.ALARM: self._alarm,
            records.FOREIGN: self._alarm,
        }
        self.kinds = frozenset(self._kinds)

    def __call__(self, record: Record) -> None:
        """Take in one record."""
        handler = self._kinds.get(record.kind)
        if handler is not None:
            handler(record)

    @property
    def decisions(self) -> tuple[DecisionLine, ...]:
        """The last decisions, oldest first."""
        return tuple(
            DecisionLine(
                d.bar_close_ns, d.symbol, d.side, action_words(self._preset, d.chosen),
                "" if d.qty_steps > 0 else d.reason,
            )
            for d in self._decided_last
        )  # fmt: skip

    def totals(self) -> Totals:
        """Sums so far."""
        net, fees, funding, r, growth = self._sums
        opened = self._reasons[_OPENED]
        return Totals(
            self._trades, self._wins, net, fees, funding, r, growth, self._deepest,
            self._decisions, opened, _ordered(self._reasons), _ordered(self._exits), self._forced,
        )  # fmt: skip

    def learned(self, on: bool, labels: int, digest_then: str, digest_now: str) -> Learned:
        """What was learned so far; the forecasts are counted by the manager."""
        last = decision_words(self._last_resolved)
        return Learned(on, labels, self._resolved, last, digest_then, digest_now)

    def mark(self, equity: float) -> None:
        """Note the equity: for the curve and the deepest fall."""
        self.curve.append(equity)
        self._peak = max(self._peak, equity)
        if self._peak > 0.0:
            self._deepest = max(self._deepest, 1.0 - equity / self._peak)

    def _began(self, record: Record) -> None:
        """Recovery is over: what comes now is this run's."""
        self.start = self._equity()
        self.mark(self.start)

    def _bar(self, record: Record) -> None:
        self.bars += 1
        self.now_ns = max(self.now_ns, record.time_ns)
        self.mark(self._equity())

    def _learn(self, record: Record) -> None:
        self._resolved += 1
        self._last_resolved = record.key

    def _decided(self, record: Record) -> None:
        decision: Decision = record.body["decision"]
        self._decisions += 1
        if decision.qty_steps > 0:
            self._sent.add(decision.decision_id)
            self._reasons[_OPENED] += 1
        else:
            self._reasons[decision.reason or "SKIP"] += 1
        self._decided_last.append(decision)

    def _skipped(self, record: Record) -> None:
        skipped: Skipped = record.body["skipped"]
        if record.key in self._sent:
            self._sent.discard(record.key)
            self._reasons[_OPENED] -= 1
            self._reasons[f"sent, {skipped.reason}"] += 1

    def _closed(self, record: Record) -> None:
        trade: ClosedTrade = record.body["trade"]
        net = from_units(trade.net_units)
        self._sent.discard(trade.decision_id)
        self._trades += 1
        self._wins += trade.net_units > 0
        self._forced += trade.reason is ExitReason.LIQUIDATION
        self._exits[trade.reason.name] += 1
        added = (net, from_units(trade.fee_units), from_units(trade.funding_units), trade.r_net,
                 trade.log_growth)  # fmt: skip
        self._sums = [a + b for a, b in zip(self._sums, added, strict=True)]
        self.trades.append(
            TradeLine(
                trade.exit_ns, trade.symbol, trade.side, net, trade.r_net, trade.reason.name.lower()
            )
        )

    def _alarm(self, record: Record) -> None:
        self.alarm_count += 1
        self.alarms.append((record.time_ns, record.key, str(record.body["text"])))


def action_words(preset: ActionPreset, chosen: int | None) -> str:
    """An action as a person reads it: size of the plan, leverage, exit strategy."""
    if chosen is None:
        return "-"
    action = preset.actions[chosen]
    if action.size == 0.0:
        return "skip"
    exit_ = ExitStrategy(action.exit).name.lower()
    return f"{action.size:g} x{action.leverage} {exit_}"


def decision_words(key: str) -> str:
    """``account:SYMBOL:close_ns#part`` as symbol and time."""
    _, _, rest = key.partition(":")
    symbol, _, close_ns = rest.partition("#")[0].rpartition(":")
    return f"{symbol} {utc(int(close_ns), '%m-%d %H:%M')}" if close_ns.isdigit() else key


def _ordered(counts: Counter[str]) -> tuple[tuple[str, Any], ...]:
    found = ((name, n) for name, n in counts.items() if n > 0)
    return tuple(sorted(found, key=lambda x: (-x[1], x[0])))
