"""What clients say on a WebSocket: SUBSCRIBE and its kin, answered as the dialect answers."""

from __future__ import annotations

import json
from typing import Any

from envs.core.errors import FixInput
from runtime.exchange.connections import Connection
from runtime.exchange.market_streams import MarketStreams

MOST_STREAMS = 1_024
METHODS = (
    "SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY",
)  # fmt: skip


class Refusal(Exception):
    """A request that is answered by an error and changes nothing."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


def answer(text: str, client: Connection, markets: MarketStreams) -> str:
    """Carry out one request of a client and return the reply."""
    id_: Any = None
    try:
        request = _parsed(text)
        id_ = _id_of(request)
        result = _carried_out(request, client, markets)
    except Refusal as refusal:
        error = {"code": refusal.code, "msg": refusal.text}
        return json.dumps({"error": error, "id": id_}, separators=(",", ":"))
    return json.dumps({"result": result, "id": id_}, separators=(",", ":"))


def _parsed(text: str) -> dict[str, Any]:
    try:
        request = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refusal(3, f"Invalid JSON: {str(error)[:120]}") from error
    if not isinstance(request, dict):
        raise Refusal(2, "Invalid request: an object is expected")
    return request


def _id_of(request: dict[str, Any]) -> int | str | None:
    id_ = request.get("id")
    if id_ is None or (isinstance(id_, int) and not isinstance(id_, bool) and id_ >= 0):
        return id_
    if isinstance(id_, str) and len(id_) <= 36:
        return id_
    raise Refusal(2, "Invalid request: request ID must be an unsigned integer")


def _carried_out(request: dict[str, Any], client: Connection, markets: MarketStreams) -> Any:
    method = request.get("method")
    if method is None:
        raise Refusal(2, "Invalid request: missing field `method`")
    if method not in METHODS:
        expected = ", ".join(METHODS)
        raise Refusal(
            2, f"Invalid request: unknown variant {str(method)[:40]!r}, expected one of {expected}"
        )
    if method == "LIST_SUBSCRIPTIONS":
        return list(client.names)
    params = request.get("params")
    if not isinstance(params, list):
        raise Refusal(2, "Invalid request: params must be a list")
    if method in ("SET_PROPERTY", "GET_PROPERTY"):
        return _property(method, params, client)
    if not params or not all(isinstance(p, str) for p in params):
        raise Refusal(2, "Invalid request: params must be a list of stream names")
    if method == "SUBSCRIBE":
        subscribe(params, client, markets)
    else:
        for name in params:
            markets.unsubscribe(name, client)
    return None


def subscribe(names: list[str], client: Connection, markets: MarketStreams) -> None:
    """Subscribe a client to all of some streams, or to none.

    Raises:
        Refusal: One of them cannot be had.
    """
    if client.category == "private":
        raise Refusal(2, "Invalid request: market streams are served under /public and /market")
    if len({*client.names, *names}) > MOST_STREAMS:
        raise Refusal(2, f"Invalid request: at most {MOST_STREAMS} streams a connection")
    try:
        parsed = [markets.check(name, client.category) for name in names]
    except FixInput as error:
        raise Refusal(2, f"Invalid request: {error}") from error
    for one in parsed:
        markets.subscribe(one, client)


def _property(method: str, params: list[Any], client: Connection) -> Any:
    if not params or params[0] != "combined":
        raise Refusal(0, "Unknown property")
    if method == "GET_PROPERTY":
        return client.combined
    if len(params) != 2 or not isinstance(params[1], bool):
        raise Refusal(1, "Invalid value type: expected Boolean")
    client.combined = params[1]
    return None
