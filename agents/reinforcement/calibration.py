"""How far each model's stated confidence can be trusted (spec 6.3)."""

from __future__ import annotations

from dataclasses import dataclass, field

from envs.core.types import MODEL_NAMES

_KEEP = 0.9


def _filled(value: float) -> list[float]:
    return [value] * len(MODEL_NAMES)


@dataclass
class Calibration:
    """Moving Brier score, excess and absolute error per model, from directional claims only."""

    brier: list[float] = field(default_factory=lambda: _filled(0.25))
    excess: list[float] = field(default_factory=lambda: _filled(0.0))
    error: list[float] = field(default_factory=lambda: _filled(0.0))
    samples: list[int] = field(default_factory=lambda: [0] * len(MODEL_NAMES))

    def learn(self, model: int, p: float, correct: int) -> None:
        """Learn one resolved claim: stated probability and whether it was net profitable."""
        miss = p - correct
        self.brier[model] = _KEEP * self.brier[model] + (1.0 - _KEEP) * miss * miss
        self.excess[model] = _KEEP * self.excess[model] + (1.0 - _KEEP) * miss * abs(2.0 * p - 1.0)
        self.error[model] = _KEEP * self.error[model] + (1.0 - _KEEP) * abs(miss)
        self.samples[model] += 1

    def scaler(self, model: int, kappa: float) -> float:
        """Confidence scaler in [0.5, 1.5]; 1 in expectation for a calibrated model."""
        return min(1.5, max(0.5, 1.0 - kappa * self.excess[model]))
