"""Walking a position along a bar's path, vertex by vertex (spec 2, 9.2).

Bars are unsigned ticks in arrays of one symbol; a position sees them in signed ticks. The account
and the counterfactual walk of ``alone`` call ``step_vertex`` for every open position of a vertex.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from envs.core.rules.booking import Book, Fill, Tier
from envs.core.rules.exits import Levels, Template
from envs.core.rules.lifecycle import Fees, Guard, at_vertex, close_at
from envs.core.rules.path import NOTHING, Event, event_at_open, event_on_piece, mark_at
from envs.core.rules.sizing import Contract

TIME = 5
END = 11
RULE_PATH = 0
RULE_PESSIMISTIC = 1
RULE_DETAIL = 2
STYLE_MARKET = 0
STYLE_POST_ONLY = 1


class Series(NamedTuple):
    """Columns of one symbol, T rows; prices in unsigned ticks.

    ``ohlc`` (T, 4) int64; ``mark`` (T, 4) float64, equal to ``ohlc`` where no mark is given;
    ``funding`` (T,) rate at the instant the bar opens; ``stamp`` (T,) bool; ``slip`` (T,) fraction
    for fills in bar t (known before it); ``atr`` (T,) quote; ``close_ns`` (T,); ``valid`` (T,);
    ``detail`` (T, K, 4) int64 with K = 0 without finer bars; ``detail_ok`` (T,).
    """

    ohlc: Any
    mark: Any
    funding: Any
    stamp: Any
    slip: Any
    atr: Any
    close_ns: Any
    valid: Any
    detail: Any
    detail_ok: Any


class Order(NamedTuple):
    """An entry as decided; ``limit`` in signed ticks matters for resting entries only."""

    side: int
    qty: int
    leverage: int
    atr: float
    sl_atr: float
    plan: Template
    style: int
    unfilled_market: bool
    limit: int


class Step(NamedTuple):
    """Result of one vertex: guard, book and at most two fills."""

    guard: Guard
    book: Book
    n_fills: int
    first: Fill
    second: Fill


class Outcome(NamedTuple):
    """What a variant came to; money in units, ``end_row`` -1 when nothing was opened."""

    opened: bool
    net: int
    risk: int
    notional: int
    entry_row: int
    end_row: int
    entry_ns: int
    exit_ns: int
    mae_frac: float
    mfe_frac: float
    reason: int
    margin: int


def step_vertex(
    index: int,
    a: int,
    b: int,
    mark_a: float,
    mark_b: float,
    levels: Levels,
    guard: Guard,
    book: Book,
    tier: Tier,
    slip: float,
    spare: int,
    fees: Fees,
    contract: Contract,
) -> Step:
    """Walk from vertex ``index - 1`` (price a) to ``index`` (price b), or judge an open (index 0).

    Resting levels fire first, then moves of the stop, then a market exit, which at a close
    (index 3) waits for the next open. Prices and marks are signed ticks.
    """
    first = Fill(0, 0, 0, 0, 0)
    second = first
    n_fills = 0
    at = a
    mark = mark_a
    while book.qty > 0:
        event = next_event(index, at, b, mark, mark_b, levels, guard, book.liq)
        if event.kind == NOTHING:
            break
        guard, book, fill = close_at(
            levels, guard, book, event.kind, event.price, slip, spare, fees, contract, tier
        )
        if fill.qty > 0:
            if n_fills == 0:
                first = fill
            else:
                second = fill
            n_fills = n_fills + 1
        if index > 0:
            mark = mark_at(mark, mark_b, event.u)
            at = event.price
    if book.qty > 0:
        guard = at_vertex(levels, guard, b, mark_b, slip, book.funding_unit, fees, contract)
        if guard.order != 0 and index != 3:
            guard, book, fill = close_at(
                levels, guard, book, guard.order, b, slip, spare, fees, contract, tier
            )
            if n_fills == 0:
                first = fill
            else:
                second = fill
            n_fills = n_fills + 1
    return Step(guard, book, n_fills, first, second)


def next_event(
    index: int, a: int, b: int, mark_a: float, mark_b: float, levels: Levels, guard: Guard, liq: int
) -> Event:
    """First level met at an open vertex (index 0), or on the piece a -> b."""
    if index == 0:
        return event_at_open(
            b, mark_b, guard.stop, levels.partial, levels.target, guard.partial_done, liq
        )
    return event_on_piece(
        a, b, mark_a, mark_b, guard.stop, levels.partial, levels.target, guard.partial_done, liq
    )


def adverse_first(side: int, open_: float, close: float, rule: int, in_reach: bool) -> bool:
    """Whether a position's path meets its adverse extreme first."""
    if rule == RULE_PESSIMISTIC and in_reach:
        return True
    return (close >= open_) == (side > 0)


def signed_vertex(
    index: int, side: int, adverse: bool, open_: float, high: float, low: float, close: float
) -> float:
    """Signed price of vertex ``index`` of a bar for one side."""
    if index == 0:
        return side * open_
    if index == 3:
        return side * close
    worst = low if side > 0 else high
    best = high if side > 0 else low
    if (index == 1) == adverse:
        return side * worst
    return side * best


def basis_at(fraction: float, b0: float, b1: float, b2: float, b3: float) -> float:
    """Basis mark - last inside a bar, linear between vertices at 0, 1/3, 2/3 and 1 of its time."""
    x = fraction * 3.0
    if x <= 1.0:
        return b0 + (b1 - b0) * x
    if x <= 2.0:
        return b1 + (b2 - b1) * (x - 1.0)
    return b2 + (b3 - b2) * (x - 2.0)


def vertex_ns(open_ns: int, interval_ns: int, parts: int, part: int, index: int) -> int:
    """Time of a vertex: thirds of the bar (or of one of its ``parts`` finer bars)."""
    width = interval_ns // parts
    return open_ns + width * part + width * index // 3


def bar_in_reach(
    stop: int, liq: int, low: float, high: float, mark_low: float, mark_high: float
) -> bool:
    """Whether stop or liquidation, as it stands at the open, lies inside the bar (signed)."""
    return (low <= stop <= high) or (mark_low <= liq <= mark_high)


def detail_basis(series: Series, t: int, part: int, parts: int, index: int) -> float:
    """Basis mark - last of the coarser bar at a finer bar's vertex, unsigned ticks."""
    b0 = series.mark[t, 0] - series.ohlc[t, 0]
    low = series.mark[t, 2] - series.ohlc[t, 2]
    high = series.mark[t, 1] - series.ohlc[t, 1]
    b3 = series.mark[t, 3] - series.ohlc[t, 3]
    fraction = (part + index / 3.0) / parts
    if series.ohlc[t, 3] >= series.ohlc[t, 0]:
        return basis_at(fraction, b0, low, high, b3)
    return basis_at(fraction, b0, high, low, b3)
