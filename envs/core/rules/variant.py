"""The state of one variant simulated alone, and its quiet bars (spec 8.3)."""

from __future__ import annotations

from typing import NamedTuple

from envs.core.rules.booking import Book, Tier, net_units, risk_units
from envs.core.rules.exits import Levels, Stop, moved_stop
from envs.core.rules.lifecycle import Fees, Guard, excursions
from envs.core.rules.path import is_quiet
from envs.core.rules.sizing import Contract
from envs.core.rules.walk import Outcome, bar_in_reach


class Alone(NamedTuple):
    """Where a lone variant stands; prices in signed ticks, ``reason`` > 0 once it is closed."""

    opened: bool
    levels: Levels
    guard: Guard
    book: Book
    tier: Tier
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
    move_from = levels.entry + r * levels.risk - 0.5
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
        run.guard.stop,
        levels.partial,
        levels.target,
        run.guard.partial_done,
        run.book.liq,
        move_from,
    )


def pass_quietly(run: Alone, bar: Bar, side: int) -> Alone:
    """Only the extremes change over a quiet bar."""
    if side > 0:
        low, high = bar.low, bar.high
    else:
        low, high = -bar.high, -bar.low
    return with_guard(run, seen(run.guard, low, high))


def seen(guard: Guard, low: int, high: int) -> Guard:
    """Guard after the price was at both ends of a range in which nothing happened."""
    return Guard(
        guard.stop,
        guard.stop_kind,
        guard.peak if guard.peak > high else high,
        guard.trough if guard.trough < low else low,
        guard.partial_done,
        guard.order,
    )


def move_changes_nothing(
    levels: Levels,
    guard: Guard,
    high: int,
    slip: float,
    funding_unit: float,
    fees: Fees,
    contract: Contract,
) -> bool:
    """Whether the stop would stay where it is even at the best price of a bar."""
    first = levels.be_r if levels.be_r < levels.trail_r else levels.trail_r
    if high < levels.entry + first * levels.risk - 0.5:
        return True
    peak = guard.peak if guard.peak > high else high
    unit = funding_unit * contract.tick_den / contract.tick_num
    stop = Stop(guard.stop, guard.stop_kind)
    return moved_stop(levels, stop, high, peak, fees.taker, slip, unit).level <= guard.stop


def reaches(run: Alone, bar: Bar, side: int, high: int, low: int) -> bool:
    """Whether stop or liquidation lies inside the bar; a variant not yet open assumes so."""
    if not run.opened:
        return True
    if side > 0:
        return bar_in_reach(run.guard.stop, run.book.liq, low, high, bar.mark_low, bar.mark_high)
    return bar_in_reach(run.guard.stop, run.book.liq, -high, -low, -bar.mark_high, -bar.mark_low)


def outcome(run: Alone, qty: int, row: int, contract: Contract) -> Outcome:
    """What a closed variant came to."""
    mae, mfe = excursions(run.levels, run.guard)
    return Outcome(
        True,
        net_units(run.book),
        risk_units(run.levels.risk, qty, contract),
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


def with_guard(run: Alone, guard: Guard) -> Alone:
    """Return the variant with another guard."""
    return with_parts(run, guard, run.book)


def with_parts(run: Alone, guard: Guard, book: Book) -> Alone:
    """Return the variant with another guard and book."""
    return Alone(
        run.opened,
        run.levels,
        guard,
        book,
        run.tier,
        run.price,
        run.mark,
        run.entry_row,
        run.notional,
        run.margin,
        run.reason,
        run.now_ns,
    )
