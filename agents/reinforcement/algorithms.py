"""The weight algorithms of spec 6.6 behind one interface; what is learned lives in the manager."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from agents.reinforcement.pool import AggregatingPool
from envs.core.rules.blend import blend
from envs.core.types import MODEL_NAMES, Float64Array

AGGREGATING = ("aa", "fixed_share")
EXPONENTIAL = ("exponential", "platt_exponential")
_EVEN = np.full(len(MODEL_NAMES), 1.0 / len(MODEL_NAMES))


class Learned(Protocol):
    """What an algorithm reads of a manager."""

    @property
    def pool(self) -> AggregatingPool:
        """Online Platt parameters and posteriors."""
        ...

    @property
    def weights(self) -> Sequence[float]:
        """Exponential weights of the four models."""
        ...

    def vote_scalers(self) -> Float64Array:
        """Scalers (4,) as the vote uses them."""
        ...


class WeightAlgorithm(Protocol):
    """One way to weigh votes."""

    def weights(self, learned: Learned) -> Float64Array:
        """Weights (4,) with all models present; displayed ones where forecasts are not linear."""
        ...

    def predict(
        self, learned: Learned, p_up: Float64Array, p_down: Float64Array
    ) -> tuple[float, float]:
        """Pooled P(long net profitable), P(short ...) from stated (4,) ones, NaN where absent."""
        ...


class Aggregating:
    """``aa`` and ``fixed_share``: Vovk's mixture over the pool of experts."""

    def weights(self, learned: Learned) -> Float64Array:
        """Posterior mass, the pools' split equally."""
        return learned.pool.weights()

    def predict(
        self, learned: Learned, p_up: Float64Array, p_down: Float64Array
    ) -> tuple[float, float]:
        """The games' own forecasts."""
        return learned.pool.predict(p_up, p_down)


@dataclass(frozen=True)
class Linear:
    """Weighted means: ``exponential``, ``platt_exponential`` (calibrated), ``uniform`` (even)."""

    calibrated: bool = False
    even: bool = False

    def weights(self, learned: Learned) -> Float64Array:
        """Equal weights, or those that trades have moved."""
        return _EVEN.copy() if self.even else np.asarray(learned.weights)

    def predict(
        self, learned: Learned, p_up: Float64Array, p_down: Float64Array
    ) -> tuple[float, float]:
        """Weighted means of the stated, scaled or recalibrated probabilities."""
        raw, scalers, platt = self.weights(learned), learned.vote_scalers(), learned.pool.platt
        return (
            blend(p_up, platt[0], self.calibrated, raw, scalers),
            blend(p_down, platt[1], self.calibrated, raw, scalers),
        )


RULES: dict[str, WeightAlgorithm] = {
    "aa": Aggregating(),
    "fixed_share": Aggregating(),
    "exponential": Linear(),
    "platt_exponential": Linear(calibrated=True),
    "uniform": Linear(even=True),
}
