"""Endpoints of conditional orders."""

from __future__ import annotations

from typing import Any

from runtime.exchange.commands import CancelAlgo, CancelAllAlgos, PlaceAlgo
from runtime.exchange.errors import VenueError
from runtime.exchange.orders import AlgoOrder
from runtime.exchange.rest.desk import Desk
from runtime.exchange.rest.endpoints import Endpoint, by_symbol, signed
from runtime.exchange.rest.history import algos_between
from runtime.exchange.rest.order_bodies import algo_body
from runtime.exchange.rest.params import (
    END,
    MAYBE_SYMBOL,
    START,
    SYMBOL,
    Param,
    Params,
    between,
    client_id,
    limit,
    text,
    whole,
)
from runtime.exchange.rest.placing import ALGO_PARAMS, algo_request

P = dict[str, Any]
_ALGO_ID, _CLIENT_ID = Param("algoId", whole), Param("clientAlgoId", client_id)
_ONE = Params(MAYBE_SYMBOL, _ALGO_ID, _CLIENT_ID)


async def place(desk: Desk, p: P) -> Any:
    """POST algoOrder."""
    return algo_body(await desk.session.submit(PlaceAlgo(algo_request(desk, p))), desk.state)


async def cancel(desk: Desk, p: P) -> Any:
    """DELETE algoOrder."""
    _need_id(p)
    algo: AlgoOrder = await desk.session.submit(CancelAlgo(p.get("algoId"), p.get("clientAlgoId")))
    return {"algoId": algo.algo_id, "clientAlgoId": algo.client_id, "code": "200", "msg": "success"}


async def cancel_all(desk: Desk, p: P) -> Any:
    """DELETE algoOpenOrders."""
    await desk.session.submit(CancelAllAlgos(p["symbol"]))
    return {"code": 200, "msg": "The operation of cancel all open order is done."}


def get_algo(desk: Desk, p: P) -> Any:
    """GET algoOrder."""
    _need_id(p)
    found = desk.state.find_algo(p.get("algoId"), p.get("clientAlgoId"))
    return algo_body(found, desk.state)


def get_open(desk: Desk, p: P) -> Any:
    """GET openAlgoOrders."""
    desk.symbols(p.get("symbol"))
    return [
        algo_body(a, desk.state)
        for a in desk.state.open_algos(p.get("symbol"))
        if p.get("algoId") in (None, a.algo_id)
    ]


def get_all(desk: Desk, p: P) -> Any:
    """GET allAlgoOrders."""
    desk.state.listing(p["symbol"])
    return [algo_body(a, desk.state) for a in algos_between(desk, p)]


def _need_id(p: P) -> None:
    if "algoId" not in p and "clientAlgoId" not in p:
        text_ = "Either algoId or clientAlgoId must be sent."
        raise VenueError(-1102, f"Mandatory parameter 'algoId' was not sent. {text_}")


_OPEN = Params(MAYBE_SYMBOL, _ALGO_ID, Param("algoType", text))
_ALL = Params(SYMBOL, _ALGO_ID, START, END, Param("page", between(0, 10**6)), limit(1_000))
ENDPOINTS: tuple[Endpoint, ...] = (
    signed("POST", "v1/algoOrder", ALGO_PARAMS, 0, place, 1),
    signed("DELETE", "v1/algoOrder", _ONE, 1, cancel),
    signed("GET", "v1/algoOrder", _ONE, 1, get_algo),
    signed("GET", "v1/openAlgoOrders", _OPEN, by_symbol(1, 40), get_open),
    signed("GET", "v1/allAlgoOrders", _ALL, 5, get_all),
    signed("DELETE", "v1/algoOpenOrders", Params(SYMBOL), 1, cancel_all),
)
