"""One variant simulated alone from the same bars: the counterfactual walk of spec 8.3."""

from __future__ import annotations

from typing import Any

from envs.core.rules.booking import Tier, empty_book, fund_book, price_of
from envs.core.rules.exits import Levels, time_is_up
from envs.core.rules.fills import limit_fraction, limit_reached
from envs.core.rules.lifecycle import Fees, Guard, close_at, open_position, with_order
from envs.core.rules.path import mark_at
from envs.core.rules.sizing import Contract
from envs.core.rules.variant import (
    Alone,
    Bar,
    Vertex,
    is_quiet_bar,
    outcome,
    pass_quietly,
    reaches,
    with_parts,
)
from envs.core.rules.walk import (
    END,
    RULE_DETAIL,
    STYLE_POST_ONLY,
    TIME,
    Order,
    Outcome,
    Series,
    adverse_first,
    detail_basis,
    signed_vertex,
    step_vertex,
    vertex_ns,
)


def walk_alone(
    series: Series,
    row: int,
    last_row: int,
    order: Order,
    spare: int,
    interval_ns: int,
    rule: int,
    fees: Fees,
    contract: Contract,
    brackets: Any,
) -> Outcome:
    """Simulate one entry decided at the close of ``row`` alone, at most through ``last_row``.

    ``spare`` is the free margin at the decision in units (see ``close_at``). A position still open
    at the close of ``last_row`` is closed there with taker cost, reason END.
    """
    run = Alone(
        False, Levels(order.side, 0, 1, 0, 0, 0.0, 0.0, 0.0, 0, 0, 0),
        Guard(0, 0, 0, 0, False, 0), empty_book(), Tier(0.0, 0.0), 0, 0.0, -1, 0, 0, 0, 0,
    )  # fmt: skip
    resting = order.style == STYLE_POST_ONLY
    for t in range(row + 1, last_row + 1):
        if not series.valid[t]:
            continue
        if series.stamp[t]:
            run = fund(run, order.side, series.mark[t, 0], series.funding[t], contract)
        bar = Bar(
            t,
            int(series.ohlc[t, 0]),
            int(series.ohlc[t, 1]),
            int(series.ohlc[t, 2]),
            int(series.ohlc[t, 3]),
            series.mark[t, 0],
            series.mark[t, 1],
            series.mark[t, 2],
            series.mark[t, 3],
            series.slip[t],
            int(series.close_ns[t]),
        )
        open_ns = bar.close_ns - interval_ns
        if rule == RULE_DETAIL and series.detail.shape[1] > 0 and series.detail_ok[t]:
            run = walk_fine(
                run, series, bar, order, resting, spare, interval_ns, fees, contract, brackets
            )
        elif run.opened and run.guard.order == 0 and is_quiet_bar(run, bar, order.side):
            run = pass_quietly(run, bar, order.side)
        else:
            run = walk_bar(
                run,
                bar,
                order,
                resting,
                spare,
                open_ns,
                interval_ns,
                rule,
                fees,
                contract,
                brackets,
            )
        if run.reason > 0:
            return outcome(run, order.qty, t, contract)
        if run.opened:
            run = judge_close(run, bar, last_row, order, spare, fees, contract)
            if run.reason > 0:
                return outcome(run, order.qty, t, contract)
        elif resting and not order.unfilled_market:
            break
        else:
            resting = False
    return Outcome(False, 0, 0, 0, -1, -1, 0, 0, 0.0, 0.0, 0, 0)


def fund(run: Alone, side: int, mark_open: float, rate: float, contract: Contract) -> Alone:
    """Settle one funding stamp on a variant that was open before it."""
    if not run.opened:
        return run
    book = fund_book(
        side, run.levels.entry, run.book, price_of(mark_open, contract), rate, contract, run.tier
    )
    return with_parts(run, run.guard, book)


def walk_bar(
    run: Alone,
    bar: Bar,
    order: Order,
    resting: bool,
    spare: int,
    open_ns: int,
    interval_ns: int,
    rule: int,
    fees: Fees,
    contract: Contract,
    brackets: Any,
) -> Alone:
    """Run the variant through the four vertices of a bar."""
    side = order.side
    in_reach = reaches(run, bar, side, bar.high, bar.low)
    adverse = adverse_first(side, bar.open, bar.close, rule, in_reach)
    for index in range(4):
        at = Vertex(
            index,
            True,
            index == 3,
            int(signed_vertex(index, side, adverse, bar.open, bar.high, bar.low, bar.close)),
            signed_vertex(
                index, side, adverse, bar.mark_open, bar.mark_high, bar.mark_low, bar.mark_close
            ),
            vertex_ns(open_ns, interval_ns, 1, 0, index),
        )
        run = visit(run, at, bar.row, bar.slip, order, resting, spare, fees, contract, brackets)
        if run.reason > 0:
            return run
    return run


