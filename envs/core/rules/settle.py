"""Booking a course for one quantity, and whether a liquidation could lie on it (spec 8.3)."""

from __future__ import annotations

from typing import Any

from envs.core.rules.booking import (
    close_amounts,
    funding_received,
    price_of,
    quantity_of,
    risk_units,
)
from envs.core.rules.course import Close, Course
from envs.core.rules.lifecycle import Fees, partial_qty
from envs.core.rules.margin import liquidation_price
from envs.core.rules.rounding import ratio_half_even, to_units
from envs.core.rules.sizing import Contract
from envs.core.rules.walk import Outcome


def is_safe(course: Course, leverage: int, mmr: float, stamps: Any, contract: Contract) -> bool:
    """Whether no size at this leverage can meet its liquidation on the course.

    ``mmr`` is the largest maintenance rate of the contract. Conservative: every stamp counts as
    paid, maintenance amounts are left out, and ten ticks are added.
    """
    side = course.levels.side
    entry = price_of(side * course.levels.entry, contract)
    paid = 0.0
    for i in range(course.last.stamps):
        paid += abs(stamps[i, 0] * stamps[i, 1])
    margin = entry / leverage * (1.0 - 1e-6) - paid * 1.001
    level = side * liquidation_price(side, entry, margin, mmr, 0.0)
    return course.mark_low > level * contract.tick_den / contract.tick_num + 10.0


def settle(
    course: Course, qty: int, stamps: Any, fees: Fees, contract: Contract
) -> tuple[int, int, Close]:
    """Book a course for one quantity: net units, entry cost in units, and its last close.

    Equals the lone walk of that quantity at any leverage.
    """
    side = course.levels.side
    quantity = quantity_of(qty, contract)
    notional = price_of(side * course.levels.entry, contract) * quantity
    cost = to_units(notional)
    net = -to_units(notional * course.entry_rate)
    held, left, done = cost, qty, 0
    if course.partial.row >= 0:
        part = course.partial
        for i in range(part.stamps):
            net += funding_received(side, stamps[i, 0], quantity, stamps[i, 1])
        done = part.stamps
        amount = partial_qty(part.price, qty, fees.partial_fraction, contract)
        if amount > 0:
            share = ratio_half_even(held, amount, qty)
            value = part.price * quantity_of(amount, contract)
            gross, fee = close_amounts(side, value, share, fees.taker)
            net += gross - fee
            held -= share
            left -= amount
            if left == 0:
                return net, cost, part
            quantity = quantity_of(left, contract)
    for i in range(done, course.last.stamps):
        net += funding_received(side, stamps[i, 0], quantity, stamps[i, 1])
    gross, fee = close_amounts(side, course.last.price * quantity, held, fees.taker)
    return net + gross - fee, cost, course.last


def outcome_of(course: Course, qty: int, stamps: Any, fees: Fees, contract: Contract) -> Outcome:
    """What a settled course came to; ``margin`` is left 0, it depends on the leverage."""
    net, cost, last = settle(course, qty, stamps, fees, contract)
    levels = course.levels
    origin = levels.entry * levels.side
    return Outcome(
        True,
        net,
        risk_units(levels.risk, qty, contract),
        cost,
        course.entry_row,
        last.row,
        levels.entry_ns,
        last.now_ns,
        (levels.entry - last.trough) / origin,
        (last.peak - levels.entry) / origin,
        last.reason,
        0,
    )


def smallest_quantity(qty: int, fraction: float, contract: Contract) -> float:
    """Least quantity in base units that is ever held of ``qty`` steps."""
    left = qty - int(fraction * qty)
    return quantity_of(left if left > 1 else 1, contract)
