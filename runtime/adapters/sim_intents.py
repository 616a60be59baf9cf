"""Intents of a simulated venue: a client id is sent once, whoever asks again is only told."""

from __future__ import annotations

from typing import Any

from envs.core.errors import FixInput
from runtime.port_events import Filled, OrderChanged, TriggerChanged, VenueEvent
from runtime.port_values import Answer, Intent, IntentState, NewOrder, NewTrigger
from runtime.ports import Store

ENDED = frozenset({IntentState.REJECTED, IntentState.ABSENT})


class Intents:
    """Intents by client id, in memory, and in a journal where there is one."""

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self._known: dict[str, Intent] = {}
        self._told: list[VenueEvent] = []

    async def begin(self, ask: NewOrder | NewTrigger, now_ms: int) -> Intent | None:
        """Note an intent; one that was sent before comes back and is not sent again.

        Raises:
            FixInput: Its client id already means something else.
        """
        intent, store = Intent(ask, now_ms), self._store
        known = self._known.get(ask.client_id)
        if known is None and store is not None and not await store.save_intent(intent):
            known = await store.intent(ask.client_id)
        if known is None:
            self._known[ask.client_id] = intent
            return None
        if known.ask != ask:
            raise FixInput(f"client id {ask.client_id}: already used for {known.ask}, not {ask}")
        return known

    async def settle(self, ask: NewOrder | NewTrigger, answer: Answer[Any], now_ms: int) -> None:
        """Note what became of it."""
        state = IntentState(answer.outcome.value)
        view, text, code = answer.view, answer.text[:300], answer.code
        number = 0 if view is None else view.algo_id if isinstance(ask, NewTrigger) else (
            view.order_id
        )  # fmt: skip
        settled = Intent(ask, now_ms, state, number, code, text, now_ms)
        self._known[ask.client_id] = settled
        if self._store is not None:
            await self._store.settle_intent(
                ask.client_id, state, venue_id=number, code=code, text=text, at_ms=now_ms
            )

    async def find(self, client_id: str) -> Intent | None:
        """An intent sent here or known to the journal."""
        known = self._known.get(client_id)
        if known is None and self._store is not None:
            known = await self._store.intent(client_id)
        return known

    async def unsettled(self) -> tuple[Intent, ...]:
        """Intents of the journal whose outcome is not known."""
        return () if self._store is None else await self._store.open_intents()

    def heard(self, events: list[VenueEvent]) -> None:
        """Keep what the exchange told until it is written down."""
        if self._store is not None:
            self._told += events

    async def write(self) -> None:
        """Write down what was heard."""
        store = self._store
        if store is None or not self._told:
            return
        told, self._told = self._told, []
        for event in told:
            if isinstance(event, OrderChanged):
                await store.save_order(event.order)
            elif isinstance(event, TriggerChanged):
                await store.save_order(event.trigger)
            elif isinstance(event, Filled):
                await store.add_fill(event.fill)
