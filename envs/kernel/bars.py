"""One bar of one compiled environment: funding, entries, the path, the ladder, the close.

The order of the calls is that of ``envs.core.world.World``; the rules are the same functions.
"""

from __future__ import annotations

from typing import Any

from envs.core.rules.booking import Book, Fill, fund_book, net_units, risk_units
from envs.core.rules.columns import (
    CLOSE,
    FUNDING,
    HIGH,
    LOW,
    MARK_CLOSE,
    MARK_HIGH,
    MARK_LOW,
    MARK_OPEN,
    OPEN,
    SLIP,
    STAMP,
    VALID,
)
from envs.core.rules.exits import Stop, defensive_stop, stop_atr, template, time_is_up
from envs.core.rules.fills import limit_fraction, limit_reached
from envs.core.rules.lifecycle import (
    Guard,
    close_at,
    excursions,
    open_position,
    with_order,
    with_stop,
)
from envs.core.rules.limits import ARMED, NS_PER_DAY, is_calm
from envs.core.rules.margin import bracket_index
from envs.core.rules.path import LIQUIDATION, mark_at
from envs.core.rules.rounding import from_units, to_units
from envs.core.rules.variant import move_changes_nothing
from envs.core.rules.walk import (
    END,
    RULE_DETAIL,
    TIME,
    adverse_first,
    bar_in_reach,
    basis_at,
    signed_vertex,
    step_vertex,
    vertex_ns,
)
from envs.kernel.account import (
    book_at,
    book_cash,
    count_status,
    entry_notional,
    evaluate_calmly,
    guard_at,
    judged,
    keep_book,
    keep_guard,
    keep_judgement,
    levels_at,
    spare_units,
    stop_hit,
    stops_within,
    tier_at,
    trade_closed,
    unrealised_total,
    wide,
)
from envs.kernel.market import Market, Rules, contract_at
from envs.kernel.state import OPEN as HELD
from envs.kernel.state import PENDING

EMERGENCY = 8
LAPSED = -1
REDUCED = -2
ENDED = -3
"""Why an entry never opened, in a report's ``reason``: lapsed, gate reducing, end of data."""


def advance(m: Market, r: Rules, acc: Any, slots: Any, trades: Any) -> None:
    """Run the next bar of one environment."""
    acc.row += 1
    t = acc.row
    if acc.busy > 0:
        calm = begin_bar(m, r, acc, slots, t)
        if not (calm and pass_bar_quietly(m, r, acc, slots, t)):
            walk_bar(m, r, acc, slots, trades, t)
        judge_close(m, r, acc, slots, trades, t)
    for s in range(slots.shape[0]):
        if m.rows[t, s, VALID] != 0.0:
            slots[s].mark = m.rows[t, s, MARK_CLOSE]
    evaluate(m, r, acc, slots, trades, m.close_ns[t], True)
    if from_units(acc.cash) + unrealised_total(slots, m.contracts) <= r.ruin_quote:
        acc.ruined = True


def begin_bar(m: Market, r: Rules, acc: Any, slots: Any, t: int) -> bool:
    """Funding, and who takes part in the bar; True when only positions that stay quiet do."""
    calm = True
    for s in range(slots.shape[0]):
        slot = slots[s]
        slot.active = slot.status != 0 and m.rows[t, s, VALID] != 0.0
        slot.quiet = False
        if not slot.active:
            continue
        if slot.status == HELD:
            contract = contract_at(m.contracts, s)
            if m.rows[t, s, STAMP] != 0.0:
                before = slot.funding
                book = fund_book(
                    wide(slot.side), slot.entry, book_at(slot), m.rows[t, s, MARK_OPEN],
                    m.rows[t, s, FUNDING], contract, tier_at(slot, m.brackets, s),
                )  # fmt: skip
                keep_book(slot, book)
                book_cash(acc, book.funding - before)
            slot.quiet = stays_quiet(m, r, slot, t, s)
        calm = calm and slot.quiet
    return calm


def stays_quiet(m: Market, r: Rules, slot: Any, t: int, s: int) -> bool:
    """Whether no level of a position lies in the bar and no stop can move in it."""
    if slot.order != 0:
        return False
    if slot.side > 0:
        low, high = int(m.rows[t, s, LOW]), int(m.rows[t, s, HIGH])
        mark_low = min(m.rows[t, s, MARK_LOW], m.rows[t, s, MARK_OPEN], m.rows[t, s, MARK_CLOSE])
    else:
        low, high = -int(m.rows[t, s, HIGH]), -int(m.rows[t, s, LOW])
        mark_low = min(
            -m.rows[t, s, MARK_HIGH], -m.rows[t, s, MARK_OPEN], -m.rows[t, s, MARK_CLOSE]
        )
    if low <= slot.stop or mark_low <= slot.liq or high >= slot.target:
        return False
    if not slot.partial_done and high >= slot.partial:
        return False
    contract = contract_at(m.contracts, s)
    levels = levels_at(slot, r.fees, contract)
    return move_changes_nothing(
        levels, guard_at(slot), high, m.rows[t, s, SLIP], slot.funding_unit, r.fees, contract
    )


