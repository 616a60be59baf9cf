"""One bar of one compiled environment: funding, entries, the path, the ladder, the close.

The order of the calls is that of ``envs.core.world.World``; the rules are the same functions.
"""

from __future__ import annotations

from typing import Any

from envs.core.rules.booking import fund_book
from envs.core.rules.columns import (
    FUNDING,
    HIGH,
    LOW,
    MARK_CLOSE,
    MARK_OPEN,
    OPEN,
    SLIP,
    STAMP,
    VALID,
)
from envs.core.rules.exits import stop_atr, template
from envs.core.rules.fills import limit_fraction, limit_reached
from envs.core.rules.lifecycle import open_position
from envs.core.rules.margin import bracket_index
from envs.core.rules.path import mark_at
from envs.core.rules.rounding import from_units
from envs.core.rules.walk import RULE_DETAIL, RULE_PATH, step_vertex, vertex_ns
from envs.kernel.account import (
    book_at,
    book_cash,
    count_status,
    entry_notional,
    guard_at,
    keep_book,
    keep_guard,
    levels_at,
    spare_units,
    tier_at,
    unrealised_total,
    wide,
)
from envs.kernel.closing import book_closing_fill, evaluate, judge_close, settle_slot
from envs.kernel.market import Market, Rules, contract_at
from envs.kernel.paths import choose_path, vertex_of
from envs.kernel.quiet import nothing_in_reach, pass_bar_quietly, see_price, stays_quiet
from envs.kernel.state import OPEN as HELD
from envs.kernel.state import PENDING


def advance(m: Market, r: Rules, acc: Any, slots: Any, trades: Any) -> None:
    """Run the next bar of one environment."""
    acc.row += 1
    t = acc.row
    if acc.busy > 0:
        calm = begin_bar(m, r, acc, slots, t) and enter_quietly(m, r, acc, slots, t)
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
    """Funding, and who takes part in the bar; True when every position stays quiet in it."""
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
        price, mark = try_entry(m, r, acc, slot, t, s, part, index, (price, to, mark, mark_to), now)
    slot.mark = wide(slot.side) * mark_to
    slot.last = to
    if slot.status == HELD:
        if slot.quiet:
            see_price(slot, to)
        else:
            place = 3 if last else min(index, 2)
            step_position(m, r, acc, slots, trades, t, s, place, (price, to, mark, mark_to), now)


def try_entry(
    m: Market, r: Rules, acc: Any, slot: Any, t: int, s: int, part: int, index: int,
    piece: tuple[int, int, float, float], now: int,
) -> tuple[int, float]:  # fmt: skip
    """Fill a pending entry where the price reaches it; return where the position starts from."""
    price, to, mark, mark_to = piece
    if slot.market:
        if index == 0 and part == 0:
            enter(m, r, acc, slot, s, to, m.rows[t, s, SLIP], r.fees.taker, now)
    elif limit_reached(to, slot.entry):
        limit = slot.entry
        enter(m, r, acc, slot, s, limit, 0.0, r.fees.maker, now)
        if index > 0:
            mark = mark_at(mark, mark_to, limit_fraction(price, to, limit))
            price = limit - 1
    return price, mark


def step_position(
    m: Market, r: Rules, acc: Any, slots: Any, trades: Any, t: int, s: int, place: int,
    piece: tuple[int, int, float, float], now: int,
) -> None:  # fmt: skip
    """Walk an open position along a piece, book its fills, settle what closed."""
    slot = slots[s]
    price, to, mark, mark_to = piece
    contract = contract_at(m.contracts, s)
    levels = levels_at(slot, r.fees, contract)
    before = book_at(slot)
    step = step_vertex(
        place, price, to, mark, mark_to, levels, guard_at(slot), before,
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


def enter_quietly(m: Market, r: Rules, acc: Any, slots: Any, t: int) -> bool:
    """Fill the market entries of a bar in which nothing else happens, not even to them.

    False, and nothing changed, when an entry would meet one of its levels inside the bar or rests
    where the price comes by; the bar is walked then.
    """
    for s in range(slots.shape[0]):
        slot = slots[s]
        if slot.active and slot.status == PENDING and not entry_stays_quiet(m, r, slot, t, s):
            return False
    for s in range(slots.shape[0]):
        slot = slots[s]
        if slot.active and slot.status == PENDING and slot.market:
            ref = wide(slot.side) * int(m.rows[t, s, OPEN])
            now = m.close_ns[t] - r.interval_ns
            enter(m, r, acc, slot, s, ref, m.rows[t, s, SLIP], r.fees.taker, now)
            slot.quiet = True
    return True


def entry_stays_quiet(m: Market, r: Rules, slot: Any, t: int, s: int) -> bool:
    """Whether a pending entry leads to nothing but its fill at the open, or to no fill at all."""
    if r.intrabar != RULE_PATH:
        return False
    side = wide(slot.side)
    if not slot.market:
        low = int(m.rows[t, s, LOW]) if side > 0 else -int(m.rows[t, s, HIGH])
        return not limit_reached(low, slot.entry)
    contract = contract_at(m.contracts, s)
    exit_ = wide(slot.exit)
    ref = side * int(m.rows[t, s, OPEN])
    levels, guard, book, _ = open_position(
        side, ref, slot.qty, wide(slot.leverage), slot.atr, stop_atr(exit_),
        template(exit_, wide(slot.plan_regime)), m.rows[t, s, SLIP], r.fees.taker, r.fees, contract,
        m.brackets[s], m.close_ns[t],
    )  # fmt: skip
    return nothing_in_reach(m, r, levels, guard, book.liq, 0.0, t, s)


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
