"""The request budget: buckets for weight and orders with a reserve that only exits may use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from envs.core.errors import FixSettings
from runtime.ports import Clock

LEAST_PAUSE_S, LEAST_BAN_S, LONG_PAUSE_S = 1.0, 60.0, 300.0
_BAN = 418


class Urgency(IntEnum):
    """Who asks; EXIT alone may use the reserve."""

    ROUTINE = 0
    ENTRY = 1
    EXIT = 2


@dataclass(frozen=True)
class BudgetLimits:
    """Limits of the venue and the part kept for exits.

    Attributes:
        weight_1m: request weight in a minute and address.
        orders_1m, orders_10s: orders of the account.
        reserve: fraction of each that only exits may use.
        used: fraction of the venue's limit that is used at all: its windows are not ours.
    """

    weight_1m: int = 2_400
    orders_1m: int = 1_200
    orders_10s: int = 300
    reserve: float = 0.10
    used: float = 0.90

    def __post_init__(self) -> None:
        if min(self.weight_1m, self.orders_1m, self.orders_10s) < 1:
            raise FixSettings(f"rate budget: every limit at least 1, got {self}")
        if not 0.0 <= self.reserve < 1.0 or not 0.0 < self.used <= 1.0:
            raise FixSettings(f"rate budget: reserve in [0, 1), used in (0, 1], got {self}")


class Bucket:
    """Tokens that come back evenly; its capacity is what may be spent at once."""

    def __init__(self, capacity: float, per_s: float, now_s: float) -> None:
        self.capacity, self._per_s = capacity, per_s
        self._left, self._at_s = capacity, now_s

    def left(self, now_s: float) -> float:
        """Tokens there are now."""
        self._left = min(self.capacity, self._left + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        return self._left

    def wait_s(self, tokens: float, keep: float, now_s: float) -> float:
        """Seconds until ``tokens`` may be taken while ``keep`` stay; 0 when they may now."""
        lacking = min(tokens, self.capacity - keep) + keep - self.left(now_s)
        return lacking / self._per_s if lacking > 1e-9 else 0.0

    def take(self, tokens: float, now_s: float) -> None:
        """Take tokens; a debt is paid back first."""
        self._left = self.left(now_s) - tokens

    def lower_to(self, tokens: float, now_s: float) -> None:
        """The venue says that less is left than we thought."""
        self._left = min(self.left(now_s), tokens)


class RateBudget:
    """One budget for all requests of an account.

    Coroutines that must wait do so in ``acquire``; a pause of the venue (429, 418) holds everyone.
    """

    def __init__(self, clock: Clock, limits: BudgetLimits | None = None) -> None:
        self.limits = limits or BudgetLimits()
        self._clock = clock
        now_s, used = clock.monotonic_s(), self.limits.used
        self._weight = _bucket(self.limits.weight_1m * used, 60.0, now_s)
        self._orders_1m = _bucket(self.limits.orders_1m * used, 60.0, now_s)
        self._orders_10s = _bucket(self.limits.orders_10s * used, 10.0, now_s)
        self._told_of = {
            "x-mbx-used-weight-1m": (self._weight, self.limits.weight_1m),
            "x-mbx-order-count-1m": (self._orders_1m, self.limits.orders_1m),
            "x-mbx-order-count-10s": (self._orders_10s, self.limits.orders_10s),
        }
        self._paused_until_s = -math.inf
        self.pauses = 0

    @property
    def paused_s(self) -> float:
        """Seconds until the venue may be spoken to again."""
        return max(0.0, self._paused_until_s - self._clock.monotonic_s())

    def wait_s(self, weight: int, orders: int, urgency: Urgency) -> float:
        """Seconds until a request may be sent; 0 when it may now."""
        return self._wait_s(self._asked(weight, orders), urgency)

    async def acquire(
        self, weight: int, orders: int = 0, urgency: Urgency = Urgency.ROUTINE,
        patience_s: float = math.inf,
    ) -> bool:  # fmt: skip
        """Wait for the right to send; False when that would take longer than ``patience_s``."""
        ends_s = self._clock.monotonic_s() + patience_s
        asked = self._asked(weight, orders)
        while (wait_s := self._wait_s(asked, urgency)) > 0.0:
            if self._clock.monotonic_s() + wait_s > ends_s:
                return False
            await self._clock.sleep(wait_s)
        now_s = self._clock.monotonic_s()
        for bucket, tokens in asked:
            bucket.take(tokens, now_s)
        return True

    def limited(self, http: int, retry_after_s: float) -> float:
        """Pause everything after a 429 or 418; returns for how long."""
        least = LEAST_BAN_S if http == _BAN and not retry_after_s else LEAST_PAUSE_S
        pause_s = max(retry_after_s, least)
        self.pause(pause_s)
        return pause_s

    def pause(self, seconds: float) -> None:
        """Send nothing for a while; a longer pause stays."""
        self.pauses += 1
        self._paused_until_s = max(self._paused_until_s, self._clock.monotonic_s() + seconds)

    def told(self, headers: Mapping[str, Any] | None) -> None:
        """Adopt what the venue's headers say is used."""
        now_s = self._clock.monotonic_s()
        for name, value in (headers or {}).items():
            found = self._told_of.get(name.lower())
            if found is not None and str(value).isdigit():
                bucket, limit = found
                bucket.lower_to(limit * self.limits.used - int(value), now_s)

    def _wait_s(self, asked: Sequence[tuple[Bucket, int]], urgency: Urgency) -> float:
        now_s = self._clock.monotonic_s()
        share = 0.0 if urgency is Urgency.EXIT else self.limits.reserve
        wait_s = max(0.0, self._paused_until_s - now_s)
        for bucket, tokens in asked:
            wait_s = max(wait_s, bucket.wait_s(tokens, share * bucket.capacity, now_s))
        return wait_s

    def _asked(self, weight: int, orders: int) -> tuple[tuple[Bucket, int], ...]:
        asked = ((self._weight, weight), (self._orders_1m, orders), (self._orders_10s, orders))
        return tuple((b, n) for b, n in asked if n)


def _bucket(capacity: float, seconds: float, now_s: float) -> Bucket:
    return Bucket(capacity, capacity / seconds, now_s)
