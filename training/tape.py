"""The signal tape: one causal pass of the manager over the votes, then lines, votes, candidates.

Everything in row t of the tape is known at the close of t. EV lines and exit slopes are refitted
at block edges from rows whose labels (or exits) ended before the edge; from the end of training on
they stay as the bundle freezes them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from agents.reinforcement.aggregating import PoolTape
from agents.reinforcement.calibration import scalers_of
from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.settings import ReinforcementSettings
from envs.core.series import MarketSeries
from envs.core.settings import CoreSettings
from envs.core.tape import EvLine, ExitSlope, SignalTape, VoteTable
from envs.core.types import BoolArray, EntryStyle, ExitStrategy, Float64Array, Int64Array
from envs.kernel.signal import candidates_of, exits_of, votes_of
from envs.market.lines import fit_exit_slope
from training.weights import block_bounds, run_weights


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
    """A signal tape with what made it; ``manager`` stands as of the last edge (end of training)."""

    signals: SignalTape
    pool: PoolTape
    manager: ReinforcementManager
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
    manager: ReinforcementManager | None = None,
    first_slopes: tuple[ExitSlope | None, ...] = (None, None, None),
) -> Tape:
    """Run the manager over the votes and derive the signals.

    Args:
        edges: ascending grid rows at which lines and slopes are refitted; the last is the end of
            training, after which they stay.
        first_line: pool line until the first fit (planted votes bring one; real votes have none,
            so there are no candidates before the first edge).
        manager: to continue from (a bundle's): it learns only what came after its own last label
            and trade; else a fresh one. It is not changed.
        first_slopes: exit slopes until the first fit.
    """
    market = data.market
    if manager is None:
        manager = ReinforcementManager(replace(learning, algorithm=algorithm), votes.horizon_bars)
    made = run_weights(data, votes, settings, manager, edges, first_line)
    pool, ev, bounds = made.pool, made.ev, block_bounds(edges, market.n_bars)
    slip = np.stack([np.asarray(x) for x in data.slip_next], axis=1)
    post_only = settings.entry.style is EntryStyle.POST_ONLY
    side, confidence, edge, level, reason = votes_of(
        np.where(market.complete, ev, np.nan), votes.ev, votes.valid, slip, settings, post_only
    )
    candidate = candidates_of(market.complete, market.valid, side, edge, level, settings)
    found = candidate_rows(data, settings, candidate, side)
    slopes, fitted = _exit_slopes(data, found, ev, bounds, market.close_ns, first_slopes)
    scalers = scalers_of(pool.excess, manager.settings.vote_kappa)
    weights, scalers = (
        np.repeat(x[:, None, :], market.n_symbols, axis=1) for x in (pool.weights, scalers)
    )
    signals = SignalTape(
        side, pool.p_up - pool.p_down, pool.p_up, pool.p_down, np.nan_to_num(ev), confidence, edge,
        level, reason, weights, scalers, candidate, slopes, votes.origin, manager.algorithm,
    )  # fmt: skip
    return Tape(signals, pool, made.manager, made.line, fitted, found)


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


def candidate_rows(
    data: MarketSeries, settings: CoreSettings, candidate: BoolArray, side: Any
) -> Candidates:
    """Candidates of a tape, from its flags and sides (T, S), with the course of every exit."""
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
