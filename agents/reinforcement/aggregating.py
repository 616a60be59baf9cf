"""Learning from labels over a whole period in time order: the prequential pass of the tape.

``run_pool`` gives exactly what stepping ``AggregatingPool`` bar by bar gives; both call the rules
of ``envs.core.rules.pool``, for a period or a bar at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agents.reinforcement.calibration import Calibration
from agents.reinforcement.compiled import (
    compiled,
    is_awake,
    learn_claims,
    learn_games,
    predict_games,
)
from agents.reinforcement.pool import AggregatingPool
from envs.core.rules import pool
from envs.core.rules.blend import blend
from envs.core.tape import VoteTable
from envs.core.types import Float64Array, Int64Array


@dataclass(frozen=True)
class PoolTape:
    """Pooled probabilities as of each bar: (T, S), weights (T, 4), and the games' losses.

    ``loss`` (T, 2) is the mean squared error of the pooled forecasts whose labels ended at a bar,
    ``expert_loss`` (T, 2, 7) that of the experts, NaN without any. As of each bar: ``platt``
    (T, 2, 4, 2), ``excess`` (T, 4) of the calibration statistics, ``posterior`` (T, 2, 7).
    """

    p_up: Float64Array
    p_down: Float64Array
    weights: Float64Array
    loss: Float64Array
    expert_loss: Float64Array
    platt: Float64Array
    excess: Float64Array
    posterior: Float64Array


@dataclass(frozen=True)
class _Labels:
    """Labels in the order in which they become known."""

    ends: Int64Array
    rows: Int64Array
    symbols: Int64Array


class LabelPass:
    """The pass cut into pieces: ``run_to`` goes on from where the last piece ended.

    ``aggregating`` and ``calibration`` are changed in place and stand, after each piece, as of the
    close of its last row.

    Args:
        after_ns: labels that ended at or before this time are known already and left out.
    """

    def __init__(
        self,
        votes: VoteTable,
        close_ns: Int64Array,
        aggregating: AggregatingPool,
        calibration: Calibration,
        after_ns: int,
    ) -> None:
        t, s = votes.label_end.shape
        self._votes, self._pool, self._calibration = votes, aggregating, calibration
        ends, rows, symbols = label_order(votes)
        self.labels = _Labels(ends, rows, symbols)
        self.row = 0
        self.at = int(np.searchsorted(close_ns[ends], after_ns, side="right")) if ends.size else 0
        self.tape = PoolTape(
            np.full((t, s), np.nan),
            np.full((t, s), np.nan),
            np.zeros((t, pool.N_MODELS)),
            np.full((t, 2), np.nan),
            np.full((t, 2, pool.N_EXPERTS), np.nan),
            np.zeros((t, 2, pool.N_MODELS, 2)),
            np.zeros((t, pool.N_MODELS)),
            np.zeros((t, 2, pool.N_EXPERTS)),
        )

    def run_to(self, row: int) -> Int64Array:
        """Run the rows before ``row``; returns (K, 2) row and symbol of the labels learned."""
        v, p, c, out, before = self._votes, self._pool, self._calibration, self.tape, self.at
        self.at = int(
            compiled(_run)(
                self.row,
                row,
                self.at,
                self._room(row),
                v.p_up,
                v.p_down,
                v.ev,
                v.y_long,
                v.y_short,
                self.labels.ends,
                self.labels.rows,
                self.labels.symbols,
                p.platt,
                p.bars,
                p.posterior,
                p.gap,
                p.rounds,
                p.eta,
                p.share,
                p.rate,
                c.stats,
                c.counts,
                out.p_up,
                out.p_down,
                out.weights,
                out.loss,
                out.expert_loss,
                out.platt,
                out.excess,
                out.posterior,
            )
        )
        self.row = row
        learned = slice(before, self.at)
        return np.stack([self.labels.rows[learned], self.labels.symbols[learned]], axis=1)

    def _room(self, row: int) -> int:
        """Most labels that are learned at one row of the next piece."""
        ends = np.maximum(self.labels.ends[self.at :], self.row)
        return int(np.bincount(ends[ends < row] - self.row, minlength=1).max())


def run_pool(
    votes: VoteTable, aggregating: AggregatingPool, calibration: Calibration | None = None
) -> PoolTape:
    """Run the pool over every bar in time order; ``aggregating`` ends in its final state.

    At the close of t the labels with ``label_end <= t`` are learned first, then t is predicted.
    """
    n = votes.label_end.shape[0]
    whole = LabelPass(
        votes, np.arange(n, dtype=np.int64), aggregating, calibration or Calibration(), -1
    )
    whole.run_to(n)
    return whole.tape


def uniform_pool(votes: VoteTable, tape: PoolTape, scalers: Float64Array) -> PoolTape:
    """The same tape with equal weights of the valid models; ``scalers`` (T, 4)."""
    up, down = np.full_like(tape.p_up, np.nan), np.full_like(tape.p_down, np.nan)
    weights = np.full(tape.weights.shape[-1], 1.0 / tape.weights.shape[-1])
    platt = np.tile([1.0, 0.0], (len(weights), 1))
    for row, s in np.argwhere(votes.valid.any(axis=2)).tolist():
        up[row, s] = blend(votes.p_up[row, s], platt, False, weights, scalers[row])
        down[row, s] = blend(votes.p_down[row, s], platt, False, weights, scalers[row])
    return replace(tape, p_up=up, p_down=down, weights=np.full_like(tape.weights, weights[0]))


def label_order(votes: VoteTable) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Labels with at least one vote in order of (end, row, symbol)."""
    known = (votes.label_end >= 0) & votes.valid.any(axis=2) & np.isfinite(votes.y_long)
    rows, symbols = np.nonzero(known)
    ends = votes.label_end[rows, symbols]
    order = np.lexsort((symbols, rows, ends))
    return ends[order], rows[order].astype(np.int64), symbols[order].astype(np.int64)


