"""Orders, conditional orders and trades as the REST endpoints show them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runtime.exchange.filling import name_of_side
from runtime.exchange.numbers import money_text, scale_for
from runtime.exchange.orders import BUY, AlgoOrder, AlgoStatus, Order, OrderStatus, OrderType, Trade
from runtime.exchange.payloads import (
    QUOTE_ASSET,
    average_price,
    callback_text,
    order_type_text,
    original_type_text,
)
from runtime.exchange.state import VenueState

_MS = 1_000_000
Body = dict[str, Any]


def placed_body(order: Order, state: VenueState, acknowledge: bool = False) -> Body:
    """Answer to a new, changed or cancelled order; an acknowledgement tells no fill yet."""
    if acknowledge:
        order = replace(order, status=OrderStatus.NEW, filled_steps=0, filled_units=0)
    scale = scale_for(state.listings[order.symbol].contract)
    body = _order(order, state)
    body["cumQty"] = scale.quantity(order.filled_steps)
    return body


def order_body(order: Order, state: VenueState) -> Body:
    """An order that is asked for."""
    body = _order(order, state)
    body["time"] = order.created_ns // _MS
    return body


def algo_body(algo: AlgoOrder, state: VenueState) -> Body:
    """A conditional order; ``actualOrderId`` is its child's id once it was triggered."""
    scale = scale_for(state.listings[algo.symbol].contract)
    child = state.orders.get(algo.child_id)
    trailing = algo.type is OrderType.TRAILING_STOP_MARKET
    return {
        "algoId": algo.algo_id,
        "clientAlgoId": algo.client_id,
        "algoType": "CONDITIONAL",
        "orderType": algo.type.value,
        "symbol": algo.symbol,
        "side": name_of_side(algo.side),
        "positionSide": "BOTH",
        "timeInForce": algo.time_in_force.value,
        "quantity": scale.quantity(algo.qty_steps),
        "algoStatus": algo.status.value,
        "actualOrderId": str(algo.child_id) if algo.child_id else "",
        "actualPrice": "0.00000" if child is None else average_price(child, scale),
        "actualQty": scale.quantity(0 if child is None else child.filled_steps),
        "actualType": "" if child is None else child.type.value,
        "triggerPrice": scale.price(algo.trigger_ticks),
        "price": scale.price(algo.price_ticks),
        "icebergQuantity": None,
        "tpTriggerPrice": "0.000",
        "tpPrice": "0.000",
        "slTriggerPrice": "0.000",
        "slPrice": "0.000",
        "tpOrderType": "",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "workingType": "MARK_PRICE" if algo.on_mark else "CONTRACT_PRICE",
        "priceMatch": "NONE",
        "closePosition": algo.close_position,
        "priceProtect": algo.price_protect,
        "reduceOnly": algo.reduce_only,
        "activatePrice": scale.price(algo.activation_ticks) if trailing else "",
        "callbackRate": callback_text(algo) if trailing else "",
        "createTime": algo.created_ns // _MS,
        "updateTime": algo.updated_ns // _MS,
        "triggerTime": algo.updated_ns // _MS if algo.status in _TRIGGERED else 0,
        "goodTillDate": 0,
    }


def trade_body(trade: Trade, state: VenueState) -> Body:
    """A fill of the account; the fee is always in the quote asset."""
    scale = scale_for(state.listings[trade.symbol].contract)
    return {
        "symbol": trade.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "side": name_of_side(trade.side),
        "price": scale.price(trade.price_ticks),
        "qty": scale.quantity(trade.qty_steps),
        "realizedPnl": money_text(trade.realised_units),
        "marginAsset": QUOTE_ASSET,
        "quoteQty": money_text(trade.quote_units),
        "commission": money_text(trade.fee_units),
        "commissionAsset": QUOTE_ASSET,
        "time": trade.time_ns // _MS,
        "positionSide": "BOTH",
        "buyer": trade.side == BUY,
        "maker": trade.maker,
    }


_TRIGGERED = frozenset({AlgoStatus.TRIGGERED, AlgoStatus.FINISHED})


def _order(order: Order, state: VenueState) -> Body:
    scale = scale_for(state.listings[order.symbol].contract)
    parent = state.algos.get(order.algo_id)
    return {
        "orderId": order.order_id,
        "symbol": order.symbol,
        "status": order.status.value,
        "clientOrderId": order.client_id,
        "price": scale.price(order.price_ticks),
        "avgPrice": average_price(order, scale),
        "origQty": scale.quantity(order.qty_steps),
        "executedQty": scale.quantity(order.filled_steps),
        "cumQuote": money_text(order.filled_units),
        "timeInForce": order.time_in_force.value,
        "type": order_type_text(order),
        "reduceOnly": order.reduce_only,
        "closePosition": order.close_position,
        "side": name_of_side(order.side),
        "positionSide": "BOTH",
        "stopPrice": "0" if parent is None else scale.price(parent.trigger_ticks),
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": original_type_text(order),
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
        "updateTime": order.updated_ns // _MS,
    }
