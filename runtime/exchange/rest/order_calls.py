"""Endpoints of orders: place, change, cancel, ask."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from runtime.exchange.commands import Amend, Cancel, CancelAllOrders, Countdown, Place
from runtime.exchange.errors import VenueError
from runtime.exchange.orders import Order, OrderRequest, OrderType
from runtime.exchange.rest.desk import Desk
from runtime.exchange.rest.endpoints import Endpoint, by_symbol, signed
from runtime.exchange.rest.history import orders_between
from runtime.exchange.rest.order_bodies import order_body, placed_body
from runtime.exchange.rest.params import (
    END,
    MAYBE_SYMBOL,
    START,
    SYMBOL,
    Param,
    Params,
    between,
    client_id,
    decimal,
    limit,
    text,
    whole,
)
from runtime.exchange.rest.placing import ORDER_PARAMS, SIDE, amendment, order_request
from runtime.exchange.rest.refusals import missing

P = dict[str, Any]
MOST_PLACED, MOST_CANCELLED = 5, 10
_ORDER_ID = Param("orderId", whole)
_CLIENT_ID = Param("origClientOrderId", client_id)
_ONE = Params(SYMBOL, _ORDER_ID, _CLIENT_ID)
_AMEND = Params(
    SYMBOL,
    _ORDER_ID,
    _CLIENT_ID,
    Param("side", SIDE.read, True),
    Param("quantity", decimal, True),
    Param("price", decimal, True),
    Param("priceMatch", text),
)


def _json_text(name: str, value: str) -> str:
    return value


async def place(desk: Desk, p: P) -> Any:
    """POST order."""
    request = order_request(desk, p)
    _refuse_too_many(desk, request)
    order = await desk.session.submit(Place(request))
    return placed_body(order, desk.state, p.get("newOrderRespType") == "ACK")


async def check_order(desk: Desk, p: P) -> Any:
    """POST order/test: everything but the order."""
    order_request(desk, p)
    return {}


async def place_batch(desk: Desk, p: P) -> Any:
    """POST batchOrders: each order succeeds or fails by itself, in their order."""
    asked = _array("batchOrders", p["batchOrders"])
    if not 0 < len(asked) <= MOST_PLACED:
        raise VenueError(-4082, "Invalid number of batch place orders")
    return list(await asyncio.gather(*(_one(_place_item(desk, item)) for item in asked)))


async def amend(desk: Desk, p: P) -> Any:
    """PUT order."""
    _need_id(p)
    steps, ticks = amendment(desk, p)
    order_id, name = p.get("orderId"), p.get("origClientOrderId")
    order = await desk.session.submit(Amend(p["symbol"], order_id, name, steps, ticks))
    return placed_body(order, desk.state)


async def cancel(desk: Desk, p: P) -> Any:
    """DELETE order."""
    _need_id(p)
    desk.state.listing(p["symbol"])
    found = Cancel(p["symbol"], p.get("orderId"), p.get("origClientOrderId"))
    return placed_body(await desk.session.submit(found), desk.state)


async def cancel_batch(desk: Desk, p: P) -> Any:
    """DELETE batchOrders: a list of orders and refusals."""
    desk.state.listing(p["symbol"])
    ids = _first(p, "orderIdList", "orderidlist")
    names = _first(p, "origClientOrderIdList", "origclientorderidlist")
    if ids is None and names is None:
        raise missing("orderIdList")
    cancels = [
        Cancel(p["symbol"], whole("orderIdList", _scalar(x)), None)
        for x in _array("orderIdList", ids or "[]")
    ]
    for x in _array("origClientOrderIdList", names or "[]"):
        name = client_id("origClientOrderIdList", _scalar(x))
        cancels.append(Cancel(p["symbol"], None, name))
    if not 0 < len(cancels) <= MOST_CANCELLED:
        raise VenueError(-4082, "Invalid number of batch cancel orders")
    return list(await asyncio.gather(*(_one(_cancel_item(desk, c)) for c in cancels)))


async def cancel_all(desk: Desk, p: P) -> Any:
    """DELETE allOpenOrders."""
    await desk.session.submit(CancelAllOrders(p["symbol"]))
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


async def countdown(desk: Desk, p: P) -> Any:
    """POST countdownCancelAll: a dead man's switch on the wall clock; 0 disarms it."""
    span = p["countdownTime"]
    await desk.session.submit(Countdown(p["symbol"], desk.true_wall_ms + span if span else 0))
    return {"symbol": p["symbol"], "countdownTime": str(span)}


