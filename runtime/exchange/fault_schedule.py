"""Random faults of a seed: the same requests and messages meet the same faults in every run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from envs.core.errors import FixInput

_BROKEN: Mapping[str, Any] = {"executed": True}
REQUEST_DRAWS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "drop_before": ({},),
    "drop_after": ({},),
    "delay_before": ({"seconds": 0.2}, {"seconds": 1.0}),
    "delay_after": ({"seconds": 0.2}, {"seconds": 1.0}),
    "timeout": ({}, {"executed": True}),
    "unknown_error": ({}, {"executed": True}),
    "overloaded": ({},),
    "empty": (_BROKEN,),
    "truncated": (_BROKEN,),
    "garbage": (_BROKEN,),
    "rate_limited": ({"retry_after_s": 1},),
}
"""Kinds a schedule draws for requests, each with the variants it draws from."""
MESSAGE_DRAWS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "mute": ({},),
    "duplicate": ({},),
    "reorder": ({},),
    "delay_message": ({"seconds": 0.2}, {"seconds": 1.0}),
    "poison": ({},),
}
"""Kinds it draws for messages of a user stream or market stream."""


@dataclass(frozen=True)
class Drawn:
    """A fault drawn: its kind and the fields that differ from the defaults."""

    kind: str
    fields: Mapping[str, Any]


class Schedule:
    """Faults at a rate: each request, and each message, meets one with this probability.

    Requests and messages are drawn from streams of their own, so that one does not shift the other.

    Raises:
        FixInput: A rate outside [0, 1] or a kind that cannot be drawn.
    """

    def __init__(self, seed: int, rate: float, kinds: Sequence[str] | None = None) -> None:
        if not 0.0 <= rate <= 1.0:
            raise FixInput(f"schedule: rate is a probability in [0, 1], got {rate}")
        known = [*REQUEST_DRAWS, *MESSAGE_DRAWS]
        unknown = [kind for kind in kinds or () if kind not in known]
        if unknown:
            raise FixInput(f"schedule: {unknown[0]!r} is none of {', '.join(known)}")
        self.seed, self.rate = seed, rate
        self.kinds = tuple(known if kinds is None else kinds)
        self._requests, self._messages = (
            np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(2)
        )

    def for_request(self) -> Drawn | None:
        """What the next request meets."""
        return self._draw(self._requests, REQUEST_DRAWS)

    def for_message(self) -> Drawn | None:
        """What the next message meets."""
        return self._draw(self._messages, MESSAGE_DRAWS)

    def _draw(
        self, rng: np.random.Generator, draws: Mapping[str, Sequence[Mapping[str, Any]]]
    ) -> Drawn | None:
        names = [kind for kind in self.kinds if kind in draws]
        if not names or rng.random() >= self.rate:
            return None
        kind = names[int(rng.integers(len(names)))]
        variants = draws[kind]
        return Drawn(kind, variants[int(rng.integers(len(variants)))])
