"""Closing positions of one compiled environment: fills, reports, the emergency stop, the end."""

from __future__ import annotations

from typing import Any

from envs.core.rules.booking import Book, Fill, net_units, risk_units
from envs.core.rules.columns import CLOSE, MARK_CLOSE, VALID
from envs.core.rules.exits import STOP_DEFENSIVE, Stop, defensive_stop, time_is_up
from envs.core.rules.lifecycle import close_at, excursions, with_order, with_stop
from envs.core.rules.path import LIQUIDATION
from envs.core.rules.rounding import from_units, to_units
from envs.core.rules.walk import END, TIME
from envs.kernel.account import (
    book_at,
    book_cash,
    entry_notional,
    evaluate_calmly,
    guard_at,
    is_busy,
    is_held,
    is_waiting,
    judged,
    keep_book,
    keep_guard,
    keep_judgement,
    levels_at,
    spare_units,
    stop_hit,
    tier_at,
    trade_closed,
    watch,
    wide,
)
from envs.kernel.market import Market, Rules, contract_at, market_at, rules_at

EMERGENCY = 8
LAPSED = -1
REDUCED = -2
ENDED = -3
"""Why an entry never opened, in a report's ``reason``: lapsed, gate reducing, end of data."""


def judge_close(m: Market, r: Rules, acc: Any, slots: Any, trades: Any, t: int) -> None:
    """Time exits at the close, and what becomes of entries that did not fill."""
    for s in range(slots.shape[0]):
        slot = slots[s]
        if not is_busy(acc, s) or not slot.active:
            continue
        if is_held(acc, s):
            contract = contract_at(m.contracts, s)
            close = wide(slot.side) * int(m.rows[t, s, CLOSE])
            levels = levels_at(slot, r.fees, contract)
            if time_is_up(levels, m.close_ns[t], close, r.fees.time_min_r):
                keep_guard(slot, with_order(guard_at(slot), TIME))
                watch(slot, r.fees)
        elif r.unfilled_market:
            slot.market = True
        else:
            drop_entry(acc, slot, trades, s, LAPSED)


def evaluate(
    m: Market, r: Rules, acc: Any, slots: Any, trades: Any, unrealised: float, now: int,
    at_close: bool,
) -> None:  # fmt: skip
    """Ladder and emergency stop; a level just reached acts on the open positions."""
    equity = from_units(acc.cash) + unrealised
    if not evaluate_calmly(acc, equity, unrealised, now, r):
        evaluate_fully(m.address, acc, slots, trades, unrealised, now, at_close)


def evaluate_fully(
    address: int, acc: Any, slots: Any, trades: Any, unrealised: float, now: int, at_close: bool
) -> None:
    """The exact judgement, and what a level just reached does."""
    equity = from_units(acc.cash) + unrealised
    flat = acc.held == 0
    got = judged(acc, equity, unrealised, flat, now, rules_at(address))
    keep_judgement(acc, got)
    if got.raised >= 2:
        act_on_level(address, acc, slots, trades, now, at_close, got.raised)


def act_on_level(
    address: int, acc: Any, slots: Any, trades: Any, now: int, at_close: bool, level: int
) -> None:
    """Level 2 drops entries and pulls stops up, or out where they are met; level 3 closes all."""
    m, r = market_at(address), rules_at(address)
    for s in range(slots.shape[0]):
        if is_waiting(acc, s):
            drop_entry(acc, slots[s], trades, s, REDUCED)
    for s in range(slots.shape[0]):
        slot = slots[s]
        if not is_held(acc, s):
            continue
        slot.quiet = False
        contract = contract_at(m.contracts, s)
        reason = EMERGENCY
        if level < 3:
            side = wide(slot.side)
            atr_ticks = slot.atr * contract.tick_den / contract.tick_num
            mark = side * mark_now(m, slot, wide(acc.row), s, at_close)
            stop = Stop(wide(slot.stop), wide(slot.stop_kind))
            moved = defensive_stop(levels_at(slot, r.fees, contract), stop, mark, atr_ticks)
            last = side * price_now(m, slot, wide(acc.row), s, at_close)
            reason = STOP_DEFENSIVE
            if moved.level == stop.level or moved.level < last:
                keep_guard(slot, with_stop(guard_at(slot), moved))
                watch(slot, r.fees)
                continue
        if at_close:
            keep_guard(slot, with_order(guard_at(slot), reason))
            watch(slot, r.fees)
        else:
            price = price_now(m, slot, wide(acc.row), s, at_close)
            market_close(m, r, acc, slots, trades, s, reason, price, now, False)


