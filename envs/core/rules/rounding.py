"""The one home of rounding: money to 1e-8 quote, prices to ticks, quantities to steps.

Signed ticks: inside the lifecycle every price is multiplied by the side, so "against the trader"
is one direction for long and short: exits and stops round down, entries and targets round up.
"""

from __future__ import annotations

import math

UNITS = 100_000_000.0
SAME = 2e-15
"""A value within this relative distance of a whole number counts as that number (spec 9.0)."""


def half_even(x: float) -> int:
    """Round to the nearest whole number, a tie to the even one."""
    return round(x)


def to_units(quote: float) -> int:
    """Book an amount: quote currency to whole units of 1e-8."""
    return half_even(quote * UNITS)


def from_units(units: int) -> float:
    """Amount in quote of booked units."""
    return units / UNITS


def floor_whole(x: float) -> int:
    """Round down, taking values within ``SAME`` of a whole number as that number."""
    near = math.floor(x + 0.5)
    if abs(x - near) <= SAME * abs(x):
        return int(near)
    return int(math.floor(x))


def ceil_whole(x: float) -> int:
    """Round up, taking values within ``SAME`` of a whole number as that number."""
    return -floor_whole(-x)


def ratio_half_even(amount: int, part: int, whole: int) -> int:
    """Share ``amount * part / whole`` of booked units, in integers, half to even.

    ``amount * part`` may exceed 63 bits, so the share is taken in two exact integer steps.
    """
    if part == whole:
        return amount
    sign = 1
    if amount < 0:
        sign = -1
    size = amount * sign
    quotient = size // whole
    rest = size - quotient * whole
    product = rest * part
    base = quotient * part + product // whole
    left = product - (product // whole) * whole
    if 2 * left > whole or (2 * left == whole and base % 2 != 0):
        base = base + 1
    return sign * base
