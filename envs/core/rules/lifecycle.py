"""A position's money and events: entry, funding, partial and full closes (spec 4, 9.2).

One text serves every face: the account of the plain core, the counterfactual walk and the kernel
call these functions vertex by vertex. All amounts are int64 units of 1e-8 quote.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from envs.core.rules.costs import funding_quote
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
from envs.core.rules.margin import bracket_index, liquidation_ticks
from envs.core.rules.path import LIQUIDATION, PARTIAL, STOP
from envs.core.rules.rounding import from_units, ratio_half_even, to_units, value_quote
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


class Live(NamedTuple):
    """The changing part of a position; prices in signed ticks, money in units.

    ``order`` is the reason of a market exit waiting for the next open vertex, 0 if none.
    ``funding_unit`` is funding paid per unit in quote (negative if received).
    """

    qty: int
    stop: int
    stop_kind: int
    peak: int
    trough: int
    partial_done: bool
    liq: int
    order: int
    cost: int
    margin: int
    gross: int
    fees: int
    funding: int
    insurance: int
    slippage: int
    funding_unit: float


class Fill(NamedTuple):
    """One closing fill: price (signed ticks), steps, gross and fee in units, reason."""

    price: int
    qty: int
    gross: int
    fee: int
    reason: int


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
) -> tuple[Levels, Live, int]:
    """Fill an entry and anchor its levels at the fill.

    Args:
        ref_signed: reference price, signed ticks: the open (market) or the limit (slip 0).
        atr: ATR in quote at the decision.
        fee_rate: taker for market entries, maker for resting ones.

    Returns:
        Levels, live part, and the row of the margin bracket.
    """
    tick = contract.tick_den / contract.tick_num
    fill = entry_fill(ref_signed, side, slip)
    levels = initial_levels(side, fill, atr * tick, sl_atr, plan, fees.be_r, fees.trail_atr, now_ns)
    notional = _value(side * fill, qty, contract)
    cost = to_units(notional)
    margin = to_units(notional / leverage)
    tier = bracket_index(notional, brackets)
    liq = _liquidation(side, fill, qty, margin, contract, brackets, tier)
    slippage = to_units(_value(abs(fill - ref_signed), qty, contract))
    live = Live(
        qty,
        levels.stop0,
        STOP_INITIAL,
        fill,
        fill,
        False,
        liq,
        0,
        cost,
        margin,
        0,
        to_units(notional * fee_rate),
        0,
        0,
        slippage,
        0.0,
    )
    return levels, live, tier


def pay_funding(
    side: int,
    entry: int,
    live: Live,
    mark_ticks: float,
    rate: float,
    contract: Contract,
    brackets: Any,
    tier: int,
) -> Live:
    """Settle one funding stamp on a position held before it; ``mark_ticks`` unsigned.

    Payments leave the isolated margin and receipts join it, so the liquidation level moves.
    """
    quantity = live.qty * contract.step_num / contract.step_den
    notional = (mark_ticks * contract.tick_num / contract.tick_den) * quantity
    received = to_units(funding_quote(side, notional, rate))
    margin = live.margin + received
    liq = _liquidation(side, entry, live.qty, margin, contract, brackets, tier)
    return Live(
        live.qty,
        live.stop,
        live.stop_kind,
        live.peak,
        live.trough,
        live.partial_done,
        liq,
        live.order,
        live.cost,
        margin,
        live.gross,
        live.fees,
        live.funding + received,
        live.insurance,
        live.slippage,
        live.funding_unit - from_units(received) / quantity,
    )


def close_at(
    levels: Levels,
    live: Live,
    kind: int,
    ref: int,
    slip: float,
    spare: int,
    fees: Fees,
    contract: Contract,
    brackets: Any,
    tier: int,
) -> tuple[Live, Fill]:
    """Apply a closing event at reference price ``ref`` (signed ticks).

    ``spare`` is the account's cash in units without this position's own results and without the
    margin of the others: with them it bounds what a liquidation fee may take. A stop reports the
    kind of stop that was resting; a partial whose rest would be below minimum notional takes all.
    """
    side = levels.side
    if kind == LIQUIDATION:
        return _liquidate(side, live, ref, spare, fees, contract)
    price = exit_fill(ref, side, slip)
    reason = kind
    qty = live.qty
    if kind == STOP:
        reason = live.stop_kind
    elif kind == PARTIAL:
        qty = int(math.floor(fees.partial_fraction * live.qty))
        if _value(side * price, live.qty - qty, contract) < contract.min_notional:
            qty = live.qty
        if qty == 0:
            return _with_partial_done(live), Fill(price, 0, 0, 0, reason)
    value = _value(side * price, qty, contract)
    cost = ratio_half_even(live.cost, qty, live.qty)
    gross = side * (to_units(value) - cost)
    fee = to_units(value * fees.taker)
    slippage = to_units(_value(abs(ref - price), qty, contract))
    margin = live.margin - ratio_half_even(live.margin, qty, live.qty)
    left = live.qty - qty
    liq = live.liq
    if left > 0:
        liq = _liquidation(side, levels.entry, left, margin, contract, brackets, tier)
    peak = live.peak if live.peak > ref else ref
    trough = live.trough if live.trough < ref else ref
    after = Live(
        left,
        live.stop,
        live.stop_kind,
        peak,
        trough,
        live.partial_done or kind == PARTIAL,
        liq,
        live.order,
        live.cost - cost,
        margin,
        live.gross + gross,
        live.fees + fee,
        live.funding,
        live.insurance,
        live.slippage + slippage,
        live.funding_unit,
    )
    return after, Fill(price, qty, gross, fee, reason)


def at_vertex(
    levels: Levels, live: Live, price: int, mark: float, slip: float, fees: Fees, contract: Contract
) -> Live:
    """Extremes and stop moves at a vertex the price reached; prices in signed ticks.

    A moved stop that would sit too near mark becomes a market exit for the same reason.
    """
    peak = live.peak if live.peak > price else price
    trough = live.trough if live.trough < price else price
    unit = live.funding_unit * contract.tick_den / contract.tick_num
    new = moved_stop(levels, Stop(live.stop, live.stop_kind), price, peak, fees.taker, slip, unit)
    order = live.order
    stop = live.stop
    kind = live.stop_kind
    if new.level > live.stop:
        if stop_is_safe(new.level, mark, fees.min_stop_gap):
            stop = new.level
            kind = new.kind
        elif order == 0:
            order = new.kind
    return Live(
        live.qty,
        stop,
        kind,
        peak,
        trough,
        live.partial_done,
        live.liq,
        order,
        live.cost,
        live.margin,
        live.gross,
        live.fees,
        live.funding,
        live.insurance,
        live.slippage,
        live.funding_unit,
    )


def with_order(live: Live, reason: int) -> Live:
    """Send a market exit; the first reason stands."""
    order = live.order
    if order == 0:
        order = reason
    return Live(
        live.qty,
        live.stop,
        live.stop_kind,
        live.peak,
        live.trough,
        live.partial_done,
        live.liq,
        order,
        live.cost,
        live.margin,
        live.gross,
        live.fees,
        live.funding,
        live.insurance,
        live.slippage,
        live.funding_unit,
    )


def net_units(live: Live) -> int:
    """Exact change of cash so far: gross - fees + funding + insurance."""
    return live.gross - live.fees + live.funding + live.insurance


def unrealised_quote(levels: Levels, live: Live, mark_ticks: float, contract: Contract) -> float:
    """Unrealised profit at mark (unsigned float ticks), before closing costs."""
    price = mark_ticks * contract.tick_num / contract.tick_den
    value = price * (live.qty * contract.step_num / contract.step_den)
    return levels.side * (value - from_units(live.cost))


def _liquidate(
    side: int, live: Live, level: int, spare: int, fees: Fees, contract: Contract
) -> tuple[Live, Fill]:
    value = _value(side * level, live.qty, contract)
    gross = side * (to_units(value) - live.cost)
    insurance = -live.margin - gross
    fee = to_units(value * fees.liquidation)
    free = spare + net_units(live) - live.margin
    if fee > free:
        fee = free if free > 0 else 0
    trough = live.trough if live.trough < level else level
    after = Live(
        0,
        live.stop,
        live.stop_kind,
        live.peak,
        trough,
        live.partial_done,
        level,
        0,
        0,
        0,
        live.gross + gross,
        live.fees + fee,
        live.funding,
        live.insurance + insurance,
        live.slippage,
        live.funding_unit,
    )
    return after, Fill(level, live.qty, gross, fee, LIQUIDATION)


def _with_partial_done(live: Live) -> Live:
    return Live(
        live.qty,
        live.stop,
        live.stop_kind,
        live.peak,
        live.trough,
        True,
        live.liq,
        live.order,
        live.cost,
        live.margin,
        live.gross,
        live.fees,
        live.funding,
        live.insurance,
        live.slippage,
        live.funding_unit,
    )


def _value(ticks: int, steps: int, contract: Contract) -> float:
    return value_quote(
        ticks, steps, contract.tick_num, contract.tick_den, contract.step_num, contract.step_den
    )


def _liquidation(
    side: int, entry: int, qty: int, margin: int, contract: Contract, brackets: Any, tier: int
) -> int:
    return liquidation_ticks(
        side,
        entry,
        qty * contract.step_num / contract.step_den,
        from_units(margin),
        brackets[tier, 1],
        brackets[tier, 2],
        contract.tick_num,
        contract.tick_den,
    )
