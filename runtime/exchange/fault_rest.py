"""The faults of REST as one middleware: it stands outside everything the server does."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from runtime.exchange.fault_data import SHAPERS, is_vanished, refusal_of
from runtime.exchange.fault_kinds import Fault, FaultKind
from runtime.exchange.faults import Faults

K = FaultKind
_ORDERS = frozenset(
    {
        "POST /fapi/v1/order", "PUT /fapi/v1/order", "POST /fapi/v1/algoOrder",
        "POST /fapi/v1/order/test",
    }
)  # fmt: skip
_OK = 200
_TEXTS: Mapping[FaultKind, tuple[int, int | None, str]] = {
    K.TIMEOUT: (
        408, -1007,
        "Timeout waiting for response from backend server. Send status unknown; execution status "
        "unknown.",
    ),
    K.UNKNOWN_ERROR: (
        503, None, "Unknown error, please check your request or try again later.",
    ),
    K.OVERLOADED: (
        503, -1008,
        "Server is currently overloaded with other requests. Please try again in a few minutes.",
    ),
    K.RATE_LIMITED: (429, -1003, "Too many requests; current limit is 2400 requests per minute."),
    K.BANNED: (418, -1003, "Way too many requests; IP banned."),
    K.POSITIONS_FAIL: (500, -1000, "An unknown error occurred while processing the request."),
}  # fmt: skip


def rest_faults(faults: Faults) -> Middleware:
    """Middleware for the server's outermost place; with nothing armed it only hands on."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not faults.active:
            return await handler(request)
        return await _faulted(request, handler, faults)

    return middleware


async def _faulted(request: web.Request, handler: Handler, faults: Faults) -> web.StreamResponse:
    if not request.path.startswith("/fapi/"):
        return await handler(request)
    left_s = faults.ban_left_s()
    if left_s is not None:
        faults.note(K.BANNED)
        seconds = 3600 if math.isinf(left_s) else math.ceil(left_s)
        return _told(Fault(K.BANNED, retry_after_s=seconds))
    endpoint = f"{request.method} {request.path}"
    fields = await _fields_of(request)
    refusal = refusal_of(fields, faults) if endpoint in _ORDERS else None
    if refusal is not None:
        return _refused(*refusal)
    answer: web.StreamResponse | None = None
    after: list[Fault] = []
    for fault in faults.for_request(endpoint, fields.get("symbol", "")):
        if fault.kind is K.DELAY_BEFORE:
            await faults.clock.sleep(fault.seconds)
        elif fault.takes_effect:
            after.append(fault)
        else:
            answer = await _instead(fault, request)
            break
    if answer is None:
        answer = _shaped(await handler(request), endpoint, fields, faults)
    for fault in after:
        answer = await _afterwards(fault, request, answer, faults)
    return answer


async def _fields_of(request: web.Request) -> dict[str, str]:
    """Parameters of query and body; the body stays readable for the handler."""
    fields = dict(request.query)
    if request.body_exists:
        raw = await request.read()
        fields |= dict(parse_qsl(raw.decode("utf-8", "replace")))
    return fields


async def _instead(fault: Fault, request: web.Request) -> web.StreamResponse:
    """The answer of a request that is not carried out."""
    if fault.kind is K.DROP_BEFORE:
        return _dropped(request)
    return _broken(fault, b'{"orderId":1,"symbol":"BTCUS')


async def _afterwards(
    fault: Fault, request: web.Request, answer: web.StreamResponse, faults: Faults
) -> web.StreamResponse:
    """The answer of a request that was carried out."""
    if fault.kind is K.DELAY_AFTER:
        await faults.clock.sleep(fault.seconds)
        return answer
    if fault.kind is K.DROP_AFTER:
        return _dropped(request)
    return _broken(fault, _body_of(answer))


def _broken(fault: Fault, body: bytes) -> web.Response:
    if fault.kind is K.EMPTY:
        return _raw(fault.status or _OK, fault.body.encode())
    if fault.kind is K.TRUNCATED:
        return _raw(fault.status or _OK, body[: max(1, len(body) // 2)])
    if fault.kind is K.GARBAGE:
        text = fault.body or "<html><body>502 Bad Gateway</body></html>"
        return _raw(fault.status or _OK, text.encode())
    if fault.kind is K.POSITIONS_EMPTY:
        return _raw(_OK, b"[]")
    if fault.kind is K.STATUS:
        text = fault.body or json.dumps({"code": fault.code or -1000, "msg": fault.message})
        return _raw(fault.status, text.encode())
    if fault.kind is K.REFUSE:
        return _refused(fault.code, fault.message or "Refused by an armed fault.", fault.status)
    return _told(fault)


def _told(fault: Fault) -> web.Response:
    status, code, text = _TEXTS[fault.kind]
    body: dict[str, Any] = {"msg": fault.message or text}
    if code is not None:
        body = {"code": fault.code or code, **body}
    response = web.json_response(body, status=fault.status or status)
    if fault.kind in (K.RATE_LIMITED, K.BANNED):
        response.headers["Retry-After"] = str(fault.retry_after_s)
    return response


def _refused(code: int, text: str, status: int = 0) -> web.Response:
    return web.json_response({"code": code, "msg": text}, status=status or 400)


def _raw(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json")


def _dropped(request: web.Request) -> web.Response:
    """Close the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _shaped(
    answer: web.StreamResponse, endpoint: str, fields: Mapping[str, str], faults: Faults
) -> web.StreamResponse:
    """A true answer with the market data, listings and orders that lasting faults change."""
    if answer.status != _OK or not isinstance(answer, web.Response):
        return answer
    if endpoint == "GET /fapi/v1/algoOrder":
        if is_vanished(json.loads(_body_of(answer)), faults, query=True):
            return _refused(-2013, "Order does not exist.")
        return answer
    shaper = SHAPERS.get(endpoint)
    if shaper is not None:
        body = shaper(json.loads(_body_of(answer)), fields, faults)
        answer.body = json.dumps(body, separators=(",", ":")).encode()
    return answer


def _body_of(answer: web.StreamResponse) -> bytes:
    body = answer.body if isinstance(answer, web.Response) else b""
    return body if isinstance(body, bytes) else b""
