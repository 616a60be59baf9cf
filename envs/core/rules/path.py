"""The path inside a bar and the first event a position meets on it (spec 2, 9.2).

Prices are signed ticks; marks are signed float ticks. Levels fire on touch.
"""

from __future__ import annotations

from typing import NamedTuple

NOTHING = 0
STOP = 1
TARGET = 2
LIQUIDATION = 9
PARTIAL = 12
"""Kinds of event share the numbers of ``ExitReason``."""


class Event(NamedTuple):
    """First event on a piece: kind, price it fires at, and its fraction of the piece."""

    kind: int
    price: int
    u: float


def event_at_open(
    price: int, mark: float, stop: int, partial: int, target: int, partial_done: bool, liq: int
) -> Event:
    """First event at an open vertex; levels the market jumped over fill at the open."""
    if mark <= liq:
        return Event(LIQUIDATION, liq, 0.0)
    if price <= stop:
        return Event(STOP, price, 0.0)
    if not partial_done and price >= partial:
        return Event(PARTIAL, price, 0.0)
    if price >= target:
        return Event(TARGET, price, 0.0)
    return Event(NOTHING, price, 0.0)


def event_on_piece(
    a: int,
    b: int,
    mark_a: float,
    mark_b: float,
    stop: int,
    partial: int,
    target: int,
    partial_done: bool,
    liq: int,
) -> Event:
    """First event on the straight piece a -> b; ties: liquidation, stop, partial, target."""
    event = level_on_piece(a, b, stop, partial, target, partial_done)
    if mark_b <= liq:
        u = 0.0
        if mark_a > liq:
            u = (mark_a - liq) / (mark_a - mark_b)
        if u <= event.u:
            return Event(LIQUIDATION, liq, u)
    return event


def level_on_piece(
    a: int, b: int, stop: int, partial: int, target: int, partial_done: bool
) -> Event:
    """First level of the last price on a piece: the stop falling, partial then target rising."""
    if b < a:
        if b <= stop:
            return Event(STOP, stop, (a - stop) / (a - b))
    elif b > a:
        if not partial_done and b >= partial and partial <= target:
            return Event(PARTIAL, partial, (partial - a) / (b - a))
        if b >= target:
            return Event(TARGET, target, (target - a) / (b - a))
    return Event(NOTHING, b, 2.0)


def mark_at(mark_a: float, mark_b: float, u: float) -> float:
    """Mark price at fraction ``u`` of a piece."""
    return mark_a + u * (mark_b - mark_a)


def is_quiet(
    low: int,
    high: int,
    mark_low: float,
    stop: int,
    partial: int,
    target: int,
    partial_done: bool,
    liq: int,
    move_from: float,
) -> bool:
    """Whether no level can fire and no stop can move while price stays within [low, high]."""
    if low <= stop or mark_low <= liq or high >= target or high >= move_from:
        return False
    return partial_done or high < partial
