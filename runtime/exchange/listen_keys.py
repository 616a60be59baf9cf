"""Listen keys: what a client needs to hear of its account, alive for an hour of market time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from aiohttp import web

from runtime.exchange.errors import VenueError

LIFE_MS = 3_600_000
LEAST_WALL_MS = 60_000
_ENDLESS_MS = 10**15
NO_SUCH_KEY = -1125
ExpiryListener = Callable[[str], None]


def life_at(rate: float) -> int:
    """Market milliseconds a key lives at a speed: an hour, but never less than a wall minute.

    A step of a lockstep market (rate 0) may be longer than an hour: there none ends by itself.
    """
    return max(LIFE_MS, int(LEAST_WALL_MS * rate)) if rate > 0.0 else _ENDLESS_MS


class ListenKeys:
    """The one listen key of the account; times are market milliseconds.

    Keys follow from seed and count, so a run repeats. A restarted exchange knows none: clients
    are told -1125 and ask for a new one.

    Attributes:
        life_ms: how long a key lives from its last renewal.
    """

    def __init__(self, now_ms: Callable[[], int], seed: int = 0, life_ms: int = LIFE_MS) -> None:
        self._now_ms, self._seed, self.life_ms = now_ms, seed, life_ms
        self._key: str | None = None
        self._ends_ms = 0
        self._made = 0
        self._listeners: list[ExpiryListener] = []

    @property
    def key(self) -> str | None:
        """The key that is alive, if any."""
        return self._key

    @property
    def next_expiry_ms(self) -> int | None:
        """When the key ends, unless it is kept alive."""
        return None if self._key is None else self._ends_ms

    def on_expired(self, callback: ExpiryListener) -> None:
        """Hear of every key that ends, whether by time, by request or by a fault."""
        self._listeners.append(callback)

    def create(self) -> str:
        """The key alive, its life renewed, or a new one."""
        self.expire_due()
        if self._key is None:
            self._made += 1
            self._key = hashlib.sha256(f"{self._seed}/{self._made}".encode()).hexdigest()
        self._ends_ms = self._now_ms() + self.life_ms
        return self._key

    def keep(self) -> str:
        """Renew the life of the key.

        Raises:
            VenueError: -1125, none is alive.
        """
        self.expire_due()
        if self._key is None:
            raise VenueError(NO_SUCH_KEY, "This listenKey does not exist.")
        self._ends_ms = self._now_ms() + self.life_ms
        return self._key

    def close(self) -> None:
        """End the key; nothing to end is no error."""
        self.expire()

    def is_alive(self, key: str) -> bool:
        """Whether a key is the account's and has not ended."""
        self.expire_due()
        return key == self._key

    def expire_due(self) -> None:
        """End the key if its time is over."""
        if self._key is not None and self._now_ms() >= self._ends_ms:
            self.expire()

    def expire(self) -> None:
        """End the key now."""
        key, self._key = self._key, None
        if key is not None:
            for listener in tuple(self._listeners):
                listener(key)


LISTEN_KEYS = web.AppKey("listen_keys", ListenKeys)
"""Where an application keeps them: endpoints and streams share one."""
