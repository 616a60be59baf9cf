"""Orders that take what is there, and the children of triggered conditional orders."""

from __future__ import annotations

from dataclasses import replace

from runtime.exchange.filling import expire, fill_order, reducible_steps
from runtime.exchange.liquidity import Liquidity, Take
from runtime.exchange.orders import (
    AlgoOrder,
    AlgoStatus,
    Order,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from runtime.exchange.state import VenueState


def is_marketable(state: VenueState, order: Order) -> bool:
    """Whether a limit order crosses the present price; at the price itself it rests."""
    last = state.quotes[order.symbol].last_ticks
    return order.side * (order.price_ticks - last) > 0


def takes_of(state: VenueState, liquidity: Liquidity, order: Order, now_ns: int) -> list[Take]:
    """Fills a taking order would get at the present price, never beyond its limit."""
    quote = state.quotes[order.symbol]
    takes = liquidity.take(
        order.symbol, order.side, quote.last_ticks, quote.slip, order.left_steps, now_ns
    )
    if not order.price_ticks:
        return takes
    limit = order.price_ticks
    return [
        Take(limit if order.side * (t.price_ticks - limit) > 0 else t.price_ticks, t.qty_steps)
        for t in takes
    ]


def take(state: VenueState, liquidity: Liquidity, order: Order, now_ns: int) -> Order:
    """Fill an order from the present price; what finds nobody expires unless it may rest."""
    ref = state.quotes[order.symbol].last_ticks
    for found in takes_of(state, liquidity, order, now_ns):
        qty = min(found.qty_steps, order.left_steps)
        if order.reduce_only:
            qty = min(qty, reducible_steps(state, order.symbol, order.side))
        if qty == 0:
            break
        order = fill_order(state, order, ref, found.price_ticks, qty, False, now_ns)
        if not order.is_open:
            break
    rests = order.type is OrderType.LIMIT and order.time_in_force is TimeInForce.GTC
    return order if not order.is_open or rests else expire(state, order, now_ns)


def trigger(state: VenueState, liquidity: Liquidity, algo: AlgoOrder, now_ns: int) -> None:
    """Send the child of a conditional order whose trigger was met at the present price.

    A trigger is not a fill: a reduce-only child without a position to reduce is rejected, and a
    fault may let children of a symbol expire.
    """
    qty = algo.qty_steps
    if algo.reduce_only or algo.close_position:
        room = reducible_steps(state, algo.symbol, algo.side)
        qty = room if algo.close_position else min(qty, room)
    if qty == 0:
        reason = "ReduceOnly Order is rejected."
        state.put_algo(
            replace(algo, status=AlgoStatus.EXPIRED, updated_ns=now_ns, reason=reason), now_ns
        )
        return
    limited = algo.price_ticks > 0
    child = Order(
        state.next_order_id(), algo.client_id, algo.symbol, algo.side,
        OrderType.LIMIT if limited else OrderType.MARKET, algo.time_in_force, qty,
        algo.price_ticks, algo.reduce_only or algo.close_position, algo.close_position,
        OrderStatus.NEW, 0, 0, now_ns, now_ns, algo.algo_id, algo.type,
    )  # fmt: skip
    algo = replace(algo, status=AlgoStatus.TRIGGERED, child_id=child.order_id, updated_ns=now_ns)
    state.put_algo(algo, now_ns)
    child = state.put(child, "NEW", now_ns)
    refused = state.refused_children.get(algo.symbol, 0)
    if refused:
        state.refused_children[algo.symbol] = refused - 1
        expire(state, child, now_ns)
    else:
        _send_child(state, liquidity, child, now_ns)
    state.put_algo(replace(algo, status=AlgoStatus.FINISHED, updated_ns=now_ns), now_ns)


def _send_child(state: VenueState, liquidity: Liquidity, child: Order, now_ns: int) -> None:
    """What a placed order meets, a child meets too; what would be refused there expires here."""
    force = child.time_in_force
    takes = child.type is OrderType.MARKET or is_marketable(state, child)
    if takes and force is TimeInForce.FOK:
        found = takes_of(state, liquidity, child, now_ns)
        takes = sum(t.qty_steps for t in found) >= child.qty_steps
    if takes and force is not TimeInForce.GTX:
        take(state, liquidity, child, now_ns)
    elif takes or force in (TimeInForce.IOC, TimeInForce.FOK):
        expire(state, child, now_ns)
