"""The state of one variant simulated alone, and its quiet bars (spec 8.3)."""

from __future__ import annotations

from typing import NamedTuple

from envs.core.rules.exits import Levels
from envs.core.rules.lifecycle import Live, net_units
from envs.core.rules.path import is_quiet
from envs.core.rules.sizing import Contract
from envs.core.rules.walk import Outcome, bar_in_reach, excursions, risk_units


class Alone(NamedTuple):
    """Where a lone variant stands; prices in signed ticks, ``reason`` > 0 once it is closed."""

    opened: bool
    levels: Levels
    live: Live
    tier: int
    price: int
    mark: float
    entry_row: int
    notional: int
    margin: int
    reason: int
    now_ns: int


class Vertex(NamedTuple):
    """One vertex of a (finer) bar as the variant meets it; ``last`` is the bar's close."""

    place: int
    first_part: bool
    last: bool
    price: int
    mark: float
    now_ns: int


class Bar(NamedTuple):
    """One bar of one symbol as scalars (unsigned ticks), so that no array is handed around."""

    row: int
    open: int
    high: int
    low: int
    close: int
    mark_open: float
    mark_high: float
    mark_low: float
    mark_close: float
    slip: float
    close_ns: int


def is_quiet_bar(run: Alone, bar: Bar, side: int) -> bool:
    """Whether nothing can fire and no stop can move while price stays within the bar."""
    levels = run.levels
    r = levels.be_r if levels.be_r < levels.trail_r else levels.trail_r
    move_from = levels.entry + r * levels.risk
    if side > 0:
        low, high = bar.low, bar.high
        mark_low = min(bar.mark_low, bar.mark_open, bar.mark_close)
    else:
        low, high = -bar.high, -bar.low
        mark_low = min(-bar.mark_high, -bar.mark_open, -bar.mark_close)
    return is_quiet(
        low,
        high,
        mark_low,
        run.live.stop,
        levels.partial,
        levels.target,
        run.live.partial_done,
        run.live.liq,
        move_from,
    )


def pass_quietly(run: Alone, bar: Bar, side: int) -> Alone:
    """Only the extremes change over a quiet bar."""
    live = run.live
    if side > 0:
        low, high = bar.low, bar.high
    else:
        low, high = -bar.high, -bar.low
    peak = live.peak if live.peak > high else high
    trough = live.trough if live.trough < low else low
    return with_live(
        run,
        Live(
            live.qty,
            live.stop,
            live.stop_kind,
            peak,
            trough,
            live.partial_done,
            live.liq,
            live.order,
            live.cost,
            live.margin,
            live.gross,
            live.fees,
            live.funding,
            live.insurance,
            live.slippage,
            live.funding_unit,
        ),
    )


def reaches(run: Alone, bar: Bar, side: int, high: int, low: int) -> bool:
    """Whether stop or liquidation lies inside the bar; a variant not yet open assumes so."""
    if not run.opened:
        return True
    if side > 0:
        return bar_in_reach(run.live, low, high, bar.mark_low, bar.mark_high)
    return bar_in_reach(run.live, -high, -low, -bar.mark_high, -bar.mark_low)


def outcome(run: Alone, qty: int, row: int, contract: Contract) -> Outcome:
    """What a closed variant came to."""
    mae, mfe = excursions(run.levels, run.live)
    return Outcome(
        True,
        net_units(run.live),
        risk_units(run.levels, qty, contract),
        run.notional,
        run.entry_row,
        row,
        run.levels.entry_ns,
        run.now_ns,
        mae,
        mfe,
        run.reason,
        run.margin,
    )


def with_live(run: Alone, live: Live) -> Alone:
    """Return the variant with another live part."""
    return Alone(
        run.opened,
        run.levels,
        live,
        run.tier,
        run.price,
        run.mark,
        run.entry_row,
        run.notional,
        run.margin,
        run.reason,
        run.now_ns,
    )
