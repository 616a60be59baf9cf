"""Walking the bars of one compiled environment in which something happens."""

from __future__ import annotations

from typing import Any

from envs.core.rules.booking import net_units, price_of
from envs.core.rules.fills import limit_fraction, limit_reached
from envs.core.rules.limits import ARMED
from envs.core.rules.path import mark_at
from envs.core.rules.rounding import from_units
from envs.core.rules.walk import RULE_DETAIL, RULE_PATH, adverse_first, step_vertex, vertex_ns
from envs.kernel.account import (
    book_at,
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
from envs.kernel.closing import book_closing_fill, evaluate, evaluate_fully, settle_slot
from envs.kernel.entries import enter, rest
from envs.kernel.market import Market, Rules, contract_at, market_at, rules_at
from envs.kernel.paths import choose_path, vertex_of
from envs.kernel.quiet import see_bar, unrealised_at


def walk(address: int, acc: Any, slots: Any, trades: Any, t: int) -> None:
    """Walk a bar in which something happens; quiet positions are only marked, where that does."""
    m, r = market_at(address), rules_at(address)
    if acc.state != ARMED or r.intrabar != RULE_PATH:
        walk_bar(address, acc, slots, trades, t, 0)
        return
    open_ns = m.close_ns[t] - r.interval_ns
    choose_natural_paths(m, acc, slots, t)
    for index in range(4):
        now = vertex_ns(open_ns, r.interval_ns, 1, 0, index)
        visit_loud(address, acc, slots, trades, t, index, now)
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


def choose_natural_paths(m: Market, acc: Any, slots: Any, t: int) -> None:
    """The path rule's order of the extremes, which follows from open and close alone."""
    for s in range(slots.shape[0]):
        slot = slots[s]
        if is_busy(acc, s) and slot.active:
            g = m.glances[s, t]
            slot.adverse = adverse_first(wide(slot.side), g.open, g.close, RULE_PATH, False)


def visit_loud(
    address: int, acc: Any, slots: Any, trades: Any, t: int, index: int, now: int
) -> None:
    """Bring every symbol that is not quiet to a vertex, in their order."""
    for s in range(slots.shape[0]):
        slot = slots[s]
        if is_busy(acc, s) and slot.active and not slot.quiet:
            visit(address, acc, slots, trades, t, s, 0, False, index, index == 3, now)


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
    fine = is_fine(m, r, acc, slots, t)
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
    see_closes(m, acc, slots, t)


def is_fine(m: Market, r: Rules, acc: Any, slots: Any, t: int) -> bool:
    """Whether the bar is walked by its finer bars: the rule asks, and all symbols have them."""
    fine = r.intrabar == RULE_DETAIL and m.detail.shape[2] > 0
    for s in range(slots.shape[0]):
        if is_busy(acc, s) and slots[s].active and not m.detail_ok[t, s]:
            fine = False
    return fine


def see_closes(m: Market, acc: Any, slots: Any, t: int) -> None:
    """The bar's own closing marks, which finer bars reach up to rounding only."""
    for s in range(slots.shape[0]):
        slot = slots[s]
        if is_held(acc, s) and slot.active:
            g = m.glances[s, t]
            slot.mark = g.mark3
            slot.price = g.price3


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
        tier_at(slot, m.brackets, s), m.glances[s, t].slip, spare_units(acc, slots, s), r.fees,
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