def pass_bar_quietly(m: Market, r: Rules, acc: Any, slots: Any, t: int) -> bool:
    """Skip the vertices when neither a position nor the ladder can act at any of them.

    Equity is monotone in every mark, so the bars' extremes bound it; where it could make a new
    high, the three vertices are evaluated for the high waters alone.
    """
    if acc.state != ARMED or (r.intrabar == RULE_DETAIL and m.detail.shape[2] > 0):
        return False
    low, high = bounds_of(m, slots, t)
    wallet = from_units(acc.cash)
    most = wallet + high
    open_ns = m.close_ns[t] - r.interval_ns
    day_high = acc.day_high if acc.day_high > most else most
    peak = acc.peak if acc.peak > most else most
    stops = stops_within(acc, open_ns, r.stop_window_ns)
    if not is_calm(day_high, peak, wallet + low, low, wallet, stops, r.stops):
        return False
    day = open_ns // NS_PER_DAY
    if day != acc.day or most > acc.day_high or most > acc.peak:
        for s in range(slots.shape[0]):
            if slots[s].active:
                choose_path(m, r, slots[s], t, s, 0, False)
        for index in range(3):
            equity = wallet + unrealised_at(m, slots, t, index)
            if day != acc.day or equity > acc.day_high:
                acc.day = day
                acc.day_high = equity
            if equity > acc.peak:
                acc.peak = equity
    for s in range(slots.shape[0]):
        if slots[s].active:
            see_bar(m, slots[s], t, s)
    return True


def bounds_of(m: Market, slots: Any, t: int) -> tuple[float, float]:
    """Least and most the unrealised total can be inside a bar."""
    low, high = 0.0, 0.0
    for s in range(slots.shape[0]):
        slot = slots[s]
        if slot.status != HELD:
            continue
        least, most = slot.mark, slot.mark
        if slot.active:
            least = min(m.rows[t, s, MARK_LOW], m.rows[t, s, MARK_OPEN], m.rows[t, s, MARK_CLOSE])
            most = max(m.rows[t, s, MARK_HIGH], m.rows[t, s, MARK_OPEN], m.rows[t, s, MARK_CLOSE])
        contract = contract_at(m.contracts, s)
        one = profit_at(slot, least, contract)
        other = profit_at(slot, most, contract)
        if slot.side < 0:
            one, other = other, one
        low += one
        high += other
    return low, high


def unrealised_at(m: Market, slots: Any, t: int, index: int) -> float:
    """Unrealised total at a vertex of a bar, in symbol order."""
    total = 0.0
    for s in range(slots.shape[0]):
        slot = slots[s]
        if slot.status != HELD:
            continue
        mark = slot.mark
        if slot.active:
            mark = wide(slot.side) * signed_vertex(
                index, wide(slot.side), slot.adverse, m.rows[t, s, MARK_OPEN],
                m.rows[t, s, MARK_HIGH], m.rows[t, s, MARK_LOW], m.rows[t, s, MARK_CLOSE],
            )  # fmt: skip
        total += profit_at(slot, mark, contract_at(m.contracts, s))
    return total


def profit_at(slot: Any, mark: float, contract: Any) -> float:
    """Unrealised profit of a position at a mark (unsigned ticks)."""
    price = mark * contract.tick_num / contract.tick_den
    value = price * (slot.qty * contract.step_num / contract.step_den)
    profit: float = wide(slot.side) * (value - from_units(slot.cost))
    return profit


def see_bar(m: Market, slot: Any, t: int, s: int) -> None:
    """Extremes of a quiet bar."""
    if slot.side > 0:
        low, high = int(m.rows[t, s, LOW]), int(m.rows[t, s, HIGH])
    else:
        low, high = -int(m.rows[t, s, HIGH]), -int(m.rows[t, s, LOW])
    if high > slot.peak:
        slot.peak = high
    if low < slot.trough:
        slot.trough = low
    slot.last = wide(slot.side) * int(m.rows[t, s, CLOSE])


