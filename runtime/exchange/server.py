"""The exchange as a web application: REST in the dialect, faults outside, streams beside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from runtime.exchange.errors import VenueError
from runtime.exchange.fault_rest import rest_faults
from runtime.exchange.faults import Faults
from runtime.exchange.listen_keys import LISTEN_KEYS, ListenKeys, life_at
from runtime.exchange.rest.desk import Desk
from runtime.exchange.rest.gate import Answer, Gate, refusal
from runtime.exchange.rest.limits import NO_LIMITS, Limits
from runtime.exchange.rest.refusals import no_such_path, too_large
from runtime.exchange.rest.signing import Signing
from runtime.exchange.rest.table import ENDPOINTS
from runtime.exchange.session import ExchangeSession
from runtime.exchange.settings import ExchangeSettings

MAX_BODY_BYTES = 64 * 1024
GATE = web.AppKey("gate", Gate)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def create_app(
    session: ExchangeSession,
    settings: ExchangeSettings,
    faults: Faults | None = None,
    limits: Limits | None = None,
) -> web.Application:
    """Build the application of one exchange; streams add their routes to it before it starts.

    Every refusal, also of unknown paths and wrong methods, is JSON with ``code`` and ``msg``.
    ``app[LISTEN_KEYS]`` holds the keys that REST hands out and streams accept.
    """
    middlewares: list[Any] = [_in_dialect]
    if faults is not None:
        middlewares.append(rest_faults(faults))
    app = web.Application(middlewares=middlewares, client_max_size=MAX_BODY_BYTES)
    keys = ListenKeys(lambda: session.now_ms, settings.seed, life_at(settings.rate))
    app[LISTEN_KEYS] = keys
    if limits is None:
        limits = NO_LIMITS if settings.limits == "none" else Limits()
    desk = Desk(session, limits, keys, faults)
    gate = Gate(desk, Signing(settings.api_key, settings.api_secret), ENDPOINTS)
    app[GATE] = gate
    app.router.add_route("*", "/fapi/{path:.*}", _answering(gate))
    return app


def _answering(gate: Gate) -> _Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        key = request.headers.get("X-MBX-APIKEY")
        address = request.remote or ""
        answer = await gate.answer(request.method, request.raw_path, body, key, address)
        return _response(answer)

    return handle


@web.middleware
async def _in_dialect(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Tell the framework's own refusals in the dialect."""
    try:
        return await handler(request)
    except web.HTTPRequestEntityTooLarge:
        return _response(refusal(too_large()))
    except web.HTTPException as error:
        if error.status in (404, 405):
            return _response(refusal(no_such_path(request.path, request.method)))
        return _response(refusal(VenueError(-1000, error.reason, error.status)))


def _response(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status,
        text=answer.text,
        headers=answer.headers,
        content_type="application/json",
    )
