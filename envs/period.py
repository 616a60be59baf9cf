"""Which bars an episode covers: one rule for the single and the vector environments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from envs.core.errors import FixInput
from envs.core.market_data import MarketData
from envs.core.types import Float64Array, Int64Array

OPTIONS = ("start", "length", "symbols")
DRAWN_AT_ONCE = 16
"""Episodes whose starts one generator draws: making a generator costs more than the draws."""


@dataclass(frozen=True)
class Episodes:
    """How an environment cuts its market into episodes.

    ``first`` is the earliest row with a candidate; ``episode_bars`` None runs the whole period.
    """

    market: MarketData
    first: int
    episode_bars: int | None
    random_start: bool

    def period(self, options: dict[str, Any], seed: int, episode: int) -> tuple[int, int]:
        """First and last row of an episode; a random start depends on seed and episode alone.

        Raises:
            FixInput: Unknown options, or a start or length outside the market.
        """
        unknown = set(options) - set(OPTIONS)
        if unknown:
            raise FixInput(f"unknown reset options {sorted(unknown)}: use {', '.join(OPTIONS)}")
        end = self.market.n_bars - 1
        length = self._length(options)
        if "start" in options:
            start = int(options["start"])
            if start >= self.market.n_bars:
                known = self.market.close_ns
                if not int(known[0]) <= start <= int(known[-1]):
                    raise FixInput(
                        f"start {start} is neither a row below {self.market.n_bars} nor a time "
                        f"from {int(known[0])} to {int(known[-1])} (nanoseconds)"
                    )
                start = self.market.row_at(start)
        elif self.random_start:
            block, place = divmod(episode, DRAWN_AT_ONCE)
            start = int(self._starts(self.chances(seed, block)[place], length))
        else:
            start = self.first
        if not 0 <= start < end:
            raise FixInput(f"start {start} lies outside the market's rows 0..{end - 1}")
        return start, min(end, start + length)

    def chances(self, seed: int, block: int) -> Float64Array:
        """Uniform draws (DRAWN_AT_ONCE,) behind the starts of one block of a seed's episodes."""
        return np.random.default_rng([seed, block]).random(DRAWN_AT_ONCE)

    def periods(
        self, options: dict[str, Any], chances: Float64Array
    ) -> tuple[Int64Array, Int64Array]:
        """First and last rows of many episodes at random starts; equals ``period`` for each.

        Raises:
            FixInput: As ``period``.
        """
        self.period({**options, "start": self.first}, 0, 0)
        length = self._length(options)
        starts = self._starts(chances, length)
        return starts, np.minimum(self.market.n_bars - 1, starts + length)

    def _starts(self, chances: Any, length: int) -> Any:
        highest = max(self.first, self.market.n_bars - 1 - length)
        drawn = self.first + (chances * (highest + 1 - self.first)).astype(np.int64)
        return np.minimum(drawn, highest)

    def _length(self, options: dict[str, Any]) -> int:
        whole = self.market.n_bars - 1 - self.first
        length = int(options.get("length") or self.episode_bars or whole)
        if length < 1:
            raise FixInput(f"length must be at least 1 bar, got {length}")
        return length

    def symbols(self, options: dict[str, Any]) -> tuple[int, ...]:
        """Symbols that may be decided, by their place in the market.

        Raises:
            FixInput: A symbol is not in the market.
        """
        names = self.market.symbols
        wanted = options.get("symbols")
        if wanted is None:
            return tuple(range(len(names)))
        missing = [n for n in wanted if n not in names]
        if missing:
            raise FixInput(f"symbols {missing} are not in the market: choose from {names}")
        return tuple(names.index(n) for n in wanted)


def first_candidate(candidates: Any) -> int:
    """Earliest row with a candidate.

    Raises:
        FixInput: There is none.
    """
    rows = np.flatnonzero(candidates.any(axis=1))
    if rows.size == 0:
        raise FixInput(
            "the market has no candidate: the period is shorter than the warm-up of the "
            "features, or the votes have no edge; give a longer period"
        )
    return int(rows[0])
