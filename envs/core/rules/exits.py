"""Exit templates, initial levels, and the moves of a stop at a vertex (spec 9).

Prices are signed ticks (side * price), so larger is always better for the position.
"""

from __future__ import annotations

from typing import NamedTuple

from envs.core.rules.costs import break_even_price
from envs.core.rules.rounding import ceil_whole, floor_whole

NS_PER_HOUR = 3_600_000_000_000
STOP_INITIAL = 1
STOP_TRAIL = 3
STOP_BREAKEVEN = 4
STOP_DEFENSIVE = 7
"""Kinds of stop share the numbers of ``ExitReason``, so a hit stop names its reason."""


class Template(NamedTuple):
    """One row of the table of spec 9.1, distances in R, time in hours."""

    target_r: float
    partial_r: float
    trail_r: float
    time_h: float


def stop_atr(exit_strategy: int) -> float:
    """Initial stop in ATRs: conservative 1.25, balanced 1.5, aggressive 2.0."""
    if exit_strategy == 0:
        return 1.25
    if exit_strategy == 1:
        return 1.5
    return 2.0


def template(exit_strategy: int, regime: int) -> Template:
    """Template by exit strategy and runtime regime at entry (0 TRENDING, 3 BREAKOUT trend)."""
    trending = regime == 0 or regime == 3
    if exit_strategy == 0:
        return Template(2.0, 1.5, 1.5, 24.0) if trending else Template(1.5, 1.0, 1.25, 18.0)
    if exit_strategy == 1:
        return Template(2.5, 2.0, 2.0, 24.0) if trending else Template(1.5, 1.0, 1.25, 18.0)
    return Template(4.0, 2.0, 2.0, 72.0) if trending else Template(2.0, 1.5, 1.5, 24.0)


class Levels(NamedTuple):
    """Resting levels of a position and what moves them; fixed at the entry fill."""

    side: int
    entry: int
    risk: int
    partial: int
    target: int
    trail_r: float
    be_r: float
    trail_dist: float
    time_ns: int
    entry_ns: int
    stop0: int


class Stop(NamedTuple):
    """The resting stop: level and kind."""

    level: int
    kind: int


def initial_levels(
    side: int,
    entry: int,
    atr_ticks: float,
    sl_atr: float,
    plan: Template,
    be_r: float,
    trail_atr: float,
    entry_ns: int,
) -> Levels:
    """Anchor stop, partial and target at the entry fill with distances in ATRs."""
    distance = sl_atr * atr_ticks
    stop0 = floor_whole(entry - distance)
    return Levels(
        side,
        entry,
        entry - stop0,
        ceil_whole(entry + plan.partial_r * distance),
        ceil_whole(entry + plan.target_r * distance),
        plan.trail_r,
        be_r,
        trail_atr * atr_ticks,
        int(plan.time_h * NS_PER_HOUR),
        entry_ns,
        stop0,
    )


def moved_stop(
    levels: Levels,
    stop: Stop,
    price: int,
    peak: int,
    taker: float,
    slip: float,
    funding_per_unit_ticks: float,
) -> Stop:
    """Stop after the moves at a vertex: break-even, then trail; never looser than before."""
    r = (price - levels.entry) / levels.risk
    level = stop.level
    kind = stop.kind
    if r >= levels.be_r:
        even = break_even_price(
            levels.side, float(levels.side * levels.entry), taker, slip, funding_per_unit_ticks
        )
        even_ticks = ceil_whole(levels.side * even)
        if even_ticks > level:
            level = even_ticks
            kind = STOP_BREAKEVEN
    if r >= levels.trail_r:
        trail = floor_whole(peak - levels.trail_dist)
        if trail > level:
            level = trail
            kind = STOP_TRAIL
    return Stop(level, kind)


def defensive_stop(levels: Levels, stop: Stop, mark: float, atr_ticks: float) -> Stop:
    """Stop after a DEFENSIVE_EXIT directive: half an ATR from mark, never looser."""
    level = floor_whole(mark - 0.5 * atr_ticks)
    if level > stop.level:
        return Stop(level, STOP_DEFENSIVE)
    return stop


def stop_is_safe(level: int, mark: float, min_gap: float) -> bool:
    """Whether a new stop keeps one tick and ``min_gap`` of price from mark."""
    gap = min_gap * abs(mark)
    if gap < 1.0:
        gap = 1.0
    return mark - level >= gap


def time_is_up(levels: Levels, now_ns: int, price: int, min_r: float) -> bool:
    """Time exit, judged at a close: held long enough and still below ``min_r`` R."""
    held = now_ns - levels.entry_ns
    return held >= levels.time_ns and (price - levels.entry) / levels.risk < min_r
