"""The aggregating pool: online Platt calibration and Vovk's posterior of the games U and D."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.reinforcement.compiled import compiled, learn_games, predict_games
from agents.reinforcement.settings import ReinforcementSettings
from envs.core.rules import pool
from envs.core.types import Float64Array, Int64Array


class AggregatingPool:
    """Online Platt calibration and Vovk's posterior of the games U and D (index 0 and 1).

    Labels of H bars overlap: about H are outstanding at once, and their errors persist for H bars.
    So the learning rate of the games is 2/H and that of Platt 0.1/H^2; at 0.1 the intercepts walk
    at random and cost the pool .0012 of Brier score on hourly data at H 8 (docs/decisions.md).

    Attributes:
        platt: (2, 4, 2) slope and intercept per game and model; ``bars`` (2, 4) steps taken.
        posterior: (2, 7) weights of the experts.
        gap: (2, 7) cumulative loss of the pool above each expert; ``rounds`` (2,) updates.
    """

    def __init__(self, settings: ReinforcementSettings, horizon_bars: int, algorithm: str) -> None:
        self.eta = 2.0 / horizon_bars
        self.rate = 0.1 / (horizon_bars * horizon_bars)
        self.share = settings.share if algorithm == "fixed_share" else 0.0
        self.platt: Float64Array = np.tile(np.array([1.0, 0.0]), (2, pool.N_MODELS, 1))
        self.bars: Float64Array = np.zeros((2, pool.N_MODELS))
        self.posterior: Float64Array = np.full((2, pool.N_EXPERTS), 1.0 / pool.N_EXPERTS)
        self.gap: Float64Array = np.zeros((2, pool.N_EXPERTS))
        self.rounds: Int64Array = np.zeros(2, dtype=np.int64)
        self.losses: Float64Array = np.zeros((2, pool.N_EXPERTS))
        self._experts = np.zeros(pool.N_EXPERTS)
        self._pooled = np.zeros(2)

    def predict(self, p_up: Float64Array, p_down: Float64Array) -> tuple[float, float]:
        """Pooled P(long net profitable), P(short net profitable) from stated (4,) probabilities."""
        up, down = compiled(predict_games)(
            np.ascontiguousarray(p_up, dtype=np.float64),
            np.ascontiguousarray(p_down, dtype=np.float64),
            self.platt,
            self.posterior,
            self.eta,
            self._experts,
        )
        return up, down

    def learn(
        self, p_up: Float64Array, p_down: Float64Array, y_long: Float64Array, y_short: Float64Array
    ) -> tuple[float, float]:
        """Learn the K labels that ended at one bar; returns the pooled losses before.

        ``losses`` (2, 7) keeps the experts' mean losses of this update, NaN for sleepers.
        """
        return self.learn_stated(
            np.array([p_up, p_down]), np.array([y_long, y_short], dtype=np.float64)
        )

    def learn_stated(self, stated: Float64Array, outcomes: Float64Array) -> tuple[float, float]:
        """``learn`` with the games on the first axis: ``stated`` (2, K, 4), ``outcomes`` (2, K)."""
        compiled(learn_games)(
            stated,
            outcomes,
            outcomes.shape[1],
            self.platt,
            self.bars,
            self.posterior,
            self.gap,
            self.rounds,
            self.eta,
            self.share,
            self.rate,
            self._experts,
            self.losses,
            self._pooled,
        )
        up, down = self._pooled.tolist()
        return up, down

    def copy(self) -> AggregatingPool:
        """Independent copy."""
        out = AggregatingPool.__new__(AggregatingPool)
        out.eta, out.share, out.rate = self.eta, self.share, self.rate
        out.load_arrays(self.arrays())
        return out

    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """Everything learned, as named arrays."""
        return {
            "platt": self.platt,
            "platt_bars": self.bars,
            "posterior": self.posterior,
            "gap": self.gap,
            "rounds": self.rounds,
        }

    def load_arrays(self, arrays: dict[str, np.ndarray[Any, Any]]) -> None:
        """Take over copies of what ``arrays`` of another pool gave."""
        self.platt = arrays["platt"].copy()
        self.bars = arrays["platt_bars"].copy()
        self.posterior = arrays["posterior"].copy()
        self.gap = arrays["gap"].copy()
        self.rounds = arrays["rounds"].copy()
        self.losses = np.zeros((2, pool.N_EXPERTS))
        self._experts = np.zeros(pool.N_EXPERTS)
        self._pooled = np.zeros(2)

    def weights(self) -> Float64Array:
        """Displayed model weights (4,)."""
        out = np.zeros(pool.N_MODELS)
        pool.shown_weights(self.posterior[0], self.posterior[1], out)
        return out
