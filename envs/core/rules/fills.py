"""Fill prices in signed ticks, and whether a resting entry is reached (spec 9.0, 9.2)."""

from __future__ import annotations

from envs.core.rules.rounding import ceil_whole, floor_whole


def entry_fill(signed_ref: int, side: int, slip: float) -> int:
    """Market entry: reference plus slippage, rounded against the trader."""
    return ceil_whole(signed_ref * (1.0 + side * slip))


def exit_fill(signed_ref: int, side: int, slip: float) -> int:
    """Market or trigger exit: reference minus slippage, rounded against the trader."""
    return floor_whole(signed_ref * (1.0 - side * slip))


def limit_reached(signed_price: int, signed_limit: int) -> bool:
    """A resting entry fills only when price trades one tick through it."""
    return signed_price <= signed_limit - 1


def limit_fraction(a: int, b: int, signed_limit: int) -> float:
    """Fraction of the falling piece a -> b at which price is one tick through the limit."""
    if a <= signed_limit - 1:
        return 0.0
    return (a - (signed_limit - 1)) / (a - b)
