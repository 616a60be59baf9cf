"""Fees, slippage, funding, break-even and planned profit (spec 4). Fractions unless named."""

from __future__ import annotations


def slippage_frac(atr_frac: float, min_bps: float, max_bps: float) -> float:
    """Slippage of a market or trigger fill, growing from .5 % to 3 % of ATR/close."""
    x = (atr_frac - 0.005) / 0.025
    if x < 0.0:
        x = 0.0
    elif x > 1.0:
        x = 1.0
    return (min_bps + (max_bps - min_bps) * x) * 0.0001


def round_trip_frac(post_only: bool, maker: float, taker: float, slip: float) -> float:
    """Cost of entering and leaving once: ``2(f+s)``, or ``maker+f+s`` for a resting entry."""
    if post_only:
        return maker + taker + slip
    return 2.0 * (taker + slip)


def break_even_price(
    side: int, fill: float, taker: float, slip: float, funding_per_unit: float
) -> float:
    """Price at which closing with taker fee and slippage nets exactly 0 before tick rounding.

    ``funding_per_unit`` is what the position has paid so far per unit, negative if received.
    """
    if side > 0:
        return (fill * (1.0 + taker) + funding_per_unit) / ((1.0 - slip) * (1.0 - taker))
    return (fill * (1.0 - taker) - funding_per_unit) / ((1.0 + slip) * (1.0 + taker))


def planned_net(notional: float, move: float, taker: float, slip: float) -> float:
    """Planned net profit in quote of a signed move in the trade's favour, taker both ways."""
    cost = taker + slip
    return notional * move - cost * notional - cost * notional * (1.0 + move)


def funding_quote(side: int, mark_notional: float, rate: float) -> float:
    """Funding the position receives at a stamp; negative when it pays."""
    return -side * mark_notional * rate
