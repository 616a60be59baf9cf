"""The market moves: what a piece of a path meets, in the order in which the price meets it.

Same events, ties and fill prices as ``envs.core.rules.path``: liquidation on mark first, then
stops, then take-profits in order of placement; resting limits one tick through their price.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from envs.core.rules.booking import price_of
from envs.core.rules.fills import limit_fraction, limit_reached
from envs.core.rules.path import mark_at
from envs.core.rules.rounding import ceil_whole, floor_whole
from runtime.exchange.events import AccountEvent
from runtime.exchange.filling import expire, fill_order, liquidate_holding, reducible_steps
from runtime.exchange.holdings import fund
from runtime.exchange.liquidity import Liquidity
from runtime.exchange.orders import SELL, AlgoOrder, IncomeType, Order, OrderType
from runtime.exchange.state import Quote, VenueState
from runtime.exchange.taking import take, trigger

_LIQUIDATION, _STOP, _PROFIT, _LIMIT = range(4)


class Piece(NamedTuple):
    """One straight piece of a symbol's path, or the first price of a bar (``at_open``).

    Prices in unsigned ticks from ``a`` to ``b`` (equal at an open), marks in float ticks; ``slip``
    is the slippage of fills in this bar, ``now_ns`` the market time at the end of the piece.
    """

    at_open: bool
    a: int
    b: int
    mark_a: float
    mark_b: float
    slip: float
    now_ns: int


class _Met(NamedTuple):
    """Something met on a piece: its fraction, rank at equal fractions, and the price there."""

    u: float
    rank: int
    id: int
    price: int
    what: AlgoOrder | Order | None


def walk_piece(state: VenueState, liquidity: Liquidity, symbol: str, piece: Piece) -> None:
    """Move a symbol along a piece: levels first, then market orders that waited for an open."""
    quote = state.quotes.setdefault(symbol, Quote(piece.a, piece.mark_a, piece.slip))
    quote.slip = piece.slip
    if not state.has_business(symbol) or _is_quiet(state, symbol, piece):
        quote.last_ticks, quote.mark_ticks = piece.b, piece.mark_b
        return
    at, mark = piece.a, piece.mark_a
    filled: set[int] = set()
    while (met := _first(state, symbol, piece, at, mark, filled)) is not None:
        if not piece.at_open:
            mark = mark_at(mark, piece.mark_b, met.u)
            at = met.price
        quote.last_ticks, quote.mark_ticks = at, mark
        _apply(state, liquidity, symbol, met, piece.now_ns)
        if isinstance(met.what, Order):
            filled.add(met.id)
    quote.last_ticks, quote.mark_ticks = piece.b, piece.mark_b
    _trail(state, symbol, piece)
    if piece.at_open:
        for order in state.open_orders(symbol):
            if order.type is OrderType.MARKET:
                _send_waiting(state, liquidity, order, piece.now_ns)


def _is_quiet(state: VenueState, symbol: str, piece: Piece) -> bool:
    """Whether nothing is met: every ``_met_...`` asks the end of the piece first, as here."""
    b, mark_b = piece.b, piece.mark_b
    for algo in state.open_algos(symbol):
        kind, level = algo.type, algo.trigger_ticks
        if kind is OrderType.TRAILING_STOP_MARKET:
            return False
        end = mark_b if algo.on_mark else b
        takes_profit = kind is OrderType.TAKE_PROFIT_MARKET or kind is OrderType.TAKE_PROFIT
        fires_below = (algo.side == SELL) != takes_profit
        if end <= level if fires_below else end >= level:
            return False
    for order in state.open_orders(symbol):
        side = order.side
        if order.type is not OrderType.LIMIT:
            if piece.at_open:
                return False
        elif limit_reached(side * b, side * order.price_ticks):
            return False
    held = state.holdings.get(symbol)
    return held is None or held.side * mark_b > held.book.liq


def pay_funding(
    state: VenueState, symbol: str, mark_ticks: float, rate: float, now_ns: int
) -> None:
    """Settle a funding stamp on the position held before it."""
    held = state.holdings.get(symbol)
    if held is None:
        return
    contract = state.listings[symbol].contract
    after = fund(held, price_of(mark_ticks, contract), rate, contract, now_ns)
    state.holdings[symbol] = after
    received = after.book.funding - held.book.funding
    state.ledger.book(IncomeType.FUNDING_FEE, symbol, received, now_ns)
    state.events.append(AccountEvent("FUNDING_FEE", (symbol,), now_ns))


def _send_waiting(state: VenueState, liquidity: Liquidity, order: Order, now_ns: int) -> None:
    if order.reduce_only and reducible_steps(state, order.symbol, order.side) == 0:
        expire(state, order, now_ns)
        return
    take(state, liquidity, order, now_ns)


def _first(
    state: VenueState, symbol: str, piece: Piece, at: int, mark: float, filled: set[int]
) -> _Met | None:
    """What is met first on the rest of a piece; a resting order fills once a piece."""
    found = [
        met
        for algo in state.open_algos(symbol)
        if (met := _met_algo(algo, piece, at, mark)) is not None
    ]
    found += [
        met
        for order in state.open_orders(symbol)
        if order.type is OrderType.LIMIT
        and order.order_id not in filled
        and (met := _met_limit(order, piece, at)) is not None
    ]
    forced = _met_liquidation(state, symbol, piece, at, mark)
    if forced is not None:
        found.append(forced)
    return min(found, default=None, key=lambda m: (m.u, m.rank, m.id))


def _met_liquidation(
    state: VenueState, symbol: str, piece: Piece, at: int, mark: float
) -> _Met | None:
    held = state.holdings.get(symbol)
    if held is None:
        return None
    level, end = held.book.liq, held.side * piece.mark_b
    if end > level:
        return None
    start = held.side * mark
    u = 0.0 if piece.at_open or start <= level else (start - level) / (start - end)
    price = piece.b if piece.at_open else round(at + u * (piece.b - at))
    return _Met(u, _LIQUIDATION, 0, price, None)


def _met_algo(algo: AlgoOrder, piece: Piece, at: int, mark: float) -> _Met | None:
    level = trigger_level(algo)
    if level == 0:
        return None
    sign = 1 if algo.fires_below else -1
    start, end = (mark, piece.mark_b) if algo.on_mark else (float(at), float(piece.b))
    if sign * end > sign * level:
        return None
    protects = algo.type in (
        OrderType.STOP, OrderType.STOP_MARKET, OrderType.TRAILING_STOP_MARKET
    )  # fmt: skip
    rank = _STOP if protects else _PROFIT
    if piece.at_open:
        return _Met(0.0, rank, algo.algo_id, piece.b, algo)
    if sign * start <= sign * level:
        return _Met(0.0, rank, algo.algo_id, at, algo)
    u = (start - level) / (start - end)
    price = round(at + u * (piece.b - at)) if algo.on_mark else level
    return _Met(u, rank, algo.algo_id, price, algo)


def trigger_level(algo: AlgoOrder) -> int:
    """Trigger of a conditional order in ticks; 0 while a trailing one is not activated."""
    if algo.type is not OrderType.TRAILING_STOP_MARKET:
        return algo.trigger_ticks
    if algo.extreme_ticks == 0:
        return 0
    if algo.side == SELL:
        return floor_whole(algo.extreme_ticks * (1.0 - algo.callback_frac))
    return ceil_whole(algo.extreme_ticks * (1.0 + algo.callback_frac))


def _met_limit(order: Order, piece: Piece, at: int) -> _Met | None:
    side, limit = order.side, order.side * order.price_ticks
    if not limit_reached(side * piece.b, limit):
        return None
    if piece.at_open:
        return _Met(0.0, _LIMIT, order.order_id, piece.b, order)
    u = limit_fraction(side * at, side * piece.b, limit)
    through = order.price_ticks - side if u > 0.0 else at
    return _Met(u, _LIMIT, order.order_id, through, order)


def _apply(state: VenueState, liquidity: Liquidity, symbol: str, met: _Met, now_ns: int) -> None:
    if met.what is None:
        liquidate_holding(state, symbol, now_ns)
    elif isinstance(met.what, AlgoOrder):
        trigger(state, liquidity, met.what, now_ns)
    else:
        _fill_resting(state, liquidity, met.what, now_ns)


def _fill_resting(state: VenueState, liquidity: Liquidity, order: Order, now_ns: int) -> None:
    qty = liquidity.rest(order.symbol, order.side, order.price_ticks, order.left_steps, now_ns)
    if order.reduce_only:
        qty = min(qty, reducible_steps(state, order.symbol, order.side))
        if qty == 0:
            expire(state, order, now_ns)
            return
    if qty > 0:
        price = order.price_ticks
        fill_order(state, order, price, price, qty, True, now_ns)


def _trail(state: VenueState, symbol: str, piece: Piece) -> None:
    """Activate trailing stops and move their extremes to the price reached."""
    for algo in state.open_algos(symbol):
        if algo.type is not OrderType.TRAILING_STOP_MARKET:
            continue
        price = round(piece.mark_b) if algo.on_mark else piece.b
        sign = 1 if algo.side == SELL else -1
        if algo.extreme_ticks == 0:
            if algo.activation_ticks and sign * price < sign * algo.activation_ticks:
                continue
        elif sign * price <= sign * algo.extreme_ticks:
            continue
        state.put_algo(replace(algo, extreme_ticks=price), piece.now_ns, report=False)
