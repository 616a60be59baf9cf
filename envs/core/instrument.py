"""What is traded: tick, step, minimum notional and maintenance-margin brackets."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from envs.core.errors import FixInput


@dataclass(frozen=True)
class Bracket:
    """One maintenance-margin tier: applies to notionals below ``notional_cap`` (quote)."""

    notional_cap: float
    mmr: float
    maintenance_amount: float = 0.0


@dataclass(frozen=True)
class Instrument:
    """A linear perpetual future, quoted in its margin currency.

    ``tick`` and ``step`` are exact fractions, so ``ticks * num / den`` is the double nearest to
    the decimal price. ``min_notional_quote`` is the exchange's filter.
    """

    symbol: str
    tick: Fraction
    step: Fraction
    min_notional_quote: float = 5.0
    brackets: tuple[Bracket, ...] = (Bracket(float("inf"), 0.004, 0.0),)

    def __post_init__(self) -> None:
        for name, value in (("tick", self.tick), ("step", self.step)):
            if value <= 0:
                raise FixInput(f"instrument {self.symbol}: {name} must be > 0, got {value}")
        if not self.brackets:
            raise FixInput(f"instrument {self.symbol}: at least one margin bracket is needed")
        caps = [b.notional_cap for b in self.brackets]
        if caps != sorted(caps):
            raise FixInput(f"instrument {self.symbol}: brackets must ascend by notional_cap")

    @classmethod
    def of(
        cls, symbol: str, tick: str, step: str, min_notional_quote: float = 5.0, mmr: float = 0.004
    ) -> Instrument:
        """Build from decimal strings, as the exchange's filters give them."""
        bracket = Bracket(float("inf"), mmr, 0.0)
        return cls(symbol, Fraction(tick), Fraction(step), min_notional_quote, (bracket,))

    def price(self, ticks: int) -> float:
        """Price in quote of a whole number of ticks."""
        return ticks * self.tick.numerator / self.tick.denominator

    def quantity(self, steps: int) -> float:
        """Quantity in base of a whole number of steps."""
        return steps * self.step.numerator / self.step.denominator

    def bracket_of(self, notional_quote: float) -> Bracket:
        """Return the tier a position of this notional falls into."""
        for bracket in self.brackets:
            if notional_quote < bracket.notional_cap:
                return bracket
        return self.brackets[-1]

    def to_json(self) -> dict[str, Any]:
        """Return a plain dictionary; caps of infinity become null."""
        return {
            "symbol": self.symbol,
            "tick": str(self.tick),
            "step": str(self.step),
            "min_notional_quote": self.min_notional_quote,
            "brackets": [
                {
                    "notional_cap": None if b.notional_cap == float("inf") else b.notional_cap,
                    "mmr": b.mmr,
                    "maintenance_amount": b.maintenance_amount,
                }
                for b in self.brackets
            ],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Instrument:
        """Rebuild what ``to_json`` wrote."""
        brackets = tuple(
            Bracket(
                float("inf") if b["notional_cap"] is None else float(b["notional_cap"]),
                float(b["mmr"]),
                float(b["maintenance_amount"]),
            )
            for b in data["brackets"]
        )
        return cls(
            str(data["symbol"]),
            Fraction(data["tick"]),
            Fraction(data["step"]),
            float(data["min_notional_quote"]),
            brackets,
        )
