"""The ccxt adapter against an exchange that stands still until it is told to move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from runtime.adapters.ccxt_venue import CcxtVenue, VenueSettings
from runtime.adapters.clocks import SystemClock
from runtime.adapters.rate_budget import BudgetLimits, RateBudget
from runtime.adapters.user_stream import StreamSettings
from runtime.port_values import (
    Answer,
    NewOrder,
    NewTrigger,
    OrderView,
    Replaced,
    TriggerView,
    ViewT,
)
from runtime.ports import Clock, Store

WIDE = BudgetLimits(weight_1m=10**9, orders_1m=10**9, orders_10s=10**9)
"""Requests are counted by wall time, and a year in lockstep takes minutes of it."""
PATIENT = VenueSettings(stream=StreamSettings(silence_s=3_600.0), told_s=60.0, reconcile_s=3_600.0)
KEEP_ALIVE_MS = 600_000
"""A trader may think for long between two steps, while the loop answers nobody."""
PAUSE_S = 0.001
"""Between two looks whether the stream has told what it must tell."""


class LockstepVenue(CcxtVenue):
    """``CcxtVenue`` whose commands return when the stream has told what they led to.

    Where the market stands still nothing else can happen meanwhile, so a trader sees the same
    events at the same vertex as with an exchange in its own process. A stream that stays silent
    for ``hear_s`` is made up for by REST. Without settings all times are long: nothing is late
    where nothing moves.
    """

    hear_s = 1.0

    def __init__(
        self, exchange: Any, store: Store, symbols: Sequence[str], *, clock: Clock | None = None,
        budget: RateBudget | None = None, settings: VenueSettings | None = None,
    ) -> None:  # fmt: skip
        clock = clock or SystemClock()
        super().__init__(
            exchange, store, symbols, clock=clock, budget=budget or RateBudget(clock, WIDE),
            settings=settings or PATIENT,
        )  # fmt: skip
        # ccxt's own counting of so many requests takes longer than the requests.
        exchange.enableRateLimit = False
        if settings is None:
            exchange.streaming["keepAlive"] = KEEP_ALIVE_MS

    async def place(self, order: NewOrder) -> Answer[OrderView]:
        """Send an order, and hear what it led to."""
        return await self._heard(await super().place(order))

    async def cancel(self, symbol: str, client_id: str) -> Answer[OrderView]:
        """Cancel an order, and hear how it ended."""
        return await self._heard(await super().cancel(symbol, client_id))

    async def amend(self, symbol: str, client_id: str, qty_steps: int, price_ticks: int
                    ) -> Answer[OrderView]:  # fmt: skip
        """Change an order, and hear of it."""
        return await self._heard(await super().amend(symbol, client_id, qty_steps, price_ticks))

    async def place_trigger(self, trigger: NewTrigger) -> Answer[TriggerView]:
        """Send a conditional order, and hear of it."""
        return await self._heard(await super().place_trigger(trigger))

    async def cancel_trigger(self, symbol: str, client_id: str) -> Answer[TriggerView]:
        """Cancel a conditional order, and hear of it."""
        return await self._heard(await super().cancel_trigger(symbol, client_id))

    async def replace_trigger(self, old_client_id: str, new: NewTrigger) -> Replaced:
        """Place the new one, then cancel the old, and hear of both."""
        replaced = await super().replace_trigger(old_client_id, new)
        return replace(replaced, new=await self._heard(replaced.new))

    async def hear(self, messages: Sequence[Mapping[str, Any]]) -> bool:
        """Wait until all messages of the user stream in an advance's reply have been told.

        False when that took a comparison by REST.

        Raises:
            VenueUnavailable: The stream was silent and the venue did not answer.
        """
        clock, intake = self.link.clock, self._intake
        began_s = clock.monotonic_s()
        for message in messages:
            while not await intake.knows(message):
                if clock.monotonic_s() - began_s > self.hear_s:
                    await self._catch_up(messages)
                    return False
                await clock.sleep(0.0 if clock.monotonic_s() - began_s < PAUSE_S else PAUSE_S)
        return True

    async def _catch_up(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Compare by REST; changes of the wallet, which that does not tell, from the messages."""
        await self.reconcile()
        for message in messages:
            if message.get("e") == "ACCOUNT_UPDATE" and not await self._intake.knows(message):
                await self._intake.message(message)

    async def _heard(self, answer: Answer[ViewT]) -> Answer[ViewT]:
        """Wait until the stream has told what REST has told; then hand the answer on."""
        clock, intake = self.link.clock, self._intake
        began_s = clock.monotonic_s()
        await self._outbox.flush()
        while self._stream.is_up and intake.is_expecting:
            if clock.monotonic_s() - began_s > self.hear_s:
                await self.reconcile()
                break
            await clock.sleep(0.0 if clock.monotonic_s() - began_s < PAUSE_S else PAUSE_S)
        return answer
