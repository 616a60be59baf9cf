"""Leverage brackets: how much may be held at which leverage, from the maintenance rates."""

from __future__ import annotations

from typing import Any

from runtime.exchange.state import Listing

UNLIMITED = 10**15
"""Cap told of a last bracket that has none, quote."""


def leverage_of(listing: Listing, mmr: float) -> int:
    """Leverage a bracket allows: its initial margin is twice the maintenance rate."""
    if mmr <= 0.0:
        return listing.max_leverage
    return max(1, min(listing.max_leverage, int(0.5 / mmr + 1e-9)))


def bracket_rows(listing: Listing) -> list[dict[str, Any]]:
    """Rows of GET leverageBracket."""
    out: list[dict[str, Any]] = []
    floor = 0
    for i, one in enumerate(listing.instrument.brackets, 1):
        cap = UNLIMITED if one.notional_cap >= UNLIMITED else int(one.notional_cap)
        out.append(
            {
                "bracket": i,
                "initialLeverage": leverage_of(listing, one.mmr),
                "notionalCap": cap,
                "notionalFloor": floor,
                "maintMarginRatio": one.mmr,
                "cum": one.maintenance_amount,
            }
        )
        floor = cap
    return out


def most_notional_text(listing: Listing, leverage: int) -> str:
    """Largest value that may be held at a leverage, quote."""
    caps = [r["notionalCap"] for r in bracket_rows(listing) if r["initialLeverage"] >= leverage]
    return str(max(caps, default=0))
