"""From the parameters of an order to what the engine is asked: types, needs, filters."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from runtime.exchange.errors import VenueError
from runtime.exchange.filling import name_of_side
from runtime.exchange.orders import (
    BUY,
    CONDITIONAL,
    SELL,
    WITH_LIMIT,
    AlgoRequest,
    OrderRequest,
    OrderType,
    TimeInForce,
)
from runtime.exchange.rest.desk import Desk
from runtime.exchange.rest.filters import Filters, filters_of
from runtime.exchange.rest.params import (
    SYMBOL,
    Param,
    Params,
    choice,
    client_id,
    decimal,
    flag,
    text,
    whole,
)
from runtime.exchange.rest.refusals import invalid_data, missing, not_required

SIDE = Param("side", choice("BUY", "SELL", code=-1117, message="Invalid side."), True)
_TYPES = tuple(t.value for t in OrderType if t is not OrderType.LIQUIDATION)
TYPE = Param("type", choice(*_TYPES, code=-1116, message="Invalid orderType."), True)
_TIF = Param(
    "timeInForce",
    choice(*(t.value for t in TimeInForce), code=-1115, message="Invalid timeInForce."),
)
_RESPONSE = choice("ACK", "RESULT", code=-1136, message="Invalid newOrderRespType")
_COMMON = (
    SYMBOL,
    SIDE,
    TYPE,
    _TIF,
    Param("positionSide", choice("BOTH", "LONG", "SHORT")),
    Param("quantity", decimal),
    Param("price", decimal),
    Param("reduceOnly", flag),
    Param("closePosition", flag),
    Param("workingType", choice("MARK_PRICE", "CONTRACT_PRICE")),
    Param("priceProtect", flag),
    Param("callbackRate", decimal),
    Param("newOrderRespType", _RESPONSE),
    Param("priceMatch", choice("NONE")),
    Param("selfTradePreventionMode", choice("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH")),
    Param("goodTillDate", whole),
)
ORDER_PARAMS = Params(
    *_COMMON,
    Param("newClientOrderId", client_id),
    Param("stopPrice", decimal),
    Param("activationPrice", decimal),
)
ALGO_PARAMS = Params(
    *_COMMON,
    Param("algoType", text, True),
    Param("clientAlgoId", client_id),
    Param("triggerPrice", decimal),
    Param("activatePrice", decimal),
)
_USE_ALGO = (
    "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
)
_MIN_CALLBACK, _MAX_CALLBACK = Fraction(1, 10), Fraction(10)


def order_request(desk: Desk, p: dict[str, Any]) -> OrderRequest:
    """Read an order.

    Raises:
        VenueError: -4120 a conditional type, -1102 or -1106 what the type needs or forbids, or a
            filter's code.
    """
    kind = OrderType(p["type"])
    if kind in CONDITIONAL:
        raise VenueError(-4120, _USE_ALGO)
    for name in ("stopPrice", "activationPrice", "callbackRate", "goodTillDate"):
        if name in p:
            raise not_required(name)
    if p.get("closePosition"):
        raise not_required("closePosition")
    side, filters = _begin(desk, p)
    steps = filters.quantity(_needed(p, "quantity"))
    ticks = _limit_price(p, kind, side, filters, desk)
    reduce_only = bool(p.get("reduceOnly", False))
    if not reduce_only:
        filters.check_notional(ticks or desk.state.quotes[p["symbol"]].last_ticks, steps)
    tif = TimeInForce(_needed(p, "timeInForce")) if kind is OrderType.LIMIT else TimeInForce.GTC
    name = p.get("newClientOrderId") or desk.client_id()
    return OrderRequest(name, p["symbol"], side, kind, steps, ticks, tif, reduce_only)


def algo_request(desk: Desk, p: dict[str, Any]) -> AlgoRequest:
    """Read a conditional order.

    Raises:
        VenueError: As ``order_request``; -4136, -4137 with closePosition.
    """
    if p["algoType"] != "CONDITIONAL":
        raise invalid_data("algoType")
    kind = OrderType(p["type"])
    if kind not in CONDITIONAL:
        raise VenueError(-1116, "Invalid orderType.")
    if "goodTillDate" in p:
        raise not_required("goodTillDate")
    side, filters = _begin(desk, p)
    close = bool(p.get("closePosition", False))
    steps = 0 if close else filters.quantity(_needed(p, "quantity"))
    if close:
        _check_close(p, kind)
    trigger, activation, callback = _triggers(p, kind, filters)
    ticks = _limit_price(p, kind, side, filters, desk)
    reduce_only = bool(p.get("reduceOnly", False))
    if not (close or reduce_only):
        at = ticks or trigger or desk.state.quotes[p["symbol"]].last_ticks
        filters.check_notional(at, steps)
    tif = TimeInForce(p.get("timeInForce", "GTC")) if kind in WITH_LIMIT else TimeInForce.GTC
    return AlgoRequest(
        p.get("clientAlgoId") or desk.client_id(), p["symbol"], side, kind, steps, trigger, ticks,
        tif, reduce_only, close, p.get("workingType") == "MARK_PRICE",
        bool(p.get("priceProtect", False)), callback, activation,
    )  # fmt: skip


def amendment(desk: Desk, p: dict[str, Any]) -> tuple[int, int]:
    """New quantity and price of a limit order, in steps and ticks.

    Raises:
        VenueError: -2013 no such order, -1130 of the other side, or a filter's code.
    """
    filters = filters_of(desk.state.listing(p["symbol"]))
    order = desk.state.find_order(p["symbol"], p.get("orderId"), p.get("origClientOrderId"))
    if name_of_side(order.side) != p["side"]:
        raise invalid_data("side")
    steps, ticks = filters.quantity(p["quantity"]), filters.price(p["price"])
    filters.check_percent(order.side, ticks, desk.state.quotes[p["symbol"]])
    if not order.reduce_only:
        filters.check_notional(ticks, steps)
    return steps, ticks


def _begin(desk: Desk, p: dict[str, Any]) -> tuple[int, Filters]:
    listing = desk.state.listing(p["symbol"])
    if p.get("positionSide", "BOTH") != "BOTH" or desk.session.modes.dual:
        raise VenueError(-4061, "Order's position side does not match user's setting.")
    return BUY if p["side"] == "BUY" else SELL, filters_of(listing)


def _limit_price(
    p: dict[str, Any], kind: OrderType, side: int, filters: Filters, desk: Desk
) -> int:
    """Limit in ticks, 0 for market orders."""
    if kind not in WITH_LIMIT:
        if "price" in p:
            raise not_required("price")
        if "timeInForce" in p and kind is OrderType.MARKET:
            raise not_required("timeInForce")
        return 0
    ticks = filters.price(_needed(p, "price"))
    if kind is OrderType.LIMIT:
        filters.check_percent(side, ticks, desk.state.quotes[p["symbol"]])
    return ticks


def _triggers(p: dict[str, Any], kind: OrderType, filters: Filters) -> tuple[int, int, float]:
    """Trigger and activation in ticks, callback as a fraction of price."""
    if kind is not OrderType.TRAILING_STOP_MARKET:
        for name in ("callbackRate", "activatePrice"):
            if name in p:
                raise not_required(name)
        return filters.trigger(_needed(p, "triggerPrice")), 0, 0.0
    if "triggerPrice" in p:
        raise not_required("triggerPrice")
    rate = _needed(p, "callbackRate")
    if not _MIN_CALLBACK <= rate.value <= _MAX_CALLBACK or rate.decimals > 1:
        raise VenueError(-2007, "Invalid callBack rate.")
    activation = filters.trigger(p["activatePrice"]) if "activatePrice" in p else 0
    return 0, activation, float(rate.value / 100)


def _check_close(p: dict[str, Any], kind: OrderType) -> None:
    if kind not in (OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET):
        text_ = f"Target strategy invalid for orderType '{kind.value}',closePosition 'true'"
        raise VenueError(-4136, text_)
    if "quantity" in p:
        raise VenueError(-4137, "Quantity must be zero with closePosition equals true")
    if "reduceOnly" in p:
        raise not_required("reduceOnly")


def _needed(p: dict[str, Any], name: str) -> Any:
    if name not in p:
        raise missing(name)
    return p[name]
