"""One bar of one compiled environment: funding, entries, the path, the ladder, the close.

The order of the calls is that of ``envs.core.world.World``; the rules are the same functions.
"""

from __future__ import annotations

from typing import Any

from envs.core.rules.booking import fund_book, net_units, price_of, quantity_of
from envs.core.rules.columns import FUNDING, MARK_CLOSE, MARK_OPEN, SLIP, SLIP_NEXT
from envs.core.rules.exits import stop_atr, template
from envs.core.rules.fills import limit_fraction, limit_reached
from envs.core.rules.lifecycle import open_position
from envs.core.rules.limits import ARMED
from envs.core.rules.margin import bracket_index
from envs.core.rules.path import mark_at
from envs.core.rules.rounding import from_units
from envs.core.rules.walk import RULE_DETAIL, RULE_PATH, step_vertex, vertex_ns
from envs.kernel.account import (
    book_at,
    book_cash,
    entry_notional,
    evaluate_calmly,
    guard_at,
    is_busy,
    is_held,
    is_waiting,
    keep_book,
    keep_guard,
    levels_at,
    see_price,
    spare_units,
    tier_at,
    unrealised_total,
    watch,
    wide,
)
from envs.kernel.closing import (
    book_closing_fill,
    evaluate,
    evaluate_fully,
    judge_close,
    settle_slot,
)
from envs.kernel.market import (
    KNOWN,
    STAMPED,
    TRADED,
    Market,
    Rules,
    contract_at,
    market_at,
    rules_at,
)
from envs.kernel.paths import choose_path, vertex_of
from envs.kernel.quiet import pass_bar, see_bar, stays_quiet, unrealised_at


def advance(m: Market, r: Rules, acc: Any, slots: Any, trades: Any) -> None:
    """Run the next bar of one environment."""
    acc.row += 1
    t = acc.row
    acc.unrealised = 0.0
    if acc.busy > 0:
        if not (open_bar(m, r, acc, slots, t) and pass_bar(m, r, acc, slots, t)):
            walk(m.address, acc, slots, trades, t)
        judge_close(m, r, acc, slots, trades, t)
        acc.unrealised = unrealised_total(acc, slots)
    evaluate(m, r, acc, slots, trades, acc.unrealised, m.close_ns[t], True)
    if from_units(acc.cash) + acc.unrealised <= r.ruin_quote:
        acc.ruined = True


def open_bar(m: Market, r: Rules, acc: Any, slots: Any, t: int) -> bool:
    """Funding, who takes part, and entries at the open; True when all stay quiet in the bar.

    Entries are filled here, in symbol order, as long as nothing else happens at the open; the
    first that meets a level of its own, and all behind one that is not quiet, are left to the walk.
    """
    calm = r.intrabar != RULE_DETAIL or m.detail.shape[2] == 0
    for s in range(slots.shape[0]):
        if not is_busy(acc, s):
            continue
        slot = slots[s]
        flags = m.glances[t, s].flags
        slot.active = (flags & TRADED) != 0
        slot.quiet = False
        if slot.active and is_held(acc, s):
            if (flags & STAMPED) != 0:
                settle_funding(m.address, acc, slot, t, s)
            slot.quiet = stays_quiet(m, slot, t, s)
            calm = calm and slot.quiet
    if acc.waiting == 0:
        return calm
    for s in range(slots.shape[0]):
        slot = slots[s]
        if not is_waiting(acc, s) or not slot.active:
            continue
        calm = calm and r.intrabar == RULE_PATH
        if not slot.market:
            slot.quiet = rests_untouched(m, slot, t, s)
        elif calm:
            enter(m.address, acc, slot, s, wide(slot.side) * wide(m.glances[t, s].open), t)
            slot.quiet = stays_quiet(m, slot, t, s)
        calm = calm and slot.quiet
    return calm


def settle_funding(address: int, acc: Any, slot: Any, t: int, s: int) -> None:
    """Book a funding stamp on a position held before it."""
    m, r = market_at(address), rules_at(address)
    contract = contract_at(m.contracts, s)
    before = slot.funding
    book = fund_book(
        wide(slot.side), wide(slot.entry), book_at(slot), m.rows[t, s, MARK_OPEN],
        m.rows[t, s, FUNDING], contract, tier_at(slot, m.brackets, s),
    )  # fmt: skip
    keep_book(slot, book, contract)
    watch(slot, r.fees)
    book_cash(acc, book.funding - before)


