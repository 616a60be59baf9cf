"""An open position of the account: its decision, order, levels, live part and closing legs."""

from __future__ import annotations

from dataclasses import dataclass, field

from envs.core.rules.booking import Book, Fill, Tier, net_units, risk_units
from envs.core.rules.exits import Levels
from envs.core.rules.lifecycle import Guard, excursions
from envs.core.rules.reward import log_growth
from envs.core.rules.rounding import from_units
from envs.core.rules.sizing import Contract
from envs.core.rules.walk import Order
from envs.core.trade import ClosedTrade, Decision, Leg
from envs.core.types import ExitReason


@dataclass(frozen=True)
class PendingEntry:
    """An entry sent at a close; ``margin_units`` and ``risk_units`` are reserved until it fills."""

    decision: Decision
    order: Order
    leverage: int
    exit_strategy: int
    margin_units: int
    risk_units: int
    notional_quote: float


@dataclass
class Position:
    """A filled position; ``guard`` and ``book`` are replaced, never changed, by the rules."""

    decision: Decision
    order: Order
    exit_strategy: int
    levels: Levels
    guard: Guard
    book: Book
    tier: Tier
    margin0_units: int
    notional_units: int
    legs: list[Leg] = field(default_factory=list)

    def add_leg(self, fill: Fill, time_ns: int) -> None:
        """Record one closing fill at its time."""
        self.legs.append(
            Leg(
                time_ns,
                self.levels.side * fill.price,
                fill.qty,
                fill.gross,
                fill.fee,
                ExitReason(fill.reason),
            )
        )

    def closed(self, contract: Contract, truncated: bool = False) -> ClosedTrade:
        """Freeze the finished position as a ``ClosedTrade``."""
        book, levels, decision = self.book, self.levels, self.decision
        net = net_units(book)
        risk = risk_units(levels.risk, self.order.qty, contract)
        mae, mfe = excursions(levels, self.guard)
        last = self.legs[-1]
        reason = ExitReason.TARGET if last.reason is ExitReason.PARTIAL else last.reason
        return ClosedTrade(
            decision_id=decision.decision_id,
            symbol=decision.symbol,
            side=levels.side,
            entry_ns=levels.entry_ns,
            exit_ns=last.time_ns,
            entry_ticks=levels.side * levels.entry,
            stop0_ticks=levels.side * levels.stop0,
            qty_steps=self.order.qty,
            leverage=self.order.leverage,
            exit_strategy=self.exit_strategy,
            legs=tuple(self.legs),
            reason=reason,
            notional_units=self.notional_units,
            margin_units=self.margin0_units,
            gross_units=book.gross,
            fee_units=book.fees,
            funding_units=book.funding,
            insurance_units=book.insurance,
            slippage_units=book.slippage,
            net_units=net,
            risk_units=risk,
            equity_units=decision.equity_units,
            r_gross=(book.gross + book.slippage) / risk if risk > 0 else 0.0,
            r_net=net / risk if risk > 0 else 0.0,
            log_growth=log_growth(from_units(net), from_units(decision.equity_units)),
            mae_frac=mae,
            mfe_frac=mfe,
            truncated=truncated,
        )
