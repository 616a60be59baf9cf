"""What the venue tells its listeners, in order and never before it is on disk."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from runtime.exchange.events import VenueEvent
from runtime.exchange.moving import MarketMove

_LOG = logging.getLogger(__name__)

EventListener = Callable[[Sequence[VenueEvent]], None]
MarketListener = Callable[[MarketMove], None]


class _Parcel(NamedTuple):
    line: int
    move: MarketMove | None
    events: Sequence[VenueEvent]


class Outbox:
    """Parcels that wait for a journal line, and those who hear of them."""

    def __init__(self) -> None:
        self._parcels: deque[_Parcel] = deque()
        self._listeners: list[EventListener] = []
        self._watchers: list[MarketListener] = []

    def listen(self, callback: EventListener) -> Callable[[], None]:
        """Hear of account events; returns what ends it."""
        return _added(self._listeners, callback)

    def on_market(self, callback: MarketListener) -> Callable[[], None]:
        """Hear of steps of the market; returns what ends it."""
        return _added(self._watchers, callback)

    @property
    def is_watched(self) -> bool:
        """Whether anybody hears of steps of the market."""
        return bool(self._watchers)

    def put(self, line: int, move: MarketMove | None, events: Sequence[VenueEvent]) -> None:
        """Add what may leave once journal line ``line`` is on disk."""
        self._parcels.append(_Parcel(line, move, events))

    def deliver(self, durable: int) -> None:
        """Hand out what waits for no line beyond ``durable``."""
        while self._parcels and self._parcels[0].line <= durable:
            parcel = self._parcels.popleft()
            if parcel.move is not None:
                for watcher in tuple(self._watchers):
                    _call(watcher, parcel.move)
            if parcel.events:
                for listener in tuple(self._listeners):
                    _call(listener, parcel.events)


def _added(callbacks: list[Any], callback: Any) -> Callable[[], None]:
    callbacks.append(callback)

    def end() -> None:
        if callback in callbacks:
            callbacks.remove(callback)

    return end


def _call(listener: Callable[[Any], None], what: Any) -> None:
    """A listener that fails harms itself alone."""
    try:
        listener(what)
    except Exception:
        _LOG.exception("a listener of the exchange failed")
