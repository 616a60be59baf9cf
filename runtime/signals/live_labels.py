"""Labels of a live process: those that end with the bar that just closed."""

from __future__ import annotations

import numpy as np

from envs.core.market_data import MarketData
from envs.core.settings import CostSettings
from envs.core.tape import VoteTable
from envs.core.trade import ResolvedLabel
from envs.core.types import Int64Array
from envs.market.labels import label_bars
from runtime.signals.label_rows import resolved


def labels_ending(
    market: MarketData, votes: VoteTable, costs: CostSettings, row: int
) -> tuple[ResolvedLabel, ...]:
    """Labels that end at the close of ``row``, by (row, symbol); writes them into the votes.

    The same as the whole market's. Bars on which no model voted have labels too, but teach
    nothing and are left out of the result.
    """
    found = []
    for s in range(market.n_symbols):
        ended = _label(market, votes, costs, row, s, row)
        found += [(r, s) for r in ended.tolist() if votes.valid[r, s].any()]
    ended_ns = int(market.close_ns[row])
    return tuple(resolved(market, votes, r, s, ended_ns) for r, s in sorted(found))


def complete_labels(market: MarketData, votes: VoteTable, costs: CostSettings) -> None:
    """Add the labels of the last bars that have ended already.

    A whole market labels no bar whose horizon reaches beyond its end, since it is made for
    periods that are over; live, a barrier that was touched ends the label there and then.
    """
    for s in range(market.n_symbols):
        _label(market, votes, costs, market.n_bars - 1, s, 0)


def _label(
    market: MarketData, votes: VoteTable, costs: CostSettings, row: int, s: int, least: int
) -> Int64Array:
    """Label the last bars up to ``row`` of a symbol; rows whose label ended at ``least`` or later.

    Bars that are still to come stand as missing: what they would decide stays unknown.
    """
    horizon = votes.horizon_bars
    first = max(0, row - horizon)
    here, n = slice(first, row + 1), row + 1 - first
    valid = np.zeros(n + horizon, dtype=np.bool_)
    valid[:n] = market.valid[here, s]
    ohlc = np.zeros((n + horizon, 4))
    for k, ticks in enumerate(
        (market.open_ticks, market.high_ticks, market.low_ticks, market.close_ticks)
    ):
        ohlc[:n, k] = ticks[here, s]
    atr, atr_frac = np.full(n + horizon, np.nan), np.full(n + horizon, np.nan)
    atr[:n] = market.atr[here, s] / float(market.instruments[s].tick)
    atr_frac[:n] = market.atr_frac[here, s]
    got = label_bars(ohlc, valid, atr, atr_frac, horizon, costs)
    ended = np.flatnonzero((got.end[:n] >= 0) & (first + got.end[:n] >= least))
    rows = first + ended
    votes.y_long[rows, s], votes.y_short[rows, s] = got.y_long[ended], got.y_short[ended]
    votes.gross[rows, s], votes.label_end[rows, s] = got.gross[ended], first + got.end[ended]
    return np.asarray(rows, dtype=np.int64)
