"""What an order meets on the other side: whole fills at the core's price, or a synthetic book."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from envs.core.rules.fills import entry_fill


@dataclass(frozen=True)
class Take:
    """One fill of a taking order: price in unsigned ticks and steps."""

    price_ticks: int
    qty_steps: int


class Liquidity(Protocol):
    """How much fills at which price; deterministic in its arguments."""

    def take(
        self, symbol: str, side: int, ref_ticks: int, slip: float, qty_steps: int, now_ns: int
    ) -> list[Take]:
        """Fills of a taking order at the reference price; the rest finds nobody."""
        ...

    def rest(self, symbol: str, side: int, limit_ticks: int, qty_steps: int, now_ns: int) -> int:
        """Steps of a resting order that fill when the price trades through its limit."""
        ...


class WholeFills:
    """``--book none``: everything fills at once, slippage as the core has it."""

    def take(
        self, symbol: str, side: int, ref_ticks: int, slip: float, qty_steps: int, now_ns: int
    ) -> list[Take]:
        """One fill at the slipped price, rounded against the order."""
        return [Take(slipped(ref_ticks, side, slip), qty_steps)]

    def rest(self, symbol: str, side: int, limit_ticks: int, qty_steps: int, now_ns: int) -> int:
        """All of it."""
        return qty_steps


def slipped(ref_ticks: int, side: int, slip: float) -> int:
    """Price of a taking order in unsigned ticks: a buy pays more, a sell gets less."""
    return side * entry_fill(side * ref_ticks, side, slip)
