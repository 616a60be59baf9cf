"""The ccxt adapter against an exchange that stands still until it is told to move."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from runtime.adapters.ccxt_venue import CcxtVenue
from runtime.port_values import (
    Answer,
    NewOrder,
    NewTrigger,
    OrderView,
    Replaced,
    TriggerView,
    ViewT,
)

PAUSE_S = 0.001
"""Between two looks whether the stream has told what it must tell."""


class LockstepVenue(CcxtVenue):
    """``CcxtVenue`` whose commands return when the stream has told what they led to.

    Where the market stands still nothing else can happen meanwhile, so a trader sees the same
    events at the same vertex as with an exchange in its own process. A stream that stays silent
    for ``hear_s`` is made up for by REST.
    """

    hear_s = 1.0

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

    async def hear(self, messages: Iterable[Mapping[str, Any]]) -> bool:
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
                    await self.reconcile()
                    return False
                await clock.sleep(0.0 if clock.monotonic_s() - began_s < PAUSE_S else PAUSE_S)
        return True

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
