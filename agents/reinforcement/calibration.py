"""How far each model's stated confidence can be trusted (spec 6.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from envs.core.types import MODEL_NAMES, Float64Array, Int64Array

BRIER, EXCESS, ERROR = 0, 1, 2
_KEEP = 0.9


def learn_claim(stats: Any, samples: Any, model: int, p: float, correct: float) -> None:
    """Learn one resolved claim: stated probability, and 1.0 if it was net profitable.

    ``stats`` (3, 4) rows Brier score, excess, absolute error; ``samples`` (4,).
    """
    miss = p - correct
    stats[0, model] = _KEEP * stats[0, model] + (1.0 - _KEEP) * miss * miss
    stats[1, model] = _KEEP * stats[1, model] + (1.0 - _KEEP) * miss * abs(2.0 * p - 1.0)
    stats[2, model] = _KEEP * stats[2, model] + (1.0 - _KEEP) * abs(miss)
    samples[model] += 1


def scaler_of(excess: float, kappa: float) -> float:
    """Confidence scaler in [0.5, 1.5]; 1 in expectation for a calibrated model."""
    return min(1.5, max(0.5, 1.0 - kappa * excess))


def scalers_of(excess: Float64Array, kappa: float) -> Float64Array:
    """``scaler_of`` of an array."""
    return np.minimum(1.5, np.maximum(0.5, 1.0 - kappa * excess))


def _fresh() -> Float64Array:
    out = np.zeros((3, len(MODEL_NAMES)))
    out[BRIER] = 0.25
    return out


@dataclass
class Calibration:
    """Moving Brier score, excess and absolute error per model, from directional claims only."""

    stats: Float64Array = field(default_factory=_fresh)
    counts: Int64Array = field(default_factory=lambda: np.zeros(len(MODEL_NAMES), dtype=np.int64))

    @property
    def brier(self) -> list[float]:
        """Moving Brier score per model."""
        return [float(x) for x in self.stats[BRIER]]

    @property
    def excess(self) -> list[float]:
        """Moving Brier score in excess of a calibrated forecast, per model."""
        return [float(x) for x in self.stats[EXCESS]]

    @property
    def error(self) -> list[float]:
        """Moving absolute error per model."""
        return [float(x) for x in self.stats[ERROR]]

    @property
    def samples(self) -> list[int]:
        """Claims learned per model."""
        return [int(x) for x in self.counts]

    def learn(self, model: int, p: float, correct: int) -> None:
        """Learn one resolved claim: stated probability and whether it was net profitable."""
        learn_claim(self.stats, self.counts, model, p, float(correct))

    def scaler(self, model: int, kappa: float) -> float:
        """Confidence scaler in [0.5, 1.5]; 1 in expectation for a calibrated model."""
        return scaler_of(float(self.stats[EXCESS, model]), kappa)

    def scalers(self, kappa: float) -> Float64Array:
        """Scalers of all models, (4,)."""
        return np.array([self.scaler(m, kappa) for m in range(len(MODEL_NAMES))])

    def copy(self) -> Calibration:
        """Independent copy."""
        return Calibration(self.stats.copy(), self.counts.copy())