def walk_bar(m: Market, r: Rules, acc: Any, slots: Any, trades: Any, t: int) -> None:
    """All symbols through every vertex of the bar (or of its finer bars), the ladder at each."""
    fine = r.intrabar == RULE_DETAIL and m.detail.shape[2] > 0
    for s in range(slots.shape[0]):
        if slots[s].active and not m.detail_ok[t, s]:
            fine = False
    parts = m.detail.shape[2] if fine else 1
    open_ns = m.close_ns[t] - r.interval_ns
    for part in range(parts):
        for s in range(slots.shape[0]):
            if slots[s].active:
                choose_path(m, r, slots[s], t, s, part, fine)
        for index in range(4):
            now = vertex_ns(open_ns, r.interval_ns, parts, part, index)
            last = index == 3 and part == parts - 1
            for s in range(slots.shape[0]):
                if slots[s].active and slots[s].status != 0:
                    visit(m, r, acc, slots, trades, t, s, part, fine, index, last, now)
            if not last and count_status(slots, HELD) > 0:
                evaluate(m, r, acc, slots, trades, now, False)


def piece_of(m: Market, t: int, s: int, part: int, fine: bool) -> tuple[float, float, float, float]:
    """Open, high, low and close (unsigned ticks) of a bar, or of one of its finer bars."""
    if not fine:
        return m.rows[t, s, OPEN], m.rows[t, s, HIGH], m.rows[t, s, LOW], m.rows[t, s, CLOSE]
    d = m.detail
    return (
        float(d[t, s, part, 0]), float(d[t, s, part, 1]), float(d[t, s, part, 2]),
        float(d[t, s, part, 3]),
    )  # fmt: skip


def choose_path(m: Market, r: Rules, slot: Any, t: int, s: int, part: int, fine: bool) -> None:
    """Whether the slot meets its adverse extreme first."""
    o, h, low, c = piece_of(m, t, s, part, fine)
    side = wide(slot.side) if slot.status != 0 else 1
    in_reach = True
    if slot.status == HELD:
        high_mark, low_mark = m.rows[t, s, MARK_HIGH], m.rows[t, s, MARK_LOW]
        if side > 0:
            in_reach = bar_in_reach(slot.stop, slot.liq, low, h, low_mark, high_mark)
        else:
            in_reach = bar_in_reach(slot.stop, slot.liq, -h, -low, -high_mark, -low_mark)
    slot.adverse = adverse_first(side, o, c, r.intrabar, in_reach)


def vertex_of(
    m: Market, slot: Any, t: int, s: int, part: int, fine: bool, index: int
) -> tuple[int, float]:
    """Signed last price and mark at a vertex."""
    o, h, low, c = piece_of(m, t, s, part, fine)
    side = wide(slot.side)
    to = int(signed_vertex(index, side, slot.adverse, o, h, low, c))
    row = m.rows
    parts = m.detail.shape[2]
    if fine and parts > 1:
        b0 = row[t, s, MARK_OPEN] - row[t, s, OPEN]
        b_low = row[t, s, MARK_LOW] - row[t, s, LOW]
        b_high = row[t, s, MARK_HIGH] - row[t, s, HIGH]
        b3 = row[t, s, MARK_CLOSE] - row[t, s, CLOSE]
        fraction = (part + index / 3.0) / parts
        if row[t, s, CLOSE] >= row[t, s, OPEN]:
            basis = basis_at(fraction, b0, b_low, b_high, b3)
        else:
            basis = basis_at(fraction, b0, b_high, b_low, b3)
        return to, to + side * basis
    mark = signed_vertex(
        index, side, slot.adverse, row[t, s, MARK_OPEN], row[t, s, MARK_HIGH],
        row[t, s, MARK_LOW], row[t, s, MARK_CLOSE],
    )  # fmt: skip
    return to, mark


