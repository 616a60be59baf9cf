"""The signals of a whole period at once, where weights follow from labels alone."""

from __future__ import annotations

import numpy as np

from agents.reinforcement.aggregating import LabelPass, PoolTape, uniform_pool
from agents.reinforcement.calibration import scalers_of
from agents.reinforcement.manager import ReinforcementManager
from envs.core.rules.vote import ev_long
from envs.core.series import MarketSeries
from envs.core.settings import CoreSettings
from envs.core.tape import EvLine, ExitSlope, SignalTape, VoteTable
from envs.core.types import EntryStyle, Float64Array, Int64Array
from envs.kernel.signal import candidates_of, votes_of

NEVER_NS = 2**62
"""A time after every label: a pass that knows labels up to it learns none."""


def labels_of(
    manager: ReinforcementManager, votes: VoteTable, close_ns: Int64Array, learning: bool
) -> PoolTape:
    """What a copy of ``manager`` would hold at the close of every row.

    It goes on from the last label the manager learned; without ``learning`` it learns none.
    """
    live = manager.copy()
    after = live.labels.last_ns if learning else NEVER_NS
    course = LabelPass(votes, close_ns, live.pool, live.calibration, after)
    course.run_to(close_ns.shape[0])
    tape = course.tape
    if manager.algorithm == "uniform":
        tape = uniform_pool(votes, tape, scalers_of(tape.excess, manager.settings.vote_kappa))
    return tape


def tape_of(
    data: MarketSeries,
    votes: VoteTable,
    pool: PoolTape,
    settings: CoreSettings,
    manager: ReinforcementManager,
    line: EvLine | None,
    slopes: tuple[ExitSlope | None, ...],
) -> SignalTape:
    """Signals of pooled probabilities under one EV line, with the exit slopes of every row."""
    market = data.market
    score = pool.p_up - pool.p_down
    ev = np.full(score.shape, np.nan)
    if line is not None:
        slope = ev_long(line.b, line.se, 0.0, 1.0, 1.0)
        ev = slope * (score - line.s_mean) * market.atr_frac
    slip = np.stack([np.asarray(x) for x in data.slip_next], axis=1)
    side, confidence, edge, level, reason = votes_of(
        np.where(market.complete, ev, np.nan), votes.ev, votes.valid, slip, settings,
        settings.entry.style is EntryStyle.POST_ONLY,
    )  # fmt: skip
    candidate = candidates_of(market.complete, market.valid, side, edge, level, settings)
    weights, scalers = (
        np.repeat(x[:, None, :], market.n_symbols, axis=1)
        for x in (pool.weights, scalers_of(pool.excess, manager.settings.vote_kappa))
    )
    return SignalTape(
        side, score, pool.p_up, pool.p_down, np.nan_to_num(ev), confidence, edge, level, reason,
        weights, scalers, candidate, slope_rows(slopes, market.n_bars), votes.origin,
        manager.algorithm,
    )  # fmt: skip


def slope_rows(slopes: tuple[ExitSlope | None, ...], n_rows: int) -> Float64Array:
    """The same exit slopes (b, se, q) in every row, (T, 3, 3); NaN where there is none."""
    out = np.full((n_rows, 3, 3), np.nan)
    for e, slope in enumerate(slopes):
        if slope is not None:
            out[:, e] = (slope.b, slope.se, slope.q)
    return out