def rests_untouched(m: Market, slot: Any, t: int, s: int) -> bool:
    """Whether the price of a bar stays away from a resting entry."""
    g = m.glances[t, s]
    low = wide(g.low) if slot.side > 0 else -wide(g.high)
    return (g.flags & KNOWN) != 0 and not limit_reached(low, wide(slot.entry))


def walk(address: int, acc: Any, slots: Any, trades: Any, t: int) -> None:
    """Walk a bar in which something happens; quiet positions are only marked, where that does."""
    m, r = market_at(address), rules_at(address)
    if acc.state != ARMED or r.intrabar != RULE_PATH:
        walk_bar(address, acc, slots, trades, t, 0)
        return
    open_ns = m.close_ns[t] - r.interval_ns
    for s in range(slots.shape[0]):
        if is_busy(acc, s) and slots[s].active:
            choose_path(m, r, acc, slots[s], t, s, 0, False)
    for index in range(4):
        now = vertex_ns(open_ns, r.interval_ns, 1, 0, index)
        for s in range(slots.shape[0]):
            slot = slots[s]
            if is_busy(acc, s) and slot.active and not slot.quiet:
                visit(address, acc, slots, trades, t, s, 0, False, index, index == 3, now)
        if index < 3 and acc.held != 0:
            unrealised = unrealised_at(m, acc, slots, t, index)
            equity = from_units(acc.cash) + unrealised
            if not evaluate_calmly(acc, equity, unrealised, now, r):
                catch_up(address, acc, slots, t, index)
                evaluate_fully(address, acc, slots, trades, unrealised, now, False)
                walk_bar(address, acc, slots, trades, t, index + 1)
                return
    for s in range(slots.shape[0]):
        slot = slots[s]
        if is_held(acc, s) and slot.active and slot.quiet:
            see_bar(m, slot, t, s)


def catch_up(address: int, acc: Any, slots: Any, t: int, index: int) -> None:
    """Bring quiet positions to a vertex, as a walk of every symbol would have done."""
    m = market_at(address)
    for s in range(slots.shape[0]):
        slot = slots[s]
        if is_held(acc, s) and slot.active and slot.quiet:
            for i in range(index + 1):
                to, mark = vertex_of(m, slot, t, s, 0, False, i)
                see_price(slot, to)
                see_mark(m, slot, s, to, mark)


def walk_bar(address: int, acc: Any, slots: Any, trades: Any, t: int, first: int) -> None:
    """All symbols through the vertices of the bar (or of its finer bars), the ladder at each.

    ``first`` > 0 goes on with a bar that was walked so far by ``walk``.
    """
    m, r = market_at(address), rules_at(address)
    fine = r.intrabar == RULE_DETAIL and m.detail.shape[2] > 0
    for s in range(slots.shape[0]):
        if is_busy(acc, s) and slots[s].active and not m.detail_ok[t, s]:
            fine = False
    parts = m.detail.shape[2] if fine else 1
    open_ns = m.close_ns[t] - r.interval_ns
    for part in range(parts):
        for s in range(slots.shape[0]):
            if is_busy(acc, s) and slots[s].active and first == 0:
                choose_path(m, r, acc, slots[s], t, s, part, fine)
        for index in range(first, 4):
            now = vertex_ns(open_ns, r.interval_ns, parts, part, index)
            last = index == 3 and part == parts - 1
            for s in range(slots.shape[0]):
                if is_busy(acc, s) and slots[s].active:
                    visit(address, acc, slots, trades, t, s, part, fine, index, last, now)
            if not last and acc.held != 0:
                evaluate(m, r, acc, slots, trades, unrealised_total(acc, slots), now, False)
    for s in range(slots.shape[0]):
        slot = slots[s]
        if is_held(acc, s) and slot.active:
            slot.mark = m.rows[t, s, MARK_CLOSE]
            slot.price = m.glances[t, s].price3