def visit(
    m: Market, r: Rules, acc: Any, slots: Any, trades: Any, t: int, s: int, part: int, fine: bool,
    index: int, last: bool, now: int,
) -> None:  # fmt: skip
    """Bring one symbol to a vertex: entry, resting levels, stop moves, market exits."""
    slot = slots[s]
    side = wide(slot.side)
    to, mark_to = vertex_of(m, slot, t, s, part, fine, index)
    price, mark = to, mark_to
    if index > 0:
        price = slot.last
        mark = side * slot.mark
    if slot.status == PENDING:
        if slot.market:
            if index == 0 and part == 0:
                enter(m, r, acc, slot, s, to, m.rows[t, s, SLIP], r.fees.taker, now)
        elif limit_reached(to, slot.entry):
            limit = slot.entry
            enter(m, r, acc, slot, s, limit, 0.0, r.fees.maker, now)
            if index > 0:
                mark = mark_at(mark, mark_to, limit_fraction(price, to, limit))
                price = limit - 1
    slot.mark = side * mark_to
    slot.last = to
    if slot.status != HELD:
        return
    if slot.quiet:
        if to > slot.peak:
            slot.peak = to
        if to < slot.trough:
            slot.trough = to
        return
    contract = contract_at(m.contracts, s)
    levels = levels_at(slot, r.fees, contract)
    before = book_at(slot)
    step = step_vertex(
        3 if last else min(index, 2), price, to, mark, mark_to, levels, guard_at(slot), before,
        tier_at(slot, m.brackets, s), m.rows[t, s, SLIP], spare_units(acc, slots, s), r.fees,
        contract,
    )  # fmt: skip
    keep_guard(slot, step.guard)
    keep_book(slot, step.book)
    if step.n_fills > 0:
        book_closing_fill(r, acc, before, step.book, step.first, now)
    if step.n_fills > 1:
        book_closing_fill(r, acc, before, step.book, step.second, now)
    if step.book.qty == 0:
        fill = step.second if step.n_fills > 1 else step.first
        settle_slot(m, r, acc, slot, trades, s, step.book, step.guard, fill, now, False)


def enter(
    m: Market, r: Rules, acc: Any, slot: Any, s: int, ref: int, slip: float, rate: float, now: int
) -> None:
    """Fill a pending entry at a reference price in signed ticks."""
    contract = contract_at(m.contracts, s)
    exit_ = wide(slot.exit)
    levels, guard, book, _ = open_position(
        wide(slot.side), ref, slot.qty, wide(slot.leverage), slot.atr, stop_atr(exit_),
        template(exit_, wide(slot.plan_regime)), slip, rate, r.fees, contract, m.brackets[s], now,
    )  # fmt: skip
    slot.entry = levels.entry
    slot.stop0 = levels.stop0
    slot.partial = levels.partial
    slot.target = levels.target
    slot.entry_ns = now
    slot.last_entry_ns = now
    slot.qty0 = book.qty
    slot.status = HELD
    slot.quiet = False
    slot.tier = bracket_index(entry_notional(slot, contract), m.brackets[s])
    keep_guard(slot, guard)
    keep_book(slot, book)
    book_cash(acc, -book.fees)


def book_closing_fill(r: Rules, acc: Any, before: Book, after: Book, fill: Fill, now: int) -> None:
    """Book one closing fill and count stops."""
    book_cash(acc, fill.gross)
    if fill.reason == LIQUIDATION:
        book_cash(acc, after.insurance - before.insurance)
    book_cash(acc, -fill.fee)
    if fill.reason == 1 or fill.reason == 3 or fill.reason == 4 or fill.reason == 7:
        stop_hit(acc, now, r.stop_ring)


def settle_slot(
    m: Market, r: Rules, acc: Any, slot: Any, trades: Any, s: int, book: Book, guard: Guard,
    fill: Fill, now: int, truncated: bool,
) -> None:  # fmt: skip
    """Take a finished position off the books and report the trade."""
    contract = contract_at(m.contracts, s)
    net = net_units(book)
    risk = risk_units(slot.entry - slot.stop0, slot.qty0, contract)
    r_net = net / risk if risk > 0 else 0.0
    slot.status = 0
    acc.busy -= 1
    trade_closed(acc, r_net)
    if acc.n_trades >= trades.shape[0]:
        return
    out = trades[acc.n_trades]
    acc.n_trades += 1
    side = wide(slot.side)
    notional = entry_notional(slot, contract)
    mae, mfe = excursions(levels_at(slot, r.fees, contract), guard)
    report_entry(out, slot, s)
    out.closed = True
    out.truncated = truncated
    out.reason = 2 if fill.reason == 12 else fill.reason
    out.entry_ns = slot.entry_ns
    out.exit_ns = now
    out.entry_ticks = side * slot.entry
    out.stop0_ticks = side * slot.stop0
    out.qty_steps = slot.qty0
    out.notional_units = to_units(notional)
    out.margin_units = to_units(notional / slot.leverage)
    out.gross_units = book.gross
    out.fee_units = book.fees
    out.funding_units = book.funding
    out.insurance_units = book.insurance
    out.slippage_units = book.slippage
    out.net_units = net
    out.risk_units = risk
    out.equity_units = slot.equity_units
    out.r_net = r_net
    out.mae_frac = mae
    out.mfe_frac = mfe
    out.exit_price_ticks = side * fill.price


