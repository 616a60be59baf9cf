"""The signal tape: one causal pass of the manager over the votes, then lines, votes, candidates.

Everything in row t of the tape is known at the close of t. EV lines and exit slopes are refitted
at block edges from rows whose labels (or exits) ended before the edge; from the end of training on
they stay as the bundle freezes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from agents.reinforcement.aggregating import AggregatingPool, PoolTape, run_pool
from agents.reinforcement.settings import ReinforcementSettings
from envs.core.rules.vote import ev_long
from envs.core.series import MarketSeries
from envs.core.settings import CoreSettings
from envs.core.tape import EvLine, ExitSlope, SignalTape, VoteTable
from envs.core.types import BoolArray, EntryStyle, ExitStrategy, Float64Array, Int64Array
from envs.kernel.signal import candidates_of, exits_of, votes_of
from envs.market.lines import fit_exit_slope, fit_line

TAPE_ALGORITHMS = ("aa", "fixed_share", "uniform")


@dataclass(frozen=True)
class Candidates:
    """Candidate rows of a tape in time order, and how long each exit would hold them.

    Arrays (N,) and (N, 3): grid row, symbol, gross outcome per exit (ATRs), exit row per exit, and
    ``overlap``: other candidate rows of the symbol whose holding period for that exit overlaps.
    """

    rows: Int64Array
    symbols: Int64Array
    gross: Float64Array
    ends: Int64Array
    overlap: Int64Array


@dataclass(frozen=True)
class Tape:
    """A signal tape with what made it."""

    signals: SignalTape
    pool: PoolTape
    pool_state: AggregatingPool
    line: EvLine | None
    slopes: tuple[ExitSlope | None, ...]
    candidates: Candidates


def make_tape(
    data: MarketSeries,
    votes: VoteTable,
    settings: CoreSettings,
    learning: ReinforcementSettings,
    edges: Int64Array,
    first_line: EvLine | None = None,
    algorithm: str = "aa",
    pool_state: AggregatingPool | None = None,
    first_slopes: tuple[ExitSlope | None, ...] = (None, None, None),
) -> Tape:
    """Run the manager over the votes and derive the signals.

    Args:
        edges: ascending grid rows at which lines and slopes are refitted; the last is the end of
            training, after which they stay.
        first_line: pool line until the first fit (planted votes bring one; real votes have none,
            so there are no candidates before the first edge).
        pool_state: state to continue from (a bundle's), else a fresh pool; it is not changed.
        first_slopes: exit slopes until the first fit.
    """
    market = data.market
    pool_state = (pool_state or AggregatingPool(learning, votes.horizon_bars, algorithm)).copy()
    pool = run_pool(votes, pool_state)
    if algorithm == "uniform":
        pool = uniform_pool(votes, pool)
    score = pool.p_up - pool.p_down
    atr_frac = market.atr_frac
    ev = np.full(score.shape, np.nan)
    line = first_line
    bounds = [0, *[int(e) for e in edges], market.n_bars]
    for k, (a, b) in enumerate(pairwise(bounds)):
        if k > 0:
            line = _fit_pool_line(market.close_ns, votes, score, a) or line
        if line is not None:
            slope = ev_long(line.b, line.se, 0.0, 1.0, 1.0)
            ev[a:b] = slope * (score[a:b] - line.s_mean) * atr_frac[a:b]
    slip = np.stack([np.asarray(x) for x in data.slip_next], axis=1)
    post_only = settings.entry.style is EntryStyle.POST_ONLY
    side, confidence, edge, level, reason = votes_of(
        np.where(market.complete, ev, np.nan), votes.ev, votes.valid, slip, settings, post_only
    )
    candidate = candidates_of(market.complete, market.valid, side, edge, level, settings)
    found = _candidate_rows(data, settings, candidate, side)
    slopes, fitted = _exit_slopes(data, found, ev, bounds, market.close_ns, first_slopes)
    weights = np.repeat(pool.weights[:, None, :], market.n_symbols, axis=1)
    signals = SignalTape(
        side, score, pool.p_up, pool.p_down, np.nan_to_num(ev), confidence, edge, level, reason,
        weights, np.ones_like(weights), candidate, slopes, votes.origin, algorithm,
    )  # fmt: skip
    return Tape(signals, pool, pool_state, line, fitted, found)


def uniform_pool(votes: VoteTable, pool: PoolTape) -> PoolTape:
    """The same tape with equal weights of the valid models instead of learned ones."""
    count = np.maximum(votes.valid.sum(axis=2), 1)
    known = votes.valid.any(axis=2)
    up = np.where(known, np.nansum(votes.p_up, axis=2) / count, np.nan)
    down = np.where(known, np.nansum(votes.p_down, axis=2) / count, np.nan)
    return PoolTape(up, down, np.full_like(pool.weights, 1.0 / pool.weights.shape[1]), pool.loss)


def half_year_edges(close_ns: Int64Array, first: int, last: int) -> Int64Array:
    """Rows every half year (183 days) from ``first`` to ``last``, which is always the last edge."""
    half = 183 * 86_400 * 1_000_000_000
    stamps = np.arange(int(close_ns[first]), int(close_ns[last]), half)
    rows = np.searchsorted(close_ns, stamps[1:])
    return np.unique(np.append(rows, last)).astype(np.int64)


def fifth_edges(first: int, last: int) -> Int64Array:
    """Rows at fifths of [first, last]; the last is ``last``."""
    return np.asarray([first + (last - first) * k // 5 for k in range(1, 6)], dtype=np.int64)


def overlaps(rows: Int64Array, ends: Int64Array) -> Int64Array:
    """For intervals (row, end] of one symbol: how many others overlap each; ends >= rows."""
    starts, stops = np.sort(rows), np.sort(ends)
    begun = np.searchsorted(starts, ends, side="left")
    over = np.searchsorted(stops, rows, side="right")
    return np.asarray(np.maximum(begun - over - 1, 0), dtype=np.int64)


def _fit_pool_line(
    close_ns: Int64Array, votes: VoteTable, score: Float64Array, edge: int
) -> EvLine | None:
    known = (votes.label_end >= 0) & (votes.label_end < edge)
    known &= np.isfinite(score) & np.isfinite(votes.gross)
    rows, symbols = np.nonzero(known)
    return fit_line(score[rows, symbols], votes.gross[rows, symbols], close_ns[rows])


def _candidate_rows(
    data: MarketSeries, settings: CoreSettings, candidate: BoolArray, side: Any
) -> Candidates:
    rows, symbols = np.nonzero(candidate)
    gross = np.full((rows.size, 3), np.nan)
    ends = np.full((rows.size, 3), -1, dtype=np.int64)
    overlap = np.zeros((rows.size, 3), dtype=np.int64)
    last = data.market.n_bars - 1
    for s in range(data.market.n_symbols):
        mine = symbols == s
        own = rows[mine].astype(np.int64)
        gross[mine], ends[mine] = exits_of(data, settings, s, own, side[own, s], last, False)
        for e in ExitStrategy:
            stop = np.maximum(ends[mine, e], own)
            overlap[mine, e] = overlaps(own, stop)
    return Candidates(rows.astype(np.int64), symbols.astype(np.int64), gross, ends, overlap)


def _exit_slopes(
    data: MarketSeries,
    found: Candidates,
    ev: Float64Array,
    bounds: list[int],
    close_ns: Int64Array,
    first: tuple[ExitSlope | None, ...],
) -> tuple[Float64Array, tuple[ExitSlope | None, ...]]:
    """As-of exit slopes (T, 3, 3) per block, and the last ones fitted."""
    out = np.full((data.market.n_bars, 3, 3), np.nan)
    strength = (
        np.abs(ev[found.rows, found.symbols]) / data.market.atr_frac[found.rows, found.symbols]
    )
    fitted: list[ExitSlope | None] = list(first)
    _fill(out[: bounds[1]], fitted)
    for a, b in pairwise(bounds[1:]):
        for e in ExitStrategy:
            known = (
                (found.ends[:, e] >= 0) & (found.ends[:, e] < a) & np.isfinite(found.gross[:, e])
            )
            known &= np.isfinite(strength)
            slope = fit_exit_slope(
                strength[known], found.gross[known, e], close_ns[found.rows[known]]
            )
            fitted[e] = slope or fitted[e]
        _fill(out[a:b], fitted)
    return out, tuple(fitted)


def _fill(block: Float64Array, slopes: list[ExitSlope | None]) -> None:
    for e, slope in enumerate(slopes):
        if slope is not None:
            block[:, e] = (slope.b, slope.se, slope.q)
