"""A local exchange in lockstep through ccxt, stepped over its control port."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from envs.core.errors import FixInput
from runtime.adapters.ccxt_feed import CcxtFeed, FeedSettings
from runtime.adapters.lockstep_control import LockstepControl
from runtime.adapters.lockstep_venue import LockstepVenue
from runtime.driving.steps import CLOSE, Step
from runtime.kernel_ports import Quote
from runtime.port_errors import VenueUnavailable
from runtime.port_market import Bar

LOCKSTEP_FEED = FeedSettings(max_age_s=math.inf, silence_s=math.inf, poll_s=math.inf, sockets=False)
"""The market may stand still for as long as a trader thinks; bars are asked for at each close."""
_NS = 1_000_000
_INDEX = {"open": 0, "first": 1, "second": 2, "close": CLOSE}


class LockstepStepper:
    """``Stepper`` over the wire: returns once venue and feed have told what the step led to.

    Quotes are those of the control port's reply, bars those the feed reads from the exchange.

    Args:
        control: entered.
        venue, feed: open, the feed for the contracts whose bars are wanted.

    Attributes:
        caught_up: how often REST had to tell what the stream did not tell in time.
    """

    def __init__(self, control: LockstepControl, venue: LockstepVenue, feed: CcxtFeed) -> None:
        self.control, self.venue, self.feed = control, venue, feed
        self.caught_up = 0
        self._number = -1
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether there is no next vertex; known once begun."""
        return self._ended

    async def begin(self) -> Step:
        """Where the market stands; of the bars closed so far those that close there are told.

        Raises:
            VenueUnavailable: The exchange did not answer.
        """
        told = await self.control.state()
        self._number, self._ended = int(told["number"]), bool(told["ended"])
        index, now_ms = _INDEX[told["vertex"]], int(told["now"])
        await self.feed.collect(now_ms)
        closed = self.feed.take_bars()
        bars = tuple(b for b in closed if b.close_ms == now_ms) if index == CLOSE else ()
        quotes = _quotes(told["prices"], now_ms)
        return Step(index, now_ms * _NS, quotes, bars, self._ended)

    async def advance(self) -> Step:
        """Go on by a vertex, or to the next close while nothing is open.

        Raises:
            FixInput: The market has ended.
            VenueUnavailable: The exchange did not answer, or a bar it told of does not come.
        """
        told = await self.control.advance()
        self._ended = bool(told["ended"])
        if int(told["number"]) <= self._number:
            raise FixInput("advance: the market has ended")
        self._number = int(told["number"])
        if not await self.venue.hear(told["events"]):
            self.caught_up += 1
        index, now_ms = _INDEX[told["vertex"]], int(told["now"])
        bars = await self._bars(now_ms, told["klines"]) if index == CLOSE else ()
        return Step(index, now_ms * _NS, _quotes(told["prices"], now_ms), bars, self._ended)

    async def _bars(self, now_ms: int, klines: list[Mapping[str, Any]]) -> tuple[Bar, ...]:
        await self.feed.collect(now_ms)
        bars = tuple(b for b in self.feed.take_bars() if b.close_ms == now_ms)
        came = {b.symbol for b in bars}
        missing = {k["symbol"] for k in klines if k["symbol"] in self.feed.symbols} - came
        if missing:
            raise VenueUnavailable(f"feed: no bar of {', '.join(sorted(missing))} at {now_ms}")
        return bars


def _quotes(prices: Mapping[str, Mapping[str, Any]], now_ms: int) -> dict[str, Quote]:
    return {
        name: Quote(int(x["last_ticks"]), float(x["mark_ticks"]), now_ms * _NS)
        for name, x in prices.items()
    }
