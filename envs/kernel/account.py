"""The account of one compiled environment: slots in and out of tuples, sums, booking.

Every function takes the records of one environment: ``acc`` and its ``slots`` (S,). Sums run in
the order of the plain account, so floats agree.
"""

from __future__ import annotations

import math
from typing import Any

from envs.core.rules.booking import (
    Book,
    Tier,
    net_units,
    price_of,
    profit_quote,
    quantity_of,
    value_of,
)
from envs.core.rules.exits import Levels, template
from envs.core.rules.lifecycle import Fees, Guard
from envs.core.rules.limits import (
    ARMED,
    RECOVERING,
    Drawdowns,
    Ess,
    Judged,
    Ladder,
    drawdowns,
    is_calm,
    judge,
    raise_high_waters,
)
from envs.core.rules.rounding import from_units
from envs.core.rules.sizing import Contract
from envs.kernel.market import Rules, contract_at

NS_PER_HOUR = 3_600_000_000_000
MAX_UNITS = 1 << 53
LARGEST = 2**31 - 1


def wide(x: Any) -> int:
    """A small integer of a record as a 64-bit one, which the rules expect."""
    return x + 0  # type: ignore[no-any-return]


def levels_at(slot: Any, fees: Fees, contract: Contract) -> Levels:
    """Levels of an open position, rebuilt from what the slot keeps."""
    plan = template(wide(slot.exit), wide(slot.plan_regime))
    atr_ticks = slot.atr * (contract.tick_den / contract.tick_num)
    return Levels(
        wide(slot.side), wide(slot.entry), wide(slot.entry) - wide(slot.stop0),
        wide(slot.partial), wide(slot.target), plan.trail_r, fees.be_r,
        fees.trail_atr * atr_ticks, int(plan.time_h * NS_PER_HOUR), slot.entry_ns,
        wide(slot.stop0),
    )  # fmt: skip


def guard_at(slot: Any) -> Guard:
    """Guard of an open position."""
    return Guard(
        wide(slot.stop),
        wide(slot.stop_kind),
        wide(slot.peak),
        wide(slot.trough),
        slot.partial_done,
        wide(slot.order),
    )


def book_at(slot: Any) -> Book:
    """Book of an open position."""
    return Book(
        slot.qty, slot.cost, slot.margin, slot.liq, slot.gross, slot.fees, slot.funding, 0,
        slot.slippage, slot.funding_unit,
    )  # fmt: skip


def tier_at(slot: Any, brackets: Any, s: int) -> Tier:
    """Margin bracket of an open position."""
    return Tier(brackets[s, slot.tier, 1], brackets[s, slot.tier, 2])


def watch(slot: Any, fees: Fees) -> None:
    """Derive what spares the position's rules: see ``state.SLOT_FIELDS``.

    Half a tick below the first R that moves the stop stands for the rounding of R.
    """
    plan = template(wide(slot.exit), wide(slot.plan_regime))
    first = fees.be_r if fees.be_r < plan.trail_r else plan.trail_r
    high = slot.entry + first * (wide(slot.entry) - wide(slot.stop0)) - 0.5
    if slot.target < high:
        high = float(slot.target)
    if not slot.partial_done and slot.partial < high:
        high = float(slot.partial)
    low = wide(slot.stop) if slot.stop > slot.liq else slot.liq
    if slot.order != 0:
        low = LARGEST
    slot.watch_low = min(max(low, -LARGEST), LARGEST)
    slot.watch_high = int(min(max(math.ceil(high), -LARGEST), LARGEST))


def see_price(slot: Any, price: int) -> None:
    """Extremes of a position at a price where nothing happens."""
    if price > slot.peak:
        slot.peak = price
    if price < slot.trough:
        slot.trough = price


def keep_guard(slot: Any, guard: Guard) -> None:
    """Write a guard back."""
    slot.stop = guard.stop
    slot.stop_kind = guard.stop_kind
    slot.peak = guard.peak
    slot.trough = guard.trough
    slot.partial_done = guard.partial_done
    slot.order = guard.order


