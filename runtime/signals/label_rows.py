"""Labels as they end, in the one order in which everyone learns them."""

from __future__ import annotations

import numpy as np

from agents.reinforcement.aggregating import label_order
from envs.core.market_data import MarketData
from envs.core.tape import VoteTable
from envs.core.trade import ResolvedLabel


class LabelRows:
    """The labels of a whole table of votes by the row at whose close they end."""

    def __init__(self, market: MarketData, votes: VoteTable) -> None:
        self._market, self._votes = market, votes
        ends, rows, symbols = label_order(votes)
        self._bounds = np.searchsorted(ends, np.arange(market.n_bars + 1)).tolist()
        self._rows, self._symbols = rows.tolist(), symbols.tolist()

    def ending(self, first: int, stop: int) -> tuple[ResolvedLabel, ...]:
        """Labels that end in the rows [first, stop), in order of (end, row, symbol)."""
        out = []
        for end in range(first, stop):
            ended_ns = int(self._market.close_ns[end])
            for k in range(self._bounds[end], self._bounds[end + 1]):
                row, s = self._rows[k], self._symbols[k]
                out.append(resolved(self._market, self._votes, row, s, ended_ns))
        return tuple(out)


def resolved(
    market: MarketData, votes: VoteTable, row: int, s: int, ended_ns: int
) -> ResolvedLabel:
    """The label of one bar, with what the models stated there."""
    return ResolvedLabel(
        market.symbols[s],
        int(market.close_ns[row]),
        ended_ns,
        votes.p_up[row, s].copy(),
        votes.p_down[row, s].copy(),
        int(votes.y_long[row, s]),
        int(votes.y_short[row, s]),
        votes.sides_at(row, s),
    )
