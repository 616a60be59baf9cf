"""Windows of time over orders, trades and income; times are the market's."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any

from runtime.exchange.errors import VenueError
from runtime.exchange.orders import AlgoOrder, Income, Order, Trade
from runtime.exchange.rest.desk import Desk

DAY_MS = 86_400_000
WEEK_MS = 7 * DAY_MS
_MS = 1_000_000
_TIME = attrgetter("time_ns")
Query = dict[str, Any]


def window_of(p: Query, now_ms: int, most_ms: int = WEEK_MS) -> tuple[int, int]:
    """First and last nanosecond asked for; without both ends the last ``most_ms``.

    Raises:
        VenueError: -4165 longer than allowed, -1130 ends before it starts.
    """
    start, end = p.get("startTime"), p.get("endTime")
    if start is not None and end is not None:
        if end < start:
            raise VenueError(-1130, "Data sent for parameter 'endTime' is not valid.")
        if end - start > most_ms:
            raise VenueError(-4165, "Invalid time interval")
    if end is None:
        end = now_ms if start is None else start + most_ms
    if start is None:
        start = end - most_ms
    return start * _MS, end * _MS + _MS - 1


def orders_between(desk: Desk, p: Query) -> list[Order]:
    """Orders of a symbol: from an id on, or of a window; oldest first."""
    most = p.get("limit", 500)
    if "orderId" in p:
        return _from_id(desk.state.orders, p["orderId"], p["symbol"], most)
    low, high = window_of(p, desk.market_ms)
    return _created(desk.state.orders, p, low, high, most)


def algos_between(desk: Desk, p: Query) -> list[AlgoOrder]:
    """Conditional orders of a symbol, as ``orders_between``."""
    most = p.get("limit", 500)
    if "algoId" in p:
        return _from_id(desk.state.algos, p["algoId"], p["symbol"], most)
    low, high = window_of(p, desk.market_ms)
    skipped = p.get("page", 0) * most
    found = _created(desk.state.algos, p, low, high, most + skipped)
    return found[: len(found) - skipped] if skipped else found


def trades_between(desk: Desk, p: Query) -> list[Trade]:
    """Fills of a symbol: from an id on, of an order, or of a window; oldest first."""
    most = p.get("limit", 500)
    trades = desk.state.ledger.trades
    if "fromId" in p:
        if "startTime" in p or "endTime" in p:
            raise VenueError(-1128, "Combination of optional parameters invalid.")
        forgotten = trades[0].trade_id - 1 if trades else 0
        rows = trades[max(p["fromId"] - 1 - forgotten, 0) :]
        return _first(rows, p, most)
    if "orderId" in p and "startTime" not in p and "endTime" not in p:
        return _first(trades, p, most)
    low, high = window_of(p, desk.market_ms)
    rows = _cut(trades, low, high)
    return _first(rows, p, most) if "startTime" in p else _last(rows, p, most)


def income_between(desk: Desk, p: Query) -> list[Income]:
    """Income rows of a window, oldest first; the last ones without a start."""
    most = p.get("limit", 100)
    low, high = window_of(p, desk.market_ms, 90 * DAY_MS if "startTime" in p else WEEK_MS)
    kind, symbol = p.get("incomeType"), p.get("symbol")
    rows = [
        x
        for x in _cut(desk.state.ledger.income, low, high)
        if kind in (None, x.type.value) and symbol in (None, x.symbol)
    ]
    skipped = (p.get("page", 1) - 1) * most
    if "startTime" in p:
        return rows[skipped : skipped + most]
    end = len(rows) - skipped
    return rows[max(0, end - most) : max(0, end)]


def _cut(rows: list[Any], low_ns: int, high_ns: int) -> list[Any]:
    first = bisect_left(rows, low_ns, key=_TIME)
    return rows[first : bisect_right(rows, high_ns, key=_TIME)]


def _matching(rows: Sequence[Trade], p: Query) -> Iterator[Trade]:
    order_id = p.get("orderId")
    return (t for t in rows if t.symbol == p["symbol"] and order_id in (None, t.order_id))


def _first(rows: list[Trade], p: Query, most: int) -> list[Trade]:
    return [t for t, _ in zip(_matching(rows, p), range(most), strict=False)]


def _last(rows: list[Trade], p: Query, most: int) -> list[Trade]:
    return _first(rows[::-1], p, most)[::-1]


def _from_id(orders: dict[int, Any], first: int, symbol: str, most: int) -> list[Any]:
    """Ids ascend; old orders that have ended may be forgotten."""
    out: list[Any] = []
    for id_ in range(max(first, next(iter(orders), 1)), next(reversed(orders), 0) + 1):
        order = orders.get(id_)
        if order is not None and order.symbol == symbol:
            out.append(order)
            if len(out) == most:
                break
    return out


def _created(orders: dict[int, Any], p: Query, low: int, high: int, most: int) -> list[Any]:
    """The last ones of a window by creation, oldest first; ids follow creation."""
    out: list[Any] = []
    for order in reversed(orders.values()):
        if order.created_ns < low or len(out) == most:
            break
        if order.symbol == p["symbol"] and order.created_ns <= high:
            out.append(order)
    return out[::-1]