def keep_book(slot: Any, book: Book, contract: Contract) -> None:
    """Write a book back (insurance ends a position and is booked at once)."""
    if book.qty != slot.qty:
        slot.quantity = quantity_of(book.qty, contract)
    slot.qty = book.qty
    slot.cost = book.cost
    slot.margin = book.margin
    slot.liq = book.liq
    slot.gross = book.gross
    slot.fees = book.fees
    slot.funding = book.funding
    slot.slippage = book.slippage
    slot.funding_unit = book.funding_unit


def book_cash(acc: Any, units: int) -> None:
    """Change cash; an amount beyond exact money stops the environment (the caller raises)."""
    cash = acc.cash + units
    if units >= MAX_UNITS or units <= -MAX_UNITS or cash >= MAX_UNITS or cash <= -MAX_UNITS:
        acc.overflow = True
    acc.cash = cash


def is_held(acc: Any, s: int) -> bool:
    """Whether a symbol has a position."""
    return ((acc.held >> s) & 1) != 0  # type: ignore[no-any-return]


def is_waiting(acc: Any, s: int) -> bool:
    """Whether a symbol has an entry that was sent and not filled."""
    return ((acc.waiting >> s) & 1) != 0  # type: ignore[no-any-return]


def is_busy(acc: Any, s: int) -> bool:
    """Whether a symbol has either."""
    return (((acc.held | acc.waiting) >> s) & 1) != 0  # type: ignore[no-any-return]


def unrealised_total(acc: Any, slots: Any) -> float:
    """Sum of unrealised profit at the last marks, in symbol order."""
    total = 0.0
    for s in range(slots.shape[0]):
        if is_held(acc, s):
            total += profit_at(slots[s], slots[s].price)
    return total


def profit_at(slot: Any, price: float) -> float:
    """Unrealised profit of a position at a mark in quote."""
    return profit_quote(wide(slot.side), price, slot.quantity, slot.cost)


def margin_units(acc: Any, slots: Any, without: int) -> int:
    """Isolated margin in use and reserved, leaving out one symbol."""
    used = 0
    for s in range(slots.shape[0]):
        if s != without and is_busy(acc, s):
            used += slots[s].margin
    return used


def gross_notional_quote(acc: Any, slots: Any, without: int) -> float:
    """Notional of positions at mark, then of pending entries, each in symbol order."""
    total = 0.0
    for s in range(slots.shape[0]):
        if s != without and is_held(acc, s):
            total += slots[s].price * slots[s].quantity
    if acc.waiting != 0:
        for s in range(slots.shape[0]):
            if s != without and is_waiting(acc, s):
                total += slots[s].funding_unit
    return total


def risk_quote(acc: Any, slots: Any, contracts: Any, without: int) -> float:
    """Plain sum of losses at the stops, in symbol order; a stop in profit counts 0."""
    total = 0.0
    for s in range(slots.shape[0]):
        if s != without and is_held(acc, s):
            slot = slots[s]
            away = wide(slot.entry) - wide(slot.stop)
            if away > 0:
                total += price_of(away, contract_at(contracts, s)) * slot.quantity
    if acc.waiting != 0:
        for s in range(slots.shape[0]):
            if s != without and is_waiting(acc, s):
                total += from_units(slots[s].cost)
    return total


def spare_units(acc: Any, slots: Any, s: int) -> int:
    """Cash without this position's own results and the margin of the others."""
    cash: int = acc.cash
    return cash - net_units(book_at(slots[s])) - margin_units(acc, slots, s)


def count_bits(bits: int, width: int) -> int:
    """Set bits among the lowest ``width``."""
    n = 0
    for s in range(width):
        n += (bits >> s) & 1
    return n


def stops_within(acc: Any, now_ns: int, window_ns: int) -> int:
    """Stop fills within the window, as far as the ring reaches; the latest come last."""
    n = wide(acc.n_stops)
    while n > 0 and now_ns - acc.stops[acc.n_stops - n] > window_ns:
        n -= 1
    return n


