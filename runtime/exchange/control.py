"""The control API: faults, lockstep and a look inside, on a port of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from envs.core.errors import FixInput
from runtime.exchange.control_models import AdvanceBody, FaultBody, PriceBody, ScheduleBody
from runtime.exchange.control_views import advance_view, state_view
from runtime.exchange.errors import VenueError
from runtime.exchange.fault_acts import FaultActs
from runtime.exchange.fault_help import FAULT_HELP
from runtime.exchange.fault_kinds import ACTS
from runtime.exchange.fault_schedule import Schedule
from runtime.exchange.faults import Armed, Faults
from runtime.exchange.session import ExchangeSession
from runtime.exchange.streams import Streams

_MOST_BYTES = 256 << 10
_Body = TypeVar("_Body", bound=BaseModel)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    """Answers the operator; every answer is JSON, errors say what to mend.

    GET ``/control/state``, ``/control/faults``, ``/control/kinds``; POST ``/control/faults``,
    ``/control/schedule``, ``/control/advance``, ``/control/price``; DELETE ``/control/faults``
    (all), ``/control/faults/ID``, ``/control/schedule``.
    """

    def __init__(
        self, session: ExchangeSession, faults: Faults, streams: Streams, acts: FaultActs
    ) -> None:
        self._session, self._faults = session, faults
        self._streams, self._acts = streams, acts
        self._advancing = asyncio.Lock()

    def application(self) -> web.Application:
        """The API as an application."""
        app = web.Application(middlewares=[_errors], client_max_size=_MOST_BYTES)
        app.router.add_get("/control/state", self._state)
        app.router.add_get("/control/kinds", self._kinds)
        app.router.add_get("/control/faults", self._list)
        app.router.add_post("/control/faults", self._arm)
        app.router.add_delete("/control/faults", self._disarm_all)
        app.router.add_delete("/control/faults/{id}", self._disarm)
        app.router.add_post("/control/schedule", self._schedule)
        app.router.add_delete("/control/schedule", self._unschedule)
        app.router.add_post("/control/advance", self._advance)
        app.router.add_post("/control/price", self._price)
        return app

    async def _state(self, request: web.Request) -> web.Response:
        return _json(
            state_view(self._session)
            | {
                "streams": {
                    "clients": len(self._streams.clients),
                    "cut_off": self._streams.cut_off,
                    "waiting": sum(c.waiting for c in self._streams.clients),
                    "waiting_bytes": self._streams.backlog.bytes,
                },
                "faults": {"armed": len(self._faults.listed()), "fired": self._faults.fired},
            }
        )

    async def _kinds(self, request: web.Request) -> web.Response:
        return _json({kind.value: text for kind, text in FAULT_HELP.items()})

    async def _list(self, request: web.Request) -> web.Response:
        schedule = self._faults.schedule
        drawn = None if schedule is None else {"seed": schedule.seed, "rate": schedule.rate}
        rows = [_armed_view(armed) for armed in self._faults.listed()]
        return _json({"faults": rows, "fired": self._faults.fired, "schedule": drawn})

    async def _arm(self, request: web.Request) -> web.Response:
        fault = (await _read(request, FaultBody)).fault()
        if fault.symbol:
            self._session.state.listing(fault.symbol)
        if fault.kind in ACTS:
            return _json({"done": await self._acts.perform(fault)})
        return _json(_armed_view(self._faults.arm(self._acts.completed(fault))))

    async def _disarm_all(self, request: web.Request) -> web.Response:
        return _json({"removed": self._faults.disarm()})

    async def _disarm(self, request: web.Request) -> web.Response:
        text = request.match_info["id"]
        removed = self._faults.disarm(int(text)) if text.isdigit() and len(text) < 10 else 0
        if not removed:
            return _json({"error": f"no fault {text[:20]} is armed"}, 404)
        return _json({"removed": removed})

    async def _schedule(self, request: web.Request) -> web.Response:
        body = await _read(request, ScheduleBody)
        schedule = Schedule(body.seed, body.rate, body.kinds)
        self._faults.schedule = schedule
        return _json({"seed": schedule.seed, "rate": schedule.rate, "kinds": schedule.kinds})

    async def _unschedule(self, request: web.Request) -> web.Response:
        self._faults.schedule = None
        return _json({"schedule": None})

    async def _advance(self, request: web.Request) -> web.Response:
        body = await _read(request, AdvanceBody)
        async with self._advancing:
            done = await self._session.advance(body.vertices)
            return _json(advance_view(done, self._session))

    async def _price(self, request: web.Request) -> web.Response:
        body = await _read(request, PriceBody)
        contract = self._session.state.listing(body.symbol).contract
        ticks = round(body.price * contract.tick_den / contract.tick_num)
        return _json(await self._acts.move_price(body.symbol, ticks))


@web.middleware
async def _errors(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except VenueError as error:
        return _json({"error": error.message, "code": error.code}, 409)
    except FixInput as error:
        return _json({"error": str(error)}, 400)
    except web.HTTPException as error:
        text = f"{error.reason}: {request.method} {request.path[:200]}; see GET /control/kinds"
        return _json({"error": text}, error.status)


async def _read(request: web.Request, model: type[_Body]) -> _Body:
    """The body, checked; an empty one has all defaults.

    Raises:
        FixInput: It is no JSON object, or a field is unknown or out of range.
    """
    raw = await request.read()
    if raw and request.content_type != "application/json":
        raise FixInput("body: Content-Type must be application/json")
    try:
        return model.model_validate_json(raw or b"{}")
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        rows = (f"{'.'.join(str(p) for p in e['loc']) or 'body'}: {e['msg']}" for e in found)
        raise FixInput("; ".join(rows)) from error


def _armed_view(armed: Armed) -> dict[str, Any]:
    fault = {k: v for k, v in asdict(armed.fault).items() if v not in ("", 0, 0.0, {}, None, "*")}
    return {"id": armed.id, "left": armed.left, "happened": armed.fired, **fault}


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(
        text=json.dumps(body, separators=(",", ":")), status=status, content_type="application/json"
    )
