"""Brings the bars of a market to a memory, each when it has closed."""

from __future__ import annotations

import numpy as np

from agents.memory.manager import MemoryStateManager
from agents.memory.setups import Bar
from envs.core.market_data import MarketData

MOMENTUM = "momentum_5"


class MarketFeed:
    """Reads a ``MarketData`` bar by bar, never past the time it is told."""

    def __init__(self, memory: MemoryStateManager, market: MarketData) -> None:
        self._memory, self._market = memory, market
        names = market.feature_names
        self._momentum = names.index(MOMENTUM) if MOMENTUM in names else -1
        self._next = 0

    def advance(self, now_ns: int) -> None:
        """Learn every bar closed by ``now_ns`` that was not learned yet.

        Raises:
            FixInput: The memory holds younger bars already: it belongs to another, later run.
        """
        m = self._market
        end = int(np.searchsorted(m.close_ns, now_ns, side="right"))
        for row in range(self._next, end):
            for s, symbol in enumerate(m.symbols):
                momentum = (
                    float(m.features[row, s, self._momentum]) if self._momentum >= 0 else np.nan
                )
                self._memory.learn_bar(
                    Bar(
                        symbol, int(m.close_ns[row]), int(m.regime[row, s]),
                        int(m.market_state[row, s]), momentum,
                    )
                )  # fmt: skip
        self._next = max(self._next, end)