def few_stops(acc: Any, now_ns: int, r: Rules) -> int:
    """Stop fills within the window, or all remembered ones while those are too few to matter."""
    if acc.n_stops < r.stop_ring:
        return wide(acc.n_stops)
    return stops_within(acc, now_ns, r.stop_window_ns)


def stop_hit(acc: Any, now_ns: int, ring: int) -> None:
    """Remember a stop fill; the oldest goes when the ring is full."""
    if acc.n_stops < ring:
        acc.stops[acc.n_stops] = now_ns
        acc.n_stops += 1
        return
    for i in range(ring - 1):
        acc.stops[i] = acc.stops[i + 1]
    acc.stops[ring - 1] = now_ns


def trade_closed(acc: Any, r_net: float) -> None:
    """Remember the net R of a closed trade among the last 20, oldest first."""
    n = acc.recent_r.shape[0]
    if acc.n_recent < n:
        acc.recent_r[acc.n_recent] = r_net
        acc.n_recent += 1
    else:
        for i in range(n - 1):
            acc.recent_r[i] = acc.recent_r[i + 1]
        acc.recent_r[n - 1] = r_net
    total = 0.0
    for i in range(acc.n_recent):
        total += acc.recent_r[i]
    acc.total_r = total
    if acc.state == RECOVERING:
        acc.trades += 1


def judged(acc: Any, equity: float, unrealised: float, flat: bool, now: int, r: Rules) -> Judged:
    """What an evaluation at this equity would say; nothing is written."""
    return judge(
        ladder_of(acc),
        Ess(wide(acc.state), wide(acc.level), acc.since_ns, acc.daily_day, wide(acc.trades)),
        equity,
        unrealised,
        from_units(acc.cash),
        flat,
        stops_within(acc, now, r.stop_window_ns),
        True,
        now,
        r.stops,
    )


def keep_judgement(acc: Any, got: Judged) -> None:
    """Write an evaluation back."""
    dd: Drawdowns = got.drawdowns
    keep_ladder(acc, got.ladder)
    acc.state = got.ess.state
    acc.level = got.ess.level
    acc.since_ns = got.ess.since_ns
    acc.daily_day = got.ess.daily_day
    acc.trades = got.ess.trades
    acc.daily_dd = dd.daily
    acc.open_dd = dd.open
    acc.total_dd = dd.total
    acc.stale = False


def evaluate_calmly(acc: Any, equity: float, unrealised: float, now: int, r: Rules) -> bool:
    """Evaluate an armed stop far from every limit: only the high waters can move.

    False when the exact judgement is needed; then nothing was written.
    """
    if acc.state != ARMED:
        return False
    ladder = raise_high_waters(ladder_of(acc), equity, now)
    stops = few_stops(acc, now, r)
    wallet = from_units(acc.cash)
    if not is_calm(ladder.day_high, ladder.peak, equity, unrealised, wallet, stops, r.stops):
        return False
    keep_ladder(acc, ladder)
    acc.stale = True
    return True


def ladder_of(acc: Any) -> Ladder:
    """High waters of an account."""
    return Ladder(wide(acc.day), acc.day_high, acc.peak)


def keep_ladder(acc: Any, ladder: Ladder) -> None:
    """Write high waters back."""
    acc.day = ladder.day
    acc.day_high = ladder.day_high
    acc.peak = ladder.peak


def freshen_drawdowns(acc: Any, unrealised: float) -> None:
    """Compute the drawdowns a calm evaluation left out; nothing was booked since."""
    if acc.stale:
        wallet = from_units(acc.cash)
        dd = drawdowns(ladder_of(acc), wallet + unrealised, unrealised, wallet)
        acc.daily_dd = dd.daily
        acc.open_dd = dd.open
        acc.total_dd = dd.total
        acc.stale = False


def entry_notional(slot: Any, contract: Contract) -> float:
    """Notional at entry in quote, from the quantity first filled."""
    return value_of(wide(slot.side) * wide(slot.entry), slot.qty0, contract)
