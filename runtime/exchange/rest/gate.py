"""The way of a request: limits, key, signature, time, parameters, rule, answer."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from runtime.exchange.errors import VenueError
from runtime.exchange.rest.desk import Desk
from runtime.exchange.rest.endpoints import Access, Endpoint
from runtime.exchange.rest.limits import RateRefusal
from runtime.exchange.rest.raw import read_raw
from runtime.exchange.rest.refusals import no_such_path
from runtime.exchange.rest.signing import Signing, check_time

_LOG = logging.getLogger(__name__)
_ENCODE = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
WEIGHT_HEADER = "X-MBX-USED-WEIGHT-1M"
UNKNOWN_ERROR = "Unknown error, please check your request or try again later."


class Answer:
    """Status, headers and JSON text of a reply."""

    __slots__ = ("headers", "status", "text")

    def __init__(self, status: int, text: str, headers: dict[str, str]) -> None:
        self.status, self.text, self.headers = status, text, headers


class Gate:
    """Answers raw requests by a table of endpoints; nothing it is given makes it fail."""

    def __init__(self, desk: Desk, signing: Signing, endpoints: Iterable[Endpoint]) -> None:
        self.desk, self._signing = desk, signing
        self._table = {(e.method, e.path): e for e in endpoints}

    async def answer(
        self, method: str, target: str, body: bytes, api_key: str | None, address: str
    ) -> Answer:
        """Answer one request; a refusal is an answer too."""
        headers: dict[str, str] = {}
        try:
            result = await self._result(method, target, body, api_key, address, headers)
            return Answer(200, _ENCODE(result), headers)
        except RateRefusal as error:
            headers["Retry-After"] = str(error.retry_after_s)
            return refusal(error, headers)
        except VenueError as error:
            return refusal(error, headers)
        except Exception:
            _LOG.exception("%s %s failed", method, target.partition("?")[0])
            return refusal(VenueError(-1000, UNKNOWN_ERROR, 503), headers)

    async def _result(
        self, method: str, target: str, body: bytes, api_key: str | None, address: str,
        headers: dict[str, str],
    ) -> Any:  # fmt: skip
        desk = self.desk
        endpoint = self._table.get((method, target.partition("?")[0]))
        now_ms = desk.true_wall_ms
        if endpoint is None:
            self._charge(address, 1, now_ms, headers)
            raise no_such_path(target.partition("?")[0], method)
        try:
            raw = read_raw(method, target, body)
        except VenueError:
            self._charge(address, 1, now_ms, headers)
            raise
        self._charge(address, endpoint.weight_of(raw.values), now_ms, headers)
        if endpoint.access is not Access.PUBLIC:
            self._signing.check_key(api_key)
        signed = endpoint.access is Access.SIGNED
        if signed:
            self._signing.check_signature(raw)
            check_time(raw.values, desk.wall_ms)
        self._charge_orders(endpoint, raw.values, now_ms, headers)
        result = endpoint.rule(desk, endpoint.params.read(raw.values, signed))
        return await result if inspect.isawaitable(result) else result

    def _charge(self, address: str, weight: int, now_ms: int, headers: dict[str, str]) -> None:
        limiter = self.desk.limiter
        try:
            limiter.charge(address, weight, now_ms)
        finally:
            headers[WEIGHT_HEADER] = str(limiter.used(address, now_ms))

    def _charge_orders(
        self, endpoint: Endpoint, values: Mapping[str, str], now_ms: int, headers: dict[str, str]
    ) -> None:
        count = endpoint.orders_of(values)
        if not count:
            return
        limiter = self.desk.limiter
        try:
            limiter.charge_orders(count, now_ms)
        finally:
            headers["X-MBX-ORDER-COUNT-10S"] = str(limiter.orders_10s.used(now_ms))
            headers["X-MBX-ORDER-COUNT-1M"] = str(limiter.orders_1m.used(now_ms))


def refusal(error: VenueError, headers: dict[str, str] | None = None) -> Answer:
    """A refusal as the dialect tells it."""
    text = _ENCODE({"code": error.code, "msg": error.message})
    return Answer(error.http, text, headers or {})