def report_entry(out: Any, slot: Any, s: int) -> None:
    """Which decision a report belongs to."""
    out.row = slot.decided_row
    out.symbol = s
    out.action = slot.action
    out.side = slot.side
    out.exit = slot.exit
    out.leverage = slot.leverage


def drop_entry(acc: Any, slot: Any, trades: Any, s: int, reason: int) -> None:
    """Report an entry that never opened, and free its slot."""
    slot.status = 0
    acc.busy -= 1
    if acc.n_trades < trades.shape[0]:
        out = trades[acc.n_trades]
        acc.n_trades += 1
        report_entry(out, slot, s)
        out.closed = False
        out.reason = reason


def judge_close(m: Market, r: Rules, acc: Any, slots: Any, trades: Any, t: int) -> None:
    """Time exits at the close, and what becomes of entries that did not fill."""
    for s in range(slots.shape[0]):
        slot = slots[s]
        if slot.status == 0 or m.rows[t, s, VALID] == 0.0:
            continue
        if slot.status == HELD:
            contract = contract_at(m.contracts, s)
            close = wide(slot.side) * int(m.rows[t, s, CLOSE])
            levels = levels_at(slot, r.fees, contract)
            if time_is_up(levels, m.close_ns[t], close, r.fees.time_min_r):
                keep_guard(slot, with_order(guard_at(slot), TIME))
        elif r.unfilled_market:
            slot.market = True
        else:
            drop_entry(acc, slot, trades, s, LAPSED)


def evaluate(
    m: Market, r: Rules, acc: Any, slots: Any, trades: Any, now: int, at_close: bool
) -> None:
    """Ladder and emergency stop; a level just reached acts on the open positions."""
    unrealised = unrealised_total(slots, m.contracts)
    equity = from_units(acc.cash) + unrealised
    if evaluate_calmly(acc, equity, unrealised, now, r):
        return
    flat = count_status(slots, HELD) == 0
    got = judged(acc, equity, unrealised, flat, now, r)
    keep_judgement(acc, got)
    if got.raised >= 2:
        act_on_level(m, r, acc, slots, trades, now, at_close, got.raised)


def act_on_level(
    m: Market, r: Rules, acc: Any, slots: Any, trades: Any, now: int, at_close: bool, level: int
) -> None:
    """Level 2 drops entries and pulls stops up; level 3 closes everything."""
    for s in range(slots.shape[0]):
        if slots[s].status == PENDING:
            drop_entry(acc, slots[s], trades, s, REDUCED)
    for s in range(slots.shape[0]):
        slot = slots[s]
        if slot.status != HELD:
            continue
        slot.quiet = False
        contract = contract_at(m.contracts, s)
        if level >= 3:
            if at_close:
                keep_guard(slot, with_order(guard_at(slot), EMERGENCY))
            else:
                price = wide(slot.side) * slot.last
                market_close(m, r, acc, slots, trades, s, EMERGENCY, price, now, False)
        else:
            levels = levels_at(slot, r.fees, contract)
            atr_ticks = slot.atr * contract.tick_den / contract.tick_num
            stop = Stop(slot.stop, wide(slot.stop_kind))
            moved = defensive_stop(levels, stop, wide(slot.side) * slot.mark, atr_ticks)
            keep_guard(slot, with_stop(guard_at(slot), moved))


def market_close(
    m: Market, r: Rules, acc: Any, slots: Any, trades: Any, s: int, reason: int, price: int,
    now: int, truncated: bool,
) -> None:  # fmt: skip
    """Close a position at market at an unsigned price in ticks."""
    slot = slots[s]
    contract = contract_at(m.contracts, s)
    before = book_at(slot)
    guard, book, fill = close_at(
        levels_at(slot, r.fees, contract), guard_at(slot), before, reason, wide(slot.side) * price,
        m.rows[acc.row, s, SLIP], spare_units(acc, slots, s), r.fees, contract,
        tier_at(slot, m.brackets, s),
    )  # fmt: skip
    keep_guard(slot, guard)
    keep_book(slot, book)
    book_closing_fill(r, acc, before, book, fill, now)
    settle_slot(m, r, acc, slot, trades, s, book, guard, fill, now, truncated)


def finish(m: Market, r: Rules, acc: Any, slots: Any, trades: Any) -> None:
    """Close what is still open at the last close with taker cost, reason END."""
    t = acc.row
    for s in range(slots.shape[0]):
        if slots[s].status == PENDING:
            drop_entry(acc, slots[s], trades, s, ENDED)
    for s in range(slots.shape[0]):
        if slots[s].status == HELD:
            price = int(m.rows[t, s, CLOSE])
            market_close(m, r, acc, slots, trades, s, END, price, m.close_ns[t], True)
