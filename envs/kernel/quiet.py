"""Bars in which nothing can happen to an environment, passed at a glance."""

from __future__ import annotations

from typing import Any

from envs.core.rules.columns import MARK_CLOSE, MARK_HIGH, MARK_LOW, MARK_OPEN
from envs.core.rules.limits import ARMED, is_calm, raise_high_waters
from envs.core.rules.rounding import from_units
from envs.core.rules.variant import move_changes_nothing
from envs.core.rules.walk import vertex_ns
from envs.kernel.account import (
    few_stops,
    guard_at,
    is_held,
    keep_ladder,
    ladder_of,
    levels_at,
    profit_at,
    see_price,
    wide,
)
from envs.kernel.market import KNOWN, Market, Rules, contract_at, market_at, rules_at


def stays_quiet(m: Market, slot: Any, t: int, s: int) -> bool:
    """Whether a bar meets none of an open position's levels and moves none of its stops."""
    g = m.glances[s, t]
    if slot.side > 0:
        low, high = g.least, g.high
    else:
        low, high = -g.most, -g.low
    if (g.flags & KNOWN) == 0:
        return False
    if low > slot.watch_low and high < slot.watch_high:
        return True
    return look_again(m.address, slot, t, s)


def look_again(address: int, slot: Any, t: int, s: int) -> bool:
    """The exact answer where the glance did not do: near a level, or beyond a stop's first move."""
    if slot.order != 0:
        return False
    m, r = market_at(address), rules_at(address)
    g, row = m.glances[s, t], m.rows[t, s]
    if slot.side > 0:
        least, low, high = wide(g.least), wide(g.low), wide(g.high)
    else:
        least, low, high = -wide(g.most), -wide(g.high), -wide(g.low)
    if low <= slot.stop or high >= slot.target:
        return False
    if not slot.partial_done and high >= slot.partial:
        return False
    if least <= slot.liq:
        if slot.side > 0:
            mark_low = min(row[MARK_LOW], row[MARK_OPEN], row[MARK_CLOSE])
        else:
            mark_low = min(-row[MARK_HIGH], -row[MARK_OPEN], -row[MARK_CLOSE])
        if mark_low <= slot.liq:
            return False
    contract = contract_at(m.contracts, s)
    return move_changes_nothing(
        levels_at(slot, r.fees, contract), guard_at(slot), high, g.slip, slot.funding_unit, r.fees,
        contract,
    )  # fmt: skip


def pass_bar(m: Market, r: Rules, acc: Any, slots: Any, t: int) -> bool:
    """Pass a bar in which every position is quiet, unless the ladder could act at a vertex.

    High waters are those of the first three vertices; the close is evaluated anyway. Low waters
    are judged against the highest of the bar, so that True is on the safe side.
    """
    if acc.state != ARMED:
        return False
    first, second, third = 0.0, 0.0, 0.0
    for s in range(slots.shape[0]):
        if not is_held(acc, s):
            continue
        slot = slots[s]
        if slot.active:
            g = m.glances[s, t]
            first += profit_at(slot, g.price0)
            second += profit_at(slot, g.price1)
            third += profit_at(slot, g.price2)
        else:
            same = profit_at(slot, slot.price)
            first += same
            second += same
            third += same
    wallet = from_units(acc.cash)
    least = min(first, second, third)
    most = wallet + max(first, second, third)
    high = acc.day_high if acc.day_high > most else most
    peak = acc.peak if acc.peak > most else most
    open_ns = m.close_ns[t] - r.interval_ns
    if not is_calm(high, peak, wallet + least, least, wallet, few_stops(acc, open_ns, r), r.stops):
        return False
    ladder = raise_high_waters(ladder_of(acc), wallet + first, open_ns)
    now = vertex_ns(open_ns, r.interval_ns, 1, 0, 1)
    ladder = raise_high_waters(ladder, wallet + second, now)
    now = vertex_ns(open_ns, r.interval_ns, 1, 0, 2)
    keep_ladder(acc, raise_high_waters(ladder, wallet + third, now))
    for s in range(slots.shape[0]):
        if is_held(acc, s) and slots[s].active:
            see_bar(m, slots[s], t, s)
    return True


def see_bar(m: Market, slot: Any, t: int, s: int) -> None:
    """Extremes and mark of a quiet bar."""
    g = m.glances[s, t]
    if slot.side > 0:
        see_price(slot, wide(g.low))
        see_price(slot, wide(g.high))
    else:
        see_price(slot, -wide(g.high))
        see_price(slot, -wide(g.low))
    slot.price = g.price3


def unrealised_at(m: Market, acc: Any, slots: Any, t: int, index: int) -> float:
    """Unrealised total at one of a bar's first three vertices, in symbol order.

    Quiet positions at the glance's mark, the others at the mark they were walked to.
    """
    total = 0.0
    for s in range(slots.shape[0]):
        if is_held(acc, s):
            slot = slots[s]
            price = slot.price
            if slot.quiet and slot.active:
                g = m.glances[s, t]
                price = g.price0 if index == 0 else g.price1 if index == 1 else g.price2
            total += profit_at(slot, price)
    return total
