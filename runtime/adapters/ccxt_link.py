"""One request through ccxt: budget, clock, classification; nothing is ever resent blindly.

The exchange's own endpoints are called (``fapiPrivatePostOrder``), not ccxt's unified methods:
those round prices, cut quantities, turn money into floats and take an empty answer for a success.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from inspect import getattr_static
from typing import Any

from envs.core.errors import QuantumTraderError
from runtime.adapters.ccxt_errors import (
    BAD_TIME,
    Cause,
    Classified,
    Failure,
    Verdict,
    classify,
    failure_of,
    nonsense,
)
from runtime.adapters.clocks import OffsetTimer
from runtime.adapters.rate_budget import LONG_PAUSE_S, RateBudget, Urgency
from runtime.port_errors import VenueRefused, VenueUnavailable
from runtime.port_values import Advice
from runtime.ports import Clock

_LOG = logging.getLogger(__name__)
_FIREWALL = 403


class CallFailed(QuantumTraderError):
    """A request that brought no usable answer; ``what`` says what that means."""

    def __init__(self, method: str, what: Classified) -> None:
        told = what.failure.text or what.failure.cause.value
        said = "the venue cannot be reached" if what.failure.cause is Cause.NOT_SENT else (
            what.verdict.value
        )  # fmt: skip
        super().__init__(f"{method}: {said}: {told[:300]}")
        self.what = what

    def as_port_error(self) -> VenueUnavailable | VenueRefused:
        """The error a caller of the port is told."""
        if self.what.verdict is Verdict.FATAL:
            return VenueRefused(str(self))
        return VenueUnavailable(str(self))


class CcxtLink:
    """A ccxt client with a budget and a clock.

    Attributes:
        exchange: the ccxt client of ``make_exchange``.
        clock, budget: as given.
        fatal: why trading must stop, empty while it need not.
    """

    def __init__(
        self, exchange: Any, clock: Clock, budget: RateBudget | None = None,
        timer: OffsetTimer | None = None,
    ) -> None:  # fmt: skip
        self.exchange, self.clock = exchange, clock
        self.budget = budget or RateBudget(clock)
        self.fatal = ""
        self._timer = timer or OffsetTimer()
        self._entries: dict[str, Any] = {}
        self._measuring = asyncio.Lock()

    @property
    def offset_ms(self) -> int:
        """How far this machine's clock is ahead of the venue's."""
        return int(self.exchange.options.get("timeDifference") or 0)

    @property
    def venue_now_ms(self) -> int:
        """The venue's wall clock."""
        return self.clock.now_ms() - self.offset_ms

    async def call(
        self, method: str, params: Mapping[str, Any] | None = None, *, weight: int = 1,
        orders: int = 0, urgency: Urgency = Urgency.ROUTINE, patience_s: float = math.inf,
        kind: type | tuple[type, ...] = dict,
    ) -> Any:  # fmt: skip
        """Send one request and return its parsed body.

        A request refused for its timestamp was not carried out: it is signed anew after measuring
        the offset and sent once more, with the same client id.

        Raises:
            CallFailed: No usable answer; it says whether the request may have been carried out.
        """
        await self.refresh_clock()
        try:
            return await self._once(method, params, weight, orders, urgency, patience_s, kind)
        except CallFailed as error:
            if error.what.failure.code != BAD_TIME:
                raise
        self._timer.expire()
        await self.measure_offset()
        return await self._once(method, params, weight, orders, urgency, patience_s, kind)

    async def measure_offset(self) -> int:
        """Ask for the venue's time; returns by how much this machine is ahead.

        Raises:
            CallFailed: The venue did not answer, or without its time.
        """
        async with self._measuring:
            now_s = self.clock.monotonic_s()
            if not self._timer.is_due(self.clock.now_ms(), now_s):
                return self.offset_ms
            signed_ms = int(self.exchange.milliseconds())
            body = await self._once("fapiPublicGetTime", None, 1, 0, Urgency.EXIT, 5.0, dict)
            after_s = self.clock.monotonic_s()
            server = body.get("serverTime")
            if not isinstance(server, int):
                raise CallFailed("fapiPublicGetTime", nonsense(repr(body)))
            # The answer was written about half way between asking and hearing.
            self.exchange.options["timeDifference"] = round(
                signed_ms + (after_s - now_s) * 500.0 - server
            )
            self._timer.measured(self.clock.now_ms(), self.clock.monotonic_s())
            return self.offset_ms

    async def refresh_clock(self) -> None:
        """Measure the offset when it is due; a failure holds nothing up, the venue says -1021."""
        if not self._timer.is_due(self.clock.now_ms(), self.clock.monotonic_s()):
            return
        try:
            await self.measure_offset()
        except CallFailed as error:
            _LOG.warning("clock offset not measured: %s", error)
            self._timer.measured(self.clock.now_ms(), self.clock.monotonic_s())

    async def _once(
        self, method: str, params: Mapping[str, Any] | None, weight: int, orders: int,
        urgency: Urgency, patience_s: float, kind: type | tuple[type, ...],
    ) -> Any:  # fmt: skip
        if not await self.budget.acquire(weight, orders, urgency, patience_s):
            wait_s = self.budget.wait_s(weight, orders, urgency)
            held = Failure(text="held back by the request budget", cause=Cause.NOT_SENT,
                           retry_after_s=wait_s)  # fmt: skip
            raise CallFailed(method, Classified(Verdict.RATE_LIMITED, Advice.BACK_OFF, held))
        try:
            body = await self._sent(method, dict(params or {}))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            raise CallFailed(method, self._judge(method, error)) from error
        self.budget.told(self.exchange.last_response_headers)
        if not isinstance(body, kind):
            shown = body if isinstance(body, str) else repr(body)
            raise CallFailed(method, nonsense(shown))
        return body

    async def _sent(self, method: str, params: dict[str, Any]) -> Any:
        """Sign and send, past ccxt's own limiter.

        That adds up the requests of a minute at each one, and queues exits behind all others;
        ``RateBudget`` limits.
        """
        exchange, entry = self.exchange, self._entries.get(method)
        if entry is None:
            entry = self._entries[method] = getattr_static(self.exchange, method)
        request = exchange.sign(entry.path, entry.api, entry.method, params)
        exchange.set_last_request(request)
        return await exchange.fetch(
            request["url"], request["method"], request["headers"], request["body"]
        )

    def _judge(self, method: str, error: Exception) -> Classified:
        headers = self.exchange.last_response_headers
        what = classify(failure_of(error, headers))
        failure = what.failure
        if failure.cause is Cause.ANSWER:
            self.budget.told(headers)
        if what.verdict is Verdict.RATE_LIMITED:
            pause_s = self.budget.limited(failure.http, failure.retry_after_s)
            _LOG.warning("%s: the venue wants a pause of %.0f s", method, pause_s)
        elif failure.http == _FIREWALL:
            self.budget.pause(LONG_PAUSE_S)
        elif what.verdict is Verdict.FATAL:
            self.fatal = failure.text[:300]
            _LOG.error("%s: trading must stop: %s", method, self.fatal)
        return what
