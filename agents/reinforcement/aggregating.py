"""Learning from labels over a whole period in time order: the prequential pass of the tape.

``run_pool`` gives exactly what stepping ``AggregatingPool`` bar by bar gives; both call the rules
of ``envs.core.rules.pool``, one compiled, one plain.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from agents.reinforcement import calibration as claims
from agents.reinforcement.calibration import Calibration
from agents.reinforcement.pool import AggregatingPool
from agents.reinforcement.regret import note_gap
from envs.core.rules import pool, vote
from envs.core.tape import VoteTable
from envs.core.types import Float64Array, Int64Array


@dataclass(frozen=True)
class PoolTape:
    """Pooled probabilities as of each bar: (T, S), weights (T, 4), and the games' losses.

    ``loss`` (T, 2) is the mean squared error of the pooled forecasts whose labels ended at a bar,
    ``expert_loss`` (T, 2, 7) that of the experts, NaN without any. As of each bar: ``platt``
    (T, 2, 4, 2) and ``excess`` (T, 4) of the calibration statistics.
    """

    p_up: Float64Array
    p_down: Float64Array
    weights: Float64Array
    loss: Float64Array
    expert_loss: Float64Array
    platt: Float64Array
    excess: Float64Array


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
        )

    def run_to(self, row: int) -> Int64Array:
        """Run the rows before ``row``; returns (K, 2) row and symbol of the labels learned."""
        v, p, c, out, before = self._votes, self._pool, self._calibration, self.tape, self.at
        self.at = int(
            _compiled()(
                self.row,
                row,
                self.at,
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
            )
        )
        self.row = row
        learned = slice(before, self.at)
        return np.stack([self.labels.rows[learned], self.labels.symbols[learned]], axis=1)


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


def label_order(votes: VoteTable) -> tuple[Int64Array, Int64Array, Int64Array]:
    """Labels with at least one vote in order of (end, row, symbol)."""
    known = (votes.label_end >= 0) & votes.valid.any(axis=2) & np.isfinite(votes.y_long)
    rows, symbols = np.nonzero(known)
    ends = votes.label_end[rows, symbols]
    order = np.lexsort((symbols, rows, ends))
    return ends[order], rows[order].astype(np.int64), symbols[order].astype(np.int64)


@cache
def _compiled() -> Any:
    from numba import njit
    from numba.extending import register_jitable

    for f in (
        pool.logit, pool.sigmoid, pool.fill_experts, pool.game_loss, pool.aggregate, pool.reweigh,
        pool.platt_step, pool.learn_bar, pool.shown_weights, vote.model_side, claims.learn_claim,
        note_gap, _is_awake, _learn_claims,
    ):  # fmt: skip
        register_jitable(error_model="numpy")(f)
    return njit(error_model="numpy")(_run)


def _run(
    first: int,
    stop: int,
    at: int,
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
) -> int:
    n_symbols = p_up.shape[1]
    experts = np.zeros(pool.N_EXPERTS)
    losses = np.zeros(pool.N_EXPERTS)
    room = 64 * n_symbols
    stated = np.zeros((2, room, pool.N_MODELS))
    outcome = np.zeros((2, room))
    for t in range(first, stop):
        count = 0
        while at < ends.shape[0] and ends[at] <= t:
            r, s = rows[at], symbols[at]
            for i in range(pool.N_MODELS):
                stated[0, count, i] = p_up[r, s, i]
                stated[1, count, i] = p_down[r, s, i]
            _learn_claims(
                stats, samples, ev[r, s], p_up[r, s], p_down[r, s], y_long[r, s], y_short[r, s]
            )
            outcome[0, count] = y_long[r, s]
            outcome[1, count] = y_short[r, s]
            count += 1
            at += 1
        if count > 0:
            for game in range(2):
                pooled = pool.learn_bar(
                    platt[game],
                    bars[game],
                    posterior[game],
                    stated[game],
                    outcome[game],
                    count,
                    eta,
                    share,
                    rate,
                    experts,
                    losses,
                )
                note_gap(gap[game], losses, pooled)
                rounds[game] += 1
                loss[t, game] = pooled
                expert_loss[t, game] = losses
        pool.shown_weights(posterior[0], posterior[1], weights[t])
        excess_out[t] = stats[1]
        platt_out[t] = platt
        for s in range(n_symbols):
            if _is_awake(p_up[t, s]):
                pool.fill_experts(p_up[t, s], platt[0], experts)
                out_up[t, s] = pool.aggregate(experts, posterior[0], eta)
                pool.fill_experts(p_down[t, s], platt[1], experts)
                out_down[t, s] = pool.aggregate(experts, posterior[1], eta)
    return at


def _is_awake(p: Any) -> bool:
    """Whether any model states a probability."""
    stated = 0
    for i in range(pool.N_MODELS):
        if p[i] == p[i]:
            stated += 1
    return stated > 0


def _learn_claims(
    stats: Any, samples: Any, ev: Any, up: Any, down: Any, y_long: float, y_short: float
) -> None:
    """Learn the directional claims of one label: each model's own side by its EV line."""
    for i in range(pool.N_MODELS):
        side = vote.model_side(ev[i])
        if side > 0 and up[i] == up[i]:
            claims.learn_claim(stats, samples, i, up[i], y_long)
        elif side < 0 and down[i] == down[i]:
            claims.learn_claim(stats, samples, i, down[i], y_short)
