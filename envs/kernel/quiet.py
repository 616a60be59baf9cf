"""Bars in which nothing can happen to an environment, passed without walking them."""

from __future__ import annotations

from typing import Any

from envs.core.rules.columns import (
    CLOSE,
    HIGH,
    LOW,
    MARK_CLOSE,
    MARK_HIGH,
    MARK_LOW,
    MARK_OPEN,
    SLIP,
)
from envs.core.rules.exits import Levels
from envs.core.rules.lifecycle import Guard
from envs.core.rules.limits import ARMED, NS_PER_DAY, is_calm
from envs.core.rules.rounding import from_units
from envs.core.rules.variant import move_changes_nothing
from envs.core.rules.walk import RULE_DETAIL, signed_vertex
from envs.kernel.account import guard_at, levels_at, stops_within, wide
from envs.kernel.market import Market, Rules, contract_at
from envs.kernel.paths import choose_path
from envs.kernel.state import OPEN as HELD


def stays_quiet(m: Market, r: Rules, slot: Any, t: int, s: int) -> bool:
    """Whether no level of an open position lies in the bar and no stop can move in it."""
    if slot.order != 0:
        return False
    levels = levels_at(slot, r.fees, contract_at(m.contracts, s))
    return nothing_in_reach(m, r, levels, guard_at(slot), slot.liq, slot.funding_unit, t, s)


def nothing_in_reach(
    m: Market, r: Rules, levels: Levels, guard: Guard, liq: int, funding_unit: float, t: int, s: int
) -> bool:
    """Whether a bar meets none of a position's levels and moves none of its stops."""
    if levels.side > 0:
        low, high = int(m.rows[t, s, LOW]), int(m.rows[t, s, HIGH])
        mark_low = min(m.rows[t, s, MARK_LOW], m.rows[t, s, MARK_OPEN], m.rows[t, s, MARK_CLOSE])
    else:
        low, high = -int(m.rows[t, s, HIGH]), -int(m.rows[t, s, LOW])
        mark_low = min(
            -m.rows[t, s, MARK_HIGH], -m.rows[t, s, MARK_OPEN], -m.rows[t, s, MARK_CLOSE]
        )
    if low <= guard.stop or mark_low <= liq or high >= levels.target:
        return False
    if not guard.partial_done and high >= levels.partial:
        return False
    contract = contract_at(m.contracts, s)
    return move_changes_nothing(
        levels, guard, high, m.rows[t, s, SLIP], funding_unit, r.fees, contract
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
        raise_waters(m, r, acc, slots, t, day)
    for s in range(slots.shape[0]):
        if slots[s].active:
            see_bar(m, slots[s], t, s)
    return True


def raise_waters(m: Market, r: Rules, acc: Any, slots: Any, t: int, day: int) -> None:
    """High waters of the first three vertices of a quiet bar; the close is evaluated anyway."""
    for s in range(slots.shape[0]):
        if slots[s].active:
            choose_path(m, r, slots[s], t, s, 0, False)
    wallet = from_units(acc.cash)
    for index in range(3):
        equity = wallet + unrealised_at(m, slots, t, index)
        if day != acc.day or equity > acc.day_high:
            acc.day = day
            acc.day_high = equity
        if equity > acc.peak:
            acc.peak = equity


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
    """Extremes and last price of a quiet bar."""
    side = wide(slot.side)
    see_price(slot, side * int(m.rows[t, s, LOW]))
    see_price(slot, side * int(m.rows[t, s, HIGH]))
    slot.last = side * int(m.rows[t, s, CLOSE])


def see_price(slot: Any, price: int) -> None:
    """Extremes of a position at a price where nothing happens."""
    if price > slot.peak:
        slot.peak = price
    if price < slot.trough:
        slot.trough = price
