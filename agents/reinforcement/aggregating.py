"""The aggregating family over a whole period in time order: the prequential pass of the tape.

``run_pool`` gives exactly what stepping ``AggregatingPool`` bar by bar gives; both call the rules
of ``envs.core.rules.pool``, one compiled, one plain.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from agents.reinforcement.settings import ReinforcementSettings
from envs.core.rules import pool
from envs.core.tape import VoteTable
from envs.core.types import Float64Array, Int64Array


@dataclass(frozen=True)
class PoolTape:
    """Pooled probabilities as of each bar: (T, S), weights (T, 4), and the games' losses.

    ``loss`` (T, 2) is the mean squared error of the pooled forecasts whose labels ended at a bar,
    NaN without any.
    """

    p_up: Float64Array
    p_down: Float64Array
    weights: Float64Array
    loss: Float64Array


class AggregatingPool:
    """Online Platt calibration and Vovk's posterior of the games U and D (index 0 and 1).

    Labels of H bars overlap: about H are outstanding at once, and their errors persist for H bars.
    So the learning rate of the games is 2/H and that of Platt 0.1/H^2; at 0.1 the intercepts walk
    at random and cost the pool .0012 of Brier score on hourly data at H 8 (docs/decisions.md).
    """

    def __init__(self, settings: ReinforcementSettings, horizon_bars: int, algorithm: str) -> None:
        self.eta = 2.0 / horizon_bars
        self.rate = 0.1 / (horizon_bars * horizon_bars)
        self.share = settings.share if algorithm == "fixed_share" else 0.0
        self.platt: Float64Array = np.tile(np.array([1.0, 0.0]), (2, pool.N_MODELS, 1))
        self.bars: Float64Array = np.zeros((2, pool.N_MODELS))
        self.posterior: Float64Array = np.full((2, pool.N_EXPERTS), 1.0 / pool.N_EXPERTS)
        self._experts = np.zeros(pool.N_EXPERTS)
        self._losses = np.zeros(pool.N_EXPERTS)

    def predict(self, p_up: Float64Array, p_down: Float64Array) -> tuple[float, float]:
        """Pooled P(long net profitable), P(short net profitable) from stated (4,) probabilities."""
        out = []
        for game, p in enumerate((p_up, p_down)):
            pool.fill_experts(p, self.platt[game], self._experts)
            out.append(pool.aggregate(self._experts, self.posterior[game], self.eta))
        return out[0], out[1]

    def learn(
        self, p_up: Float64Array, p_down: Float64Array, y_long: Float64Array, y_short: Float64Array
    ) -> tuple[float, float]:
        """Learn the K labels that ended at one bar; returns the pooled losses before."""
        out = []
        for game, (p, y) in enumerate(((p_up, y_long), (p_down, y_short))):
            out.append(
                pool.learn_bar(
                    self.platt[game],
                    self.bars[game],
                    self.posterior[game],
                    p,
                    y,
                    y.shape[0],
                    self.eta,
                    self.share,
                    self.rate,
                    self._experts,
                    self._losses,
                )
            )
        return out[0], out[1]

    def copy(self) -> AggregatingPool:
        """Independent copy."""
        out = AggregatingPool.__new__(AggregatingPool)
        out.eta, out.share, out.rate = self.eta, self.share, self.rate
        out.platt, out.bars = self.platt.copy(), self.bars.copy()
        out.posterior = self.posterior.copy()
        out._experts, out._losses = np.zeros(pool.N_EXPERTS), np.zeros(pool.N_EXPERTS)
        return out

    def state_dict(self) -> dict[str, Any]:
        """JSON-able state."""
        return {
            "eta": self.eta,
            "share": self.share,
            "rate": self.rate,
            "platt": self.platt.tolist(),
            "bars": self.bars.tolist(),
            "posterior": self.posterior.tolist(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> AggregatingPool:
        """Rebuild what ``state_dict`` wrote."""
        out = cls.__new__(cls)
        out.eta, out.share = float(state["eta"]), float(state["share"])
        out.rate = float(state["rate"])
        out.platt = np.asarray(state["platt"], dtype=np.float64)
        out.bars = np.asarray(state["bars"], dtype=np.float64)
        out.posterior = np.asarray(state["posterior"], dtype=np.float64)
        out._experts, out._losses = np.zeros(pool.N_EXPERTS), np.zeros(pool.N_EXPERTS)
        return out

    def weights(self) -> Float64Array:
        """Displayed model weights (4,)."""
        out = np.zeros(pool.N_MODELS)
        pool.shown_weights(self.posterior[0], self.posterior[1], out)
        return out


def run_pool(votes: VoteTable, aggregating: AggregatingPool) -> PoolTape:
    """Run the pool over every bar in time order; ``aggregating`` ends in its final state.

    At the close of t the labels with ``label_end <= t`` are learned first, then t is predicted.
    """
    t, s = votes.label_end.shape
    ends, rows, symbols = label_order(votes)
    p_up, p_down = np.full((t, s), np.nan), np.full((t, s), np.nan)
    weights, loss = np.zeros((t, pool.N_MODELS)), np.full((t, 2), np.nan)
    _compiled()(
        votes.p_up,
        votes.p_down,
        votes.y_long,
        votes.y_short,
        ends,
        rows,
        symbols,
        aggregating.platt,
        aggregating.bars,
        aggregating.posterior,
        aggregating.eta,
        aggregating.share,
        aggregating.rate,
        p_up,
        p_down,
        weights,
        loss,
    )
    return PoolTape(p_up, p_down, weights, loss)


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
        pool.platt_step, pool.learn_bar, pool.shown_weights,
    ):  # fmt: skip
        register_jitable(error_model="numpy")(f)
    return njit(error_model="numpy")(_run)


def _run(
    p_up: Any,
    p_down: Any,
    y_long: Any,
    y_short: Any,
    ends: Any,
    rows: Any,
    symbols: Any,
    platt: Any,
    bars: Any,
    posterior: Any,
    eta: float,
    share: float,
    rate: float,
    out_up: Any,
    out_down: Any,
    weights: Any,
    loss: Any,
) -> None:
    n_bars, n_symbols = p_up.shape[0], p_up.shape[1]
    experts = np.zeros(pool.N_EXPERTS)
    losses = np.zeros(pool.N_EXPERTS)
    room = 64 * n_symbols
    stated = np.zeros((2, room, pool.N_MODELS))
    outcome = np.zeros((2, room))
    at = 0
    for t in range(n_bars):
        count = 0
        while at < ends.shape[0] and ends[at] <= t:
            r, s = rows[at], symbols[at]
            for i in range(pool.N_MODELS):
                stated[0, count, i] = p_up[r, s, i]
                stated[1, count, i] = p_down[r, s, i]
            outcome[0, count] = y_long[r, s]
            outcome[1, count] = y_short[r, s]
            count += 1
            at += 1
        if count > 0:
            for game in range(2):
                loss[t, game] = pool.learn_bar(
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
        pool.shown_weights(posterior[0], posterior[1], weights[t])
        for s in range(n_symbols):
            awake = False
            for i in range(pool.N_MODELS):
                if p_up[t, s, i] == p_up[t, s, i]:
                    awake = True
            if awake:
                pool.fill_experts(p_up[t, s], platt[0], experts)
                out_up[t, s] = pool.aggregate(experts, posterior[0], eta)
                pool.fill_experts(p_down[t, s], platt[1], experts)
                out_down[t, s] = pool.aggregate(experts, posterior[1], eta)
