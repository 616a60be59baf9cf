"""A position's life whatever its size: its guard of resting levels, entry, closes (spec 9).

Prices are signed ticks (side * price). The guard holds what the price alone decides; the money
is in ``booking``.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from envs.core.rules.booking import (
    Book,
    Fill,
    Tier,
    close_book,
    liquidate_book,
    open_book,
    price_of,
    quantity_of,
    tier_of,
    value_of,
)
from envs.core.rules.exits import (
    STOP_INITIAL,
    Levels,
    Stop,
    Template,
    initial_levels,
    moved_stop,
    stop_is_safe,
)
from envs.core.rules.fills import entry_fill, exit_fill
from envs.core.rules.path import LIQUIDATION, PARTIAL, STOP
from envs.core.rules.sizing import Contract


class Fees(NamedTuple):
    """Rates of one run as fractions, and the lifecycle's constants."""

    maker: float
    taker: float
    liquidation: float
    be_r: float
    partial_fraction: float
    trail_atr: float
    min_stop_gap: float
    time_min_r: float


class Guard(NamedTuple):
    """Where a position's resting stop stands and what the price has done since entry.

    ``order`` is the reason of a market exit waiting for the next open vertex, 0 if none.
    """

    stop: int
    stop_kind: int
    peak: int
    trough: int
    partial_done: bool
    order: int


def open_position(
    side: int,
    ref_signed: int,
    qty: int,
    leverage: int,
    atr: float,
    sl_atr: float,
    plan: Template,
    slip: float,
    fee_rate: float,
    fees: Fees,
    contract: Contract,
    brackets: Any,
    now_ns: int,
) -> tuple[Levels, Guard, Book, Tier]:
    """Fill an entry and anchor its levels at the fill.

    Args:
        ref_signed: reference price, signed ticks: the open (market) or the limit (slip 0).
        atr: ATR in quote at the decision.
        fee_rate: taker for market entries, maker for resting ones.
    """
    levels = entry_levels(side, ref_signed, atr, sl_atr, plan, slip, fees, contract, now_ns)
    tier = tier_of(value_of(side * levels.entry, qty, contract), brackets)
    book = open_book(side, ref_signed, levels.entry, qty, leverage, fee_rate, contract, tier)
    return levels, first_guard(levels), book, tier


def entry_levels(
    side: int,
    ref_signed: int,
    atr: float,
    sl_atr: float,
    plan: Template,
    slip: float,
    fees: Fees,
    contract: Contract,
    now_ns: int,
) -> Levels:
    """Levels anchored at the fill of an entry; ``atr`` in quote."""
    tick = contract.tick_den / contract.tick_num
    fill = entry_fill(ref_signed, side, slip)
    return initial_levels(side, fill, atr * tick, sl_atr, plan, fees.be_r, fees.trail_atr, now_ns)


def first_guard(levels: Levels) -> Guard:
    """Guard at the entry fill."""
    return Guard(levels.stop0, STOP_INITIAL, levels.entry, levels.entry, False, 0)


def close_at(
    levels: Levels,
    guard: Guard,
    book: Book,
    kind: int,
    ref: int,
    slip: float,
    spare: int,
    fees: Fees,
    contract: Contract,
    tier: Tier,
) -> tuple[Guard, Book, Fill]:
    """Apply a closing event at reference price ``ref`` (signed ticks).

    A stop reports the kind of stop that was resting; a partial whose rest would be below minimum
    notional takes all; one that is less than a step takes nothing.
    """
    side = levels.side
    guard = after_event(guard, kind, ref)
    if kind == LIQUIDATION:
        book, fill = liquidate_book(side, book, ref, kind, spare, fees.liquidation, contract)
        return guard, book, fill
    price = exit_fill(ref, side, slip)
    reason = guard.stop_kind if kind == STOP else kind
    qty = book.qty
    if kind == PARTIAL:
        qty = partial_qty(
            price_of(side * price, contract), book.qty, fees.partial_fraction, contract
        )
    if qty == 0:
        return guard, book, Fill(price, 0, 0, 0, reason)
    book, fill = close_book(
        side, levels.entry, book, qty, ref, price, reason, fees.taker, contract, tier
    )
    return guard, book, fill


def after_event(guard: Guard, kind: int, ref: int) -> Guard:
    """Guard after an event at ``ref``: the price was there, a partial happens once."""
    return Guard(
        guard.stop,
        guard.stop_kind,
        guard.peak if guard.peak > ref else ref,
        guard.trough if guard.trough < ref else ref,
        guard.partial_done or kind == PARTIAL,
        guard.order,
    )


def partial_qty(price_quote: float, qty: int, fraction: float, contract: Contract) -> int:
    """Steps a partial exit takes: all of them when the rest would be below minimum notional."""
    part = int(math.floor(fraction * qty))
    if price_quote * quantity_of(qty - part, contract) < contract.min_notional:
        return qty
    return part


def at_vertex(
    levels: Levels,
    guard: Guard,
    price: int,
    mark: float,
    slip: float,
    funding_unit: float,
    fees: Fees,
    contract: Contract,
) -> Guard:
    """Extremes and stop moves at a vertex the price reached; prices in signed ticks.

    A moved stop that the last price has reached, where an exchange refuses it, or that would sit
    too near mark, becomes a market exit for the same reason.
    """
    peak = guard.peak if guard.peak > price else price
    trough = guard.trough if guard.trough < price else price
    unit = funding_unit * contract.tick_den / contract.tick_num
    new = moved_stop(levels, Stop(guard.stop, guard.stop_kind), price, peak, fees.taker, slip, unit)
    order = guard.order
    stop = guard.stop
    kind = guard.stop_kind
    if new.level > stop:
        if new.level < price and stop_is_safe(new.level, mark, fees.min_stop_gap):
            stop = new.level
            kind = new.kind
        elif order == 0:
            order = new.kind
    return Guard(stop, kind, peak, trough, guard.partial_done, order)


def with_order(guard: Guard, reason: int) -> Guard:
    """Send a market exit; the first reason stands."""
    order = guard.order if guard.order != 0 else reason
    return Guard(guard.stop, guard.stop_kind, guard.peak, guard.trough, guard.partial_done, order)


def with_stop(guard: Guard, stop: Stop) -> Guard:
    """Replace the resting stop."""
    return Guard(stop.level, stop.kind, guard.peak, guard.trough, guard.partial_done, guard.order)


def excursions(levels: Levels, guard: Guard) -> tuple[float, float]:
    """Largest adverse and favourable moves as fractions of the entry, both >= 0."""
    entry = levels.entry * levels.side
    return (levels.entry - guard.trough) / entry, (guard.peak - levels.entry) / entry