def visit(
    address: int, acc: Any, slots: Any, trades: Any, t: int, s: int, part: int, fine: bool,
    index: int, last: bool, now: int,
) -> None:  # fmt: skip
    """Bring one symbol to a vertex: entry, resting levels, stop moves, market exits."""
    m = market_at(address)
    slot = slots[s]
    side = wide(slot.side)
    to, mark_to = vertex_of(m, slot, t, s, part, fine, index)
    price, mark = to, mark_to
    if index > 0:
        price = wide(slot.last)
        mark = side * slot.mark
    if is_waiting(acc, s):
        price, mark = try_entry(m, acc, slot, t, s, part, index, (price, to, mark, mark_to), now)
    see_mark(m, slot, s, to, mark_to)
    if is_held(acc, s):
        low = price if price < to else to
        high = price if price > to else to
        worst = mark if mark < mark_to else mark_to
        if slot.quiet or (
            low > slot.watch_low and high < slot.watch_high and worst > slot.watch_low
        ):
            see_price(slot, to)
        else:
            place = 3 if last else min(index, 2)
            step_position(address, acc, slots, trades, t, s, place, (price, to, mark, mark_to), now)


def see_mark(m: Market, slot: Any, s: int, last: int, mark: float) -> None:
    """Note where the price and the mark (signed ticks) stand."""
    unsigned = wide(slot.side) * mark
    slot.last = last
    slot.mark = unsigned
    slot.price = price_of(unsigned, contract_at(m.contracts, s))


def try_entry(
    m: Market, acc: Any, slot: Any, t: int, s: int, part: int, index: int,
    piece: tuple[int, int, float, float], now: int,
) -> tuple[int, float]:  # fmt: skip
    """Fill a pending entry where the price reaches it; return where the position starts from."""
    price, to, mark, mark_to = piece
    if slot.market:
        if index == 0 and part == 0:
            enter(m.address, acc, slot, s, to, t)
    elif limit_reached(to, wide(slot.entry)):
        limit = wide(slot.entry)
        rest(m.address, acc, slot, s, now)
        if index > 0:
            mark = mark_at(mark, mark_to, limit_fraction(price, to, limit))
            price = limit - 1
    return price, mark


def step_position(
    address: int, acc: Any, slots: Any, trades: Any, t: int, s: int, place: int,
    piece: tuple[int, int, float, float], now: int,
) -> None:  # fmt: skip
    """Walk an open position along a piece, book its fills, settle what closed."""
    m, r = market_at(address), rules_at(address)
    slot = slots[s]
    price, to, mark, mark_to = piece
    contract = contract_at(m.contracts, s)
    before = book_at(slot)
    step = step_vertex(
        place, price, to, mark, mark_to, levels_at(slot, r.fees, contract), guard_at(slot), before,
        tier_at(slot, m.brackets, s), m.rows[t, s, SLIP], spare_units(acc, slots, s), r.fees,
        contract,
    )  # fmt: skip
    keep_guard(slot, step.guard)
    if step.n_fills > 0:
        keep_book(slot, step.book, contract)
        book_closing_fill(r, acc, before, step.book, step.first, now)
        if step.n_fills > 1:
            book_closing_fill(r, acc, before, step.book, step.second, now)
        if step.book.qty == 0:
            fill = step.second if step.n_fills > 1 else step.first
            settle_slot(address, acc, slot, trades, s, net_units(step.book), fill, now, False)
            return
    watch(slot, r.fees)


def enter(address: int, acc: Any, slot: Any, s: int, ref: int, t: int) -> None:
    """Fill a market entry at the open, a reference price in signed ticks."""
    m, r = market_at(address), rules_at(address)
    now = m.close_ns[t] - r.interval_ns
    hold(m, r, acc, slot, s, ref, m.rows[t - 1, s, SLIP_NEXT], r.fees.taker, now)


def rest(address: int, acc: Any, slot: Any, s: int, now: int) -> None:
    """Fill a resting entry at its limit."""
    m, r = market_at(address), rules_at(address)
    hold(m, r, acc, slot, s, wide(slot.entry), 0.0, r.fees.maker, now)


def hold(
    m: Market, r: Rules, acc: Any, slot: Any, s: int, ref: int, slip: float, rate: float, now: int
) -> None:
    """Open the position of a pending entry."""
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
    slot.qty0 = book.qty
    acc.held |= 1 << s
    acc.waiting &= ~(1 << s)
    slot.quiet = False
    slot.tier = bracket_index(entry_notional(slot, contract), m.brackets[s])
    slot.quantity = quantity_of(book.qty, contract)
    keep_guard(slot, guard)
    keep_book(slot, book, contract)
    watch(slot, r.fees)
    book_cash(acc, -book.fees)