def price_now(m: Market, slot: Any, t: int, s: int, at_close: bool) -> int:
    """Last price in unsigned ticks where the bar stands; without a bar that of the last close."""
    if slot.active and not at_close:
        return wide(slot.side) * wide(slot.last)
    return int(m.rows[last_bar(m, t, s), s, CLOSE])


def mark_now(m: Market, slot: Any, t: int, s: int, at_close: bool) -> float:
    """Mark in unsigned ticks where the bar stands, likewise."""
    if slot.active and not at_close:
        return slot.mark  # type: ignore[no-any-return]
    return m.rows[last_bar(m, t, s), s, MARK_CLOSE]  # type: ignore[no-any-return]


def last_bar(m: Market, t: int, s: int) -> int:
    """Row of a symbol's last bar at or before t."""
    while m.rows[t, s, VALID] == 0.0:
        t -= 1
    return t


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
        m.glances[s, acc.row].slip, spare_units(acc, slots, s), r.fees, contract,
        tier_at(slot, m.brackets, s),
    )  # fmt: skip
    keep_guard(slot, guard)
    keep_book(slot, book, contract)
    book_closing_fill(r, acc, before, book, fill, now)
    settle_slot(m.address, acc, slot, trades, s, net_units(book), fill, now, truncated)


def book_closing_fill(r: Rules, acc: Any, before: Book, after: Book, fill: Fill, now: int) -> None:
    """Book one closing fill and count stops."""
    book_cash(acc, fill.gross)
    if fill.reason == LIQUIDATION:
        book_cash(acc, after.insurance - before.insurance)
    book_cash(acc, -fill.fee)
    if fill.reason == 1 or fill.reason == 3 or fill.reason == 4 or fill.reason == 7:
        stop_hit(acc, now, r.stop_ring)


def settle_slot(
    address: int, acc: Any, slot: Any, trades: Any, s: int, net: int, fill: Fill, now: int,
    truncated: bool,
) -> None:  # fmt: skip
    """Take a finished position off the books; its guard and book stand in the slot."""
    contract = contract_at(market_at(address).contracts, s)
    risk = risk_units(wide(slot.entry) - wide(slot.stop0), slot.qty0, contract)
    r_net = net / risk if risk > 0 else 0.0
    acc.held &= ~(1 << s)
    acc.busy -= 1
    trade_closed(acc, r_net)
    if acc.n_trades < trades.shape[0]:
        report(address, acc, slot, trades[acc.n_trades], s, net, r_net, fill, now, truncated)
        acc.n_trades += 1


def report(
    address: int, acc: Any, slot: Any, out: Any, s: int, net: int, r_net: float, fill: Fill,
    now: int, truncated: bool,
) -> None:  # fmt: skip
    """Report a closed trade."""
    m, r = market_at(address), rules_at(address)
    contract = contract_at(m.contracts, s)
    side = wide(slot.side)
    notional = entry_notional(slot, contract)
    mae, mfe = excursions(levels_at(slot, r.fees, contract), guard_at(slot))
    report_entry(out, slot, s)
    out.closed = True
    out.truncated = truncated
    out.reason = 2 if fill.reason == 12 else fill.reason
    out.entry_ns = slot.entry_ns
    out.exit_ns = now
    out.entry_ticks = side * wide(slot.entry)
    out.stop0_ticks = side * wide(slot.stop0)
    out.qty_steps = slot.qty0
    out.notional_units = to_units(notional)
    out.margin_units = to_units(notional / slot.leverage)
    out.gross_units = slot.gross
    out.fee_units = slot.fees
    out.funding_units = slot.funding
    out.insurance_units = net - slot.gross + slot.fees - slot.funding
    out.slippage_units = slot.slippage
    out.net_units = net
    out.risk_units = risk_units(wide(slot.entry) - wide(slot.stop0), slot.qty0, contract)
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
    acc.waiting &= ~(1 << s)
    acc.busy -= 1
    if acc.n_trades < trades.shape[0]:
        out = trades[acc.n_trades]
        acc.n_trades += 1
        report_entry(out, slot, s)
        out.closed = False
        out.reason = reason


def finish(address: int, acc: Any, slots: Any, trades: Any) -> None:
    """Close what is still open at the last close with taker cost, reason END."""
    m, r = market_at(address), rules_at(address)
    t = acc.row
    for s in range(slots.shape[0]):
        if is_waiting(acc, s):
            drop_entry(acc, slots[s], trades, s, ENDED)
    for s in range(slots.shape[0]):
        if is_held(acc, s):
            price = int(m.rows[last_bar(m, t, s), s, CLOSE])
            market_close(m, r, acc, slots, trades, s, END, price, m.close_ns[t], True)
    acc.unrealised = 0.0