def walk_fine(
    run: Alone,
    series: Series,
    bar: Bar,
    order: Order,
    resting: bool,
    spare: int,
    interval_ns: int,
    fees: Fees,
    contract: Contract,
    brackets: Any,
) -> Alone:
    """Run the variant through the finer bars of a bar."""
    side = order.side
    parts = series.detail.shape[1]
    open_ns = bar.close_ns - interval_ns
    for part in range(parts):
        o, h = int(series.detail[bar.row, part, 0]), int(series.detail[bar.row, part, 1])
        low, c = int(series.detail[bar.row, part, 2]), int(series.detail[bar.row, part, 3])
        adverse = adverse_first(side, o, c, RULE_DETAIL, False)
        for index in range(4):
            price = int(signed_vertex(index, side, adverse, o, h, low, c))
            at = Vertex(
                index,
                part == 0,
                index == 3 and part == parts - 1,
                price,
                price + side * detail_basis(series, bar.row, part, parts, index),
                vertex_ns(open_ns, interval_ns, parts, part, index),
            )
            run = visit(run, at, bar.row, bar.slip, order, resting, spare, fees, contract, brackets)
            if run.reason > 0:
                return run
    return run


def visit(
    run: Alone,
    at: Vertex,
    t: int,
    slip: float,
    order: Order,
    resting: bool,
    spare: int,
    fees: Fees,
    contract: Contract,
    brackets: Any,
) -> Alone:
    """Bring the variant to one vertex: entry, resting levels, stop moves, market exits."""
    price = at.price if at.place == 0 else run.price
    mark = at.mark if at.place == 0 else run.mark
    if not run.opened:
        if resting:
            if limit_reached(at.price, order.limit):
                if at.place > 0:
                    u = limit_fraction(price, at.price, order.limit)
                    mark = mark_at(mark, at.mark, u)
                    price = order.limit - 1
                run = enter(
                    run, order, order.limit, 0.0, fees.maker, t, at.now_ns, fees, contract, brackets
                )
        elif at.place == 0 and at.first_part:
            run = enter(
                run, order, at.price, slip, fees.taker, t, at.now_ns, fees, contract, brackets
            )
    guard, book = run.guard, run.book
    reason = 0
    if run.opened:
        index = 3 if at.last else min(at.place, 2)
        step = step_vertex(
            index,
            price,
            at.price,
            mark,
            at.mark,
            run.levels,
            guard,
            book,
            run.tier,
            slip,
            spare,
            fees,
            contract,
        )
        guard, book = step.guard, step.book
        if book.qty == 0:
            reason = step.second.reason if step.n_fills == 2 else step.first.reason
    return Alone(
        run.opened,
        run.levels,
        guard,
        book,
        run.tier,
        at.price,
        at.mark,
        run.entry_row,
        run.notional,
        run.margin,
        reason,
        at.now_ns,
    )


def enter(
    run: Alone,
    order: Order,
    ref: int,
    slip: float,
    rate: float,
    t: int,
    now_ns: int,
    fees: Fees,
    contract: Contract,
    brackets: Any,
) -> Alone:
    """Fill the variant's entry at a reference price in signed ticks."""
    levels, guard, book, tier = open_position(
        order.side,
        ref,
        order.qty,
        order.leverage,
        order.atr,
        order.sl_atr,
        order.plan,
        slip,
        rate,
        fees,
        contract,
        brackets,
        now_ns,
    )
    return Alone(
        True, levels, guard, book, tier, run.price, run.mark, t, book.cost, book.margin, 0, now_ns
    )


def judge_close(
    run: Alone, bar: Bar, last_row: int, order: Order, spare: int, fees: Fees, contract: Contract
) -> Alone:
    """Time exit at a close, and the end of the data."""
    close = order.side * bar.close
    now = bar.close_ns
    guard, book = run.guard, run.book
    if time_is_up(run.levels, now, close, fees.time_min_r):
        guard = with_order(guard, TIME)
    reason = 0
    if bar.row == last_row:
        guard, book, _ = close_at(
            run.levels, guard, book, END, close, bar.slip, spare, fees, contract, run.tier
        )
        reason = END
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
        reason,
        now,
    )