def get_order(desk: Desk, p: P) -> Any:
    """GET order."""
    _need_id(p)
    desk.state.listing(p["symbol"])
    found = desk.state.find_order(p["symbol"], p.get("orderId"), p.get("origClientOrderId"))
    return order_body(found, desk.state)


def get_open_order(desk: Desk, p: P) -> Any:
    """GET openOrder."""
    _need_id(p)
    desk.state.listing(p["symbol"])
    order_id, name = p.get("orderId"), p.get("origClientOrderId")
    for order in desk.state.open_orders(p["symbol"]):
        if order.order_id == order_id or (order_id is None and order.client_id == name):
            return order_body(order, desk.state)
    raise VenueError(-2013, "Order does not exist.")


def get_open_orders(desk: Desk, p: P) -> Any:
    """GET openOrders."""
    desk.symbols(p.get("symbol"))
    return [order_body(o, desk.state) for o in desk.state.open_orders(p.get("symbol"))]


def get_all_orders(desk: Desk, p: P) -> Any:
    """GET allOrders."""
    desk.state.listing(p["symbol"])
    return [order_body(o, desk.state) for o in orders_between(desk, p)]


async def _place_item(desk: Desk, item: Any) -> Any:
    if not isinstance(item, dict):
        raise VenueError(-1130, "Data sent for parameter 'batchOrders' is not valid.")
    raw = {str(k): _scalar(v) for k, v in item.items()}
    return await place(desk, ORDER_PARAMS.read(raw))


async def _cancel_item(desk: Desk, command: Cancel) -> Any:
    order: Order = await desk.session.submit(command)
    return placed_body(order, desk.state)


async def _one(answer: Any) -> Any:
    try:
        return await answer
    except VenueError as error:
        return {"code": error.code, "msg": error.message}


def _refuse_too_many(desk: Desk, request: OrderRequest) -> None:
    if request.type is OrderType.LIMIT:
        resting = len(desk.state.open_orders(request.symbol))
        if resting >= desk.limiter.limits.open_orders:
            raise VenueError(-2025, "Reach max open order limit.")


def _need_id(p: P) -> None:
    if "orderId" not in p and "origClientOrderId" not in p:
        text_ = "Either orderId or origClientOrderId must be sent."
        raise VenueError(-1102, f"Mandatory parameter 'orderId' was not sent. {text_}")


def _first(p: P, *names: str) -> str | None:
    return next((p[n] for n in names if n in p), None)


def _array(name: str, value: str) -> list[Any]:
    """A JSON list; its numbers stay the texts they were, so that they remain exact."""
    try:
        found = json.loads(value, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise VenueError(-1130, f"Data sent for parameter '{name}' is not valid.") from error
    if not isinstance(found, list):
        raise VenueError(-1130, f"Data sent for parameter '{name}' is not valid.")
    return found


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        raise VenueError(-1130, "Data sent for parameter 'batchOrders' is not valid.")
    return value


def _count_batch(raw: Mapping[str, str]) -> int:
    """Orders in a batch as far as it can be read; a bad one counts as one."""
    try:
        return min(max(1, len(_array("batchOrders", raw.get("batchOrders", "")))), MOST_PLACED)
    except VenueError:
        return 1


_LISTS = tuple(
    Param(name, _json_text)
    for name in ("orderIdList", "orderidlist", "origClientOrderIdList", "origclientorderidlist")
)
_BATCH = Params(Param("batchOrders", _json_text, True))
_ALL = Params(SYMBOL, _ORDER_ID, START, END, limit(1_000))
_COUNTDOWN = Params(SYMBOL, Param("countdownTime", between(0, 10**12), True))
ENDPOINTS: tuple[Endpoint, ...] = (
    signed("POST", "v1/order", ORDER_PARAMS, 0, place, 1),
    signed("POST", "v1/order/test", ORDER_PARAMS, 0, check_order),
    signed("PUT", "v1/order", _AMEND, 0, amend, 1),
    signed("DELETE", "v1/order", _ONE, 1, cancel),
    signed("GET", "v1/order", _ONE, 1, get_order),
    signed("POST", "v1/batchOrders", _BATCH, 5, place_batch, _count_batch),
    signed("DELETE", "v1/batchOrders", Params(SYMBOL, *_LISTS), 1, cancel_batch),
    signed("GET", "v1/openOrder", _ONE, 1, get_open_order),
    signed("GET", "v1/openOrders", Params(MAYBE_SYMBOL), by_symbol(1, 40), get_open_orders),
    signed("GET", "v1/allOrders", _ALL, 5, get_all_orders),
    signed("DELETE", "v1/allOpenOrders", Params(SYMBOL), 1, cancel_all),
    signed("POST", "v1/countdownCancelAll", _COUNTDOWN, 10, countdown),
)
