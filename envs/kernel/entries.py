"""Filling the entries of one compiled environment."""

from __future__ import annotations

from typing import Any

from envs.core.rules.booking import quantity_of
from envs.core.rules.exits import stop_atr, template
from envs.core.rules.lifecycle import open_position
from envs.core.rules.margin import bracket_index
from envs.kernel.account import book_cash, entry_notional, keep_book, keep_guard, watch, wide
from envs.kernel.market import Market, Rules, contract_at, market_at, rules_at


def enter(address: int, acc: Any, slot: Any, s: int, ref: int, t: int) -> None:
    """Fill a market entry at the open, a reference price in signed ticks."""
    m, r = market_at(address), rules_at(address)
    now = m.close_ns[t] - r.interval_ns
    hold(m, r, acc, slot, s, ref, m.glances[s, t].slip, r.fees.taker, now)


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
