"""The aggregating pool: online Platt calibration and Vovk's posterior of the games U and D."""

from __future__ import annotations

from typing import Any

import numpy as np

from agents.reinforcement.regret import note_gap
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
        """Learn the K labels that ended at one bar; returns the pooled losses before.

        ``losses`` (2, 7) keeps the experts' mean losses of this update, NaN for sleepers.
        """
        out = []
        for game, (p, y) in enumerate(((p_up, y_long), (p_down, y_short))):
            loss = pool.learn_bar(
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
                self.losses[game],
            )
            note_gap(self.gap[game], self.losses[game], loss)
            self.rounds[game] += 1
            out.append(loss)
        return out[0], out[1]

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

    def weights(self) -> Float64Array:
        """Displayed model weights (4,)."""
        out = np.zeros(pool.N_MODELS)
        pool.shown_weights(self.posterior[0], self.posterior[1], out)
        return out