def _run(
    first: int,
    stop: int,
    at: int,
    room: int,
    p_up: Any,
    p_down: Any,
    ev: Any,
    y_long: Any,
    y_short: Any,
    ends: Any,
    rows: Any,
    symbols: Any,
    platt: Any,
    bars: Any,
    posterior: Any,
    gap: Any,
    rounds: Any,
    eta: float,
    share: float,
    rate: float,
    stats: Any,
    samples: Any,
    out_up: Any,
    out_down: Any,
    weights: Any,
    loss: Any,
    expert_loss: Any,
    platt_out: Any,
    excess_out: Any,
    posterior_out: Any,
) -> int:
    n_symbols = p_up.shape[1]
    experts = np.zeros(pool.N_EXPERTS)
    losses = np.zeros((2, pool.N_EXPERTS))
    pooled = np.zeros(2)
    stated = np.zeros((2, room, pool.N_MODELS))
    outcome = np.zeros((2, room))
    for t in range(first, stop):
        count = 0
        while at < ends.shape[0] and ends[at] <= t:
            r, s = rows[at], symbols[at]
            for i in range(pool.N_MODELS):
                stated[0, count, i] = p_up[r, s, i]
                stated[1, count, i] = p_down[r, s, i]
            learn_claims(
                stats, samples, ev[r, s], p_up[r, s], p_down[r, s], y_long[r, s], y_short[r, s]
            )
            outcome[0, count] = y_long[r, s]
            outcome[1, count] = y_short[r, s]
            count += 1
            at += 1
        if count > 0:
            learn_games(
                stated,
                outcome,
                count,
                platt,
                bars,
                posterior,
                gap,
                rounds,
                eta,
                share,
                rate,
                experts,
                losses,
                pooled,
            )
            loss[t] = pooled
            expert_loss[t] = losses
        pool.shown_weights(posterior[0], posterior[1], weights[t])
        excess_out[t] = stats[1]
        platt_out[t] = platt
        posterior_out[t] = posterior
        for s in range(n_symbols):
            if is_awake(p_up[t, s]):
                out_up[t, s], out_down[t, s] = predict_games(
                    p_up[t, s], p_down[t, s], platt, posterior, eta, experts
                )
    return at
