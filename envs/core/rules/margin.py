"""Isolated margin: liquidation price and distance (spec 4)."""

from __future__ import annotations

from typing import Any

from envs.core.rules.rounding import ceil_whole


def bracket_index(notional: float, brackets: Any) -> int:
    """Row of the tier a notional falls into; ``brackets`` is (K, 3): cap, mmr, amount (quote)."""
    for i in range(brackets.shape[0]):
        if notional < brackets[i, 0]:
            return i
    return int(brackets.shape[0]) - 1


def liquidation_price(
    side: int, entry: float, margin_per_unit: float, mmr: float, amount_per_unit: float
) -> float:
    """Mark price at which the isolated margin only just covers the maintenance margin."""
    return (entry - side * (margin_per_unit + amount_per_unit)) / (1.0 - side * mmr)


def liquidation_distance(side: int, leverage: float, mmr: float) -> float:
    """Distance from entry to liquidation as a fraction of the entry, at entry."""
    price = liquidation_price(side, 1.0, 1.0 / leverage, mmr, 0.0)
    return side * (1.0 - price)


def liquidation_ticks(
    side: int,
    entry_signed: int,
    qty: float,
    margin_quote: float,
    mmr: float,
    amount: float,
    tick_num: int,
    tick_den: int,
) -> int:
    """Liquidation level in signed ticks, rounded against the trader (a long's up)."""
    entry = side * entry_signed * tick_num / tick_den
    price = liquidation_price(side, entry, margin_quote / qty, mmr, amount / qty)
    return ceil_whole(side * price * tick_den / tick_num)
