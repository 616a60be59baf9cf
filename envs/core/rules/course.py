"""The course of a position: everything that happens to it whatever its size (spec 8.3).

Levels follow from the exit strategy and the price alone, so the 76 actions of a decision share
three courses. A course is walked once without money; ``settle`` books it for a quantity with the
same functions as a lone walk, and the results are equal. What could differ with the size is
bounded while walking: where the bound is not met the caller walks that size by itself.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from envs.core.rules.booking import price_of
from envs.core.rules.columns import FUNDING, MARK_OPEN, STAMP, VALID, bar_at
from envs.core.rules.exits import Levels, time_is_up
from envs.core.rules.fills import exit_fill, limit_fraction, limit_reached
from envs.core.rules.lifecycle import (
    Fees,
    Guard,
    after_event,
    at_vertex,
    entry_levels,
    first_guard,
    with_order,
)
from envs.core.rules.path import NOTHING, PARTIAL, STOP, mark_at
from envs.core.rules.sizing import Contract
from envs.core.rules.variant import Bar, move_changes_nothing, seen
from envs.core.rules.walk import (
    END,
    STYLE_POST_ONLY,
    TIME,
    Order,
    adverse_first,
    next_event,
    signed_vertex,
    vertex_ns,
)

NEVER = -(1 << 62)
"""A liquidation level no mark reaches."""
MAX_STAMPS = 64
"""Funding stamps a course remembers; a longer one is walked size by size."""


class Close(NamedTuple):
    """A closing event of a course: fill price in quote, reason, where and when.

    ``stamps`` funding stamps lie before it; ``trough`` and ``peak`` are the extremes after it.
    """

    price: float
    reason: int
    stamps: int
    row: int
    now_ns: int
    trough: int
    peak: int


class Course(NamedTuple):
    """What happens to a position: entry, perhaps a partial, the last close.

    ``exact`` is False where the size might matter; ``mark_low`` is the lowest signed mark of all
    bars lived through, the last one whole. ``partial.row`` is -1 without a partial.
    """

    opened: bool
    exact: bool
    levels: Levels
    entry_ref: int
    entry_rate: float
    entry_row: int
    partial: Close
    last: Close
    mark_low: float


class _Run(NamedTuple):
    """Where the walk of a course stands."""

    opened: bool
    exact: bool
    levels: Levels
    guard: Guard
    entry_ref: int
    entry_rate: float
    entry_row: int
    partial: Close
    last: Close
    price: int
    mark: float
    stamps: int
    funding_unit: float
    error: float


def no_close() -> Close:
    """A close that did not happen."""
    return Close(0.0, 0, 0, -1, 0, 0, 0)


def walk_course(
    rows: Any,
    close_ns: Any,
    s: int,
    row: int,
    last_row: int,
    order: Order,
    smallest: float,
    interval_ns: int,
    rule: int,
    fees: Fees,
    contract: Contract,
    stamps: Any,
) -> Course:
    """Walk one entry decided at the close of ``row``, at most through ``last_row``.

    ``order.qty`` is not read. ``smallest`` is the least quantity (base units) any size holds, which
    bounds what rounded funding can move; ``stamps`` (MAX_STAMPS, 2) receives mark (quote) and rate.
    """
    run = _Run(
        False, True, Levels(order.side, 0, 1, 0, 0, 0.0, 0.0, 0.0, 0, 0, 0),
        Guard(0, 0, 0, 0, False, 0), 0, 0.0, -1, no_close(), no_close(), 0, 0.0, 0, 0.0, 0.0,
    )  # fmt: skip
    resting = order.style == STYLE_POST_ONLY
    mark_low = float(1 << 62)
    for t in range(row + 1, last_row + 1):
        if rows[t, s, VALID] == 0.0:
            continue
        if run.opened and rows[t, s, STAMP] != 0.0:
            run = _funded(
                run, order.side, rows[t, s, MARK_OPEN], rows[t, s, FUNDING], smallest, contract,
                stamps,
            )  # fmt: skip
        bar = bar_at(rows, t, s, close_ns[t])
        low = _lowest_mark(bar, order.side)
        if low < mark_low:
            mark_low = low
        if run.opened and _is_quiet(run, bar, order.side, fees, contract):
            run = _pass_quietly(run, bar, order.side)
        else:
            run = _walk_bar(run, bar, order, resting, interval_ns, rule, fees, contract)
        if run.opened and run.last.row < 0:
            run = _judge_close(run, bar, last_row, order.side, fees, contract)
        if run.last.row >= 0 or (not run.opened and resting and not order.unfilled_market):
            break
        resting = resting and run.opened
    return Course(
        run.opened, run.exact, run.levels, run.entry_ref, run.entry_rate, run.entry_row,
        run.partial, run.last, mark_low,
    )  # fmt: skip


def _lowest_mark(bar: Bar, side: int) -> float:
    if side > 0:
        return min(bar.mark_low, bar.mark_open, bar.mark_close)
    return min(-bar.mark_high, -bar.mark_open, -bar.mark_close)


def _funded(
    run: _Run, side: int, mark: float, rate: float, smallest: float, contract: Contract, stamps: Any
) -> _Run:
    """Funding per unit without rounding, and how far a rounded one can be from it."""
    price = price_of(mark, contract)
    if run.stamps < MAX_STAMPS:
        stamps[run.stamps, 0] = price
        stamps[run.stamps, 1] = rate
    paid = side * price * rate
    unit = run.funding_unit + paid
    error = run.error + 0.51e-8 / smallest + 1e-14 * (abs(paid) + abs(unit))
    exact = run.exact and run.stamps < MAX_STAMPS
    return _Run(
        run.opened, exact, run.levels, run.guard, run.entry_ref, run.entry_rate, run.entry_row,
        run.partial, run.last, run.price, run.mark, run.stamps + 1, unit, error,
    )  # fmt: skip


def _pass_quietly(run: _Run, bar: Bar, side: int) -> _Run:
    """Only the extremes change over a quiet bar."""
    low = bar.low if side > 0 else -bar.high
    high = bar.high if side > 0 else -bar.low
    guard = seen(run.guard, low, high)
    return _Run(
        run.opened, run.exact, run.levels, guard, run.entry_ref, run.entry_rate, run.entry_row,
        run.partial, run.last, run.price, run.mark, run.stamps, run.funding_unit, run.error,
    )  # fmt: skip


def _is_quiet(run: _Run, bar: Bar, side: int, fees: Fees, contract: Contract) -> bool:
    """Whether no level lies in the bar and no stop could move in it."""
    guard, levels = run.guard, run.levels
    low = bar.low if side > 0 else -bar.high
    high = bar.high if side > 0 else -bar.low
    if guard.order != 0 or low <= guard.stop or high >= levels.target:
        return False
    if not guard.partial_done and high >= levels.partial:
        return False
    return move_changes_nothing(
        levels, guard, high, bar.slip, run.funding_unit + run.error, fees, contract
    )


def _walk_bar(
    run: _Run,
    bar: Bar,
    order: Order,
    resting: bool,
    interval_ns: int,
    rule: int,
    fees: Fees,
    contract: Contract,
) -> _Run:
    side = order.side
    in_reach = True
    if run.opened:
        low = bar.low if side > 0 else -bar.high
        high = bar.high if side > 0 else -bar.low
        in_reach = low <= run.guard.stop <= high
    adverse = adverse_first(side, bar.open, bar.close, rule, in_reach)
    for index in range(4):
        price = int(signed_vertex(index, side, adverse, bar.open, bar.high, bar.low, bar.close))
        mark = signed_vertex(
            index, side, adverse, bar.mark_open, bar.mark_high, bar.mark_low, bar.mark_close
        )
        now = vertex_ns(bar.close_ns - interval_ns, interval_ns, 1, 0, index)
        run = _visit(run, index, price, mark, now, bar, order, resting, fees, contract)
        if run.last.row >= 0:
            return run
    return run


def _visit(
    run: _Run,
    index: int,
    price: int,
    mark: float,
    now: int,
    bar: Bar,
    order: Order,
    resting: bool,
    fees: Fees,
    contract: Contract,
) -> _Run:
    """Bring the course to one vertex: entry, resting levels, stop moves, market exits."""
    at = price if index == 0 else run.price
    at_mark = mark if index == 0 else run.mark
    if not run.opened:
        if resting and limit_reached(price, order.limit):
            run = _entered(run, order.limit, 0.0, fees.maker, bar, now, order, fees, contract)
            if index > 0:
                at_mark = mark_at(at_mark, mark, limit_fraction(at, price, order.limit))
                at = order.limit - 1
        elif not resting and index == 0:
            run = _entered(run, price, bar.slip, fees.taker, bar, now, order, fees, contract)
    if run.opened:
        run = _walk_piece(run, index, at, price, at_mark, mark, now, bar, contract)
        if run.last.row < 0:
            run = _move_stop(run, index, price, mark, now, bar, fees, contract)
    return _Run(
        run.opened, run.exact, run.levels, run.guard, run.entry_ref, run.entry_rate,
        run.entry_row, run.partial, run.last, price, mark, run.stamps, run.funding_unit, run.error,
    )  # fmt: skip


def _entered(
    run: _Run,
    ref: int,
    slip: float,
    rate: float,
    bar: Bar,
    now: int,
    order: Order,
    fees: Fees,
    contract: Contract,
) -> _Run:
    levels = entry_levels(
        order.side, ref, order.atr, order.sl_atr, order.plan, slip, fees, contract, now
    )
    return _Run(
        True, run.exact, levels, first_guard(levels), ref, rate, bar.row, run.partial, run.last,
        run.price, run.mark, run.stamps, run.funding_unit, run.error,
    )  # fmt: skip


def _walk_piece(
    run: _Run,
    index: int,
    at: int,
    price: int,
    at_mark: float,
    mark: float,
    now: int,
    bar: Bar,
    contract: Contract,
) -> _Run:
    """Resting levels met on the way to a vertex; liquidation is left to ``is_safe``."""
    levels, guard, partial, last = run.levels, run.guard, run.partial, run.last
    while last.row < 0:
        event = next_event(index, at, price, at_mark, mark, levels, guard, NEVER)
        if event.kind == NOTHING:
            break
        reason = guard.stop_kind if event.kind == STOP else event.kind
        guard = after_event(guard, event.kind, event.price)
        close = _close(event.price, bar, reason, run.stamps, now, levels, guard, contract)
        if event.kind == PARTIAL:
            partial = close
        else:
            last = close
        if index > 0:
            at_mark = mark_at(at_mark, mark, event.u)
            at = event.price
    return _Run(
        run.opened, run.exact, levels, guard, run.entry_ref, run.entry_rate, run.entry_row,
        partial, last, run.price, run.mark, run.stamps, run.funding_unit, run.error,
    )  # fmt: skip


def _move_stop(
    run: _Run,
    index: int,
    price: int,
    mark: float,
    now: int,
    bar: Bar,
    fees: Fees,
    contract: Contract,
) -> _Run:
    """Stop moves at a vertex, and a market exit that waited for it."""
    levels, last, exact = run.levels, run.last, run.exact
    unit, error = run.funding_unit, run.error
    guard = at_vertex(levels, run.guard, price, mark, bar.slip, unit + error, fees, contract)
    if error > 0.0:
        other = at_vertex(levels, run.guard, price, mark, bar.slip, unit - error, fees, contract)
        same = other.stop == guard.stop and other.order == guard.order
        exact = exact and same and other.stop_kind == guard.stop_kind
    if guard.order != 0 and index != 3:
        reason = guard.order
        guard = after_event(guard, reason, price)
        last = _close(price, bar, reason, run.stamps, now, levels, guard, contract)
    return _Run(
        run.opened, exact, levels, guard, run.entry_ref, run.entry_rate, run.entry_row,
        run.partial, last, run.price, run.mark, run.stamps, unit, error,
    )  # fmt: skip


def _judge_close(
    run: _Run, bar: Bar, last_row: int, side: int, fees: Fees, contract: Contract
) -> _Run:
    """Time exit at a close, and the end of the data."""
    close = side * bar.close
    guard, last = run.guard, run.last
    if time_is_up(run.levels, bar.close_ns, close, fees.time_min_r):
        guard = with_order(guard, TIME)
    if bar.row == last_row:
        guard = after_event(guard, END, close)
        last = _close(close, bar, END, run.stamps, bar.close_ns, run.levels, guard, contract)
    return _Run(
        run.opened, run.exact, run.levels, guard, run.entry_ref, run.entry_rate, run.entry_row,
        run.partial, last, run.price, run.mark, run.stamps, run.funding_unit, run.error,
    )  # fmt: skip


def _close(
    ref: int,
    bar: Bar,
    reason: int,
    stamps: int,
    now: int,
    levels: Levels,
    guard: Guard,
    contract: Contract,
) -> Close:
    fill = exit_fill(ref, levels.side, bar.slip)
    price = price_of(levels.side * fill, contract)
    return Close(price, reason, stamps, bar.row, now, guard.trough, guard.peak)
