"""What the ensemble needs of the reinforcement manager to pool votes: plain arrays, frozen."""

from __future__ import annotations

from dataclasses import dataclass

from envs.core.equality import ContentEqual
from envs.core.types import Float64Array


@dataclass(frozen=True, eq=False)
class WeightContext(ContentEqual):
    """Weights and calibration of the models as of one moment (spec 5.2, 6).

    Attributes:
        algorithm: one of spec 6.6.
        weights: (4,) model weights, displayed ones for the aggregating family.
        scalers: (4,) confidence scalers used in the vote.
        is_exploring: uniform weights were drawn; ``propensity`` is the probability of that draw.
        posteriors: (2, 7) experts' weights of the games U and D.
        platt: (2, 4, 2) slope and intercept of online Platt per game and model.
        eta: learning rate of the games.
    """

    algorithm: str
    weights: Float64Array
    scalers: Float64Array
    is_exploring: bool
    propensity: float
    posteriors: Float64Array
    platt: Float64Array
    eta: float
