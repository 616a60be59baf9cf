"""Regret of pooled forecasts against the best expert, and the bounds that are proved for it.

Bounds hold for immediate, non-overlapping resolution only (horizon 1). Sources: Vovk & Zhdanov
2009 (Brier game); Herbster & Warmuth 1998 (tracking); Cesa-Bianchi & Lugosi 2006 (Hedge).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt
from typing import Any

from envs.core.rules.pool import N_EXPERTS
from envs.core.types import Float64Array

BRIER_RATE = 2.0


@dataclass(frozen=True)
class Regret:
    """Cumulative Brier loss above the best expert; ``bound`` None where none is proved."""

    used: float
    bound: float | None


def note_gap(gap: Any, losses: Any, pooled: float) -> None:
    """Add one update's loss difference to ``gap`` (7,); sleeping experts (NaN) do not count."""
    for i in range(N_EXPERTS):
        if losses[i] == losses[i]:
            gap[i] += pooled - losses[i]


def used(gap: Float64Array) -> float:
    """Largest regret over the experts and both games, from ``gap`` (2, 7)."""
    return float(gap.max())


def aggregating_bound(n_experts: int) -> float:
    """Bound of the aggregating algorithm in the Brier game at rate 2, on any data."""
    return log(n_experts) / BRIER_RATE


def tracking_bound(n_experts: int, rounds: int, switches: int, share: float) -> float:
    """Bound of fixed share at rate 2 against any sequence of experts with so many switches."""
    stay = (rounds - 1 - switches) * log(1.0 - share + share / n_experts)
    moved = switches * log(n_experts / share) if switches else 0.0
    return (log(n_experts) + moved - stay) / BRIER_RATE


def hedge_rate(rounds: int, n_experts: int) -> float:
    """Learning rate of Hedge for losses in [0, 1] and a known number of rounds."""
    return sqrt(8.0 * log(n_experts) / rounds)


def hedge_bound(rounds: int, n_experts: int) -> float:
    """Regret bound of Hedge at ``hedge_rate``."""
    return sqrt(rounds * log(n_experts) / 2.0)


def bound_of(algorithm: str, horizon_bars: int, rounds: int, share: float) -> float | None:
    """Bound against the best single expert, None where none is proved or nothing was learned."""
    if horizon_bars != 1 or rounds == 0:
        return None
    if algorithm == "aa":
        return aggregating_bound(N_EXPERTS)
    if algorithm == "fixed_share":
        return tracking_bound(N_EXPERTS, rounds, 0, share)
    return None
