"""Fitting calibrators: raw score to P(claim is net profitable). Applying one is its ``apply``.

Platt (logistic in the log odds), beta (Kull et al. 2017, logistic in ln p and -ln(1-p)), and
isotonic regression.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from envs.core.errors import FixSettings
from envs.core.types import Float64Array

_EDGE = 1e-6
_MIN_ROWS = 200
_RIDGE = 1e-3


@dataclass(frozen=True)
class Calibrator:
    """A fitted map of probabilities; JSON-able, NaN stays NaN.

    ``kind`` identity, platt, beta or isotonic; ``values`` its parameters (isotonic: x then y).
    """

    kind: str
    values: tuple[float, ...]

    def apply(self, p: Float64Array) -> Float64Array:
        """Calibrated probabilities, rounded to 1e-6."""
        q = np.clip(p, _EDGE, 1.0 - _EDGE)
        if self.kind == "platt":
            a, b = self.values
            q = _sigmoid(a * (np.log(q) - np.log1p(-q)) + b)
        elif self.kind == "beta":
            a, b, c = self.values
            q = _sigmoid(a * np.log(q) - b * np.log1p(-q) + c)
        elif self.kind == "isotonic":
            half = len(self.values) // 2
            q = np.interp(q, self.values[:half], self.values[half:])
        return np.asarray(np.round(np.where(np.isnan(p), np.nan, q), 6))

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary."""
        return {"kind": self.kind, "values": list(self.values)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Calibrator:
        """Rebuild what ``to_json`` wrote."""
        return cls(str(data["kind"]), tuple(float(v) for v in data["values"]))


IDENTITY = Calibrator("identity", ())


def fit_calibrator(kind: str, p: Float64Array, y: Float64Array) -> Calibrator:
    """Fit on past out-of-sample probabilities; the identity with too few rows of both outcomes.

    Raises:
        FixSettings: Unknown kind.
    """
    ok = np.isfinite(p) & np.isfinite(y)
    p, y = np.clip(p[ok], _EDGE, 1.0 - _EDGE), y[ok]
    if kind not in ("platt", "beta", "isotonic"):
        raise FixSettings(f"calibrator must be platt, isotonic or beta, got {kind!r}")
    if p.size < _MIN_ROWS or y.min() == y.max():
        return IDENTITY
    if kind == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        model = IsotonicRegression(y_min=0.01, y_max=0.99, out_of_bounds="clip").fit(p, y)
        values = (*model.X_thresholds_.tolist(), *model.y_thresholds_.tolist())
        return Calibrator(kind, tuple(float(v) for v in values))
    odds = np.log(p) - np.log1p(-p)
    if kind == "platt":
        w = _logistic(np.stack([odds, np.ones_like(p)], axis=1), y)
        return Calibrator(kind, (max(0.0, float(w[0])), float(w[1])))
    w = _logistic(np.stack([np.log(p), -np.log1p(-p), np.ones_like(p)], axis=1), y)
    return Calibrator(kind, (max(0.0, float(w[0])), max(0.0, float(w[1])), float(w[2])))


def _logistic(x: Float64Array, y: Float64Array) -> Float64Array:
    """Ridge-stabilised Newton steps for a logistic regression."""
    w = np.zeros(x.shape[1])
    for _ in range(25):
        q = _sigmoid(x @ w)
        gradient = x.T @ (y - q) - _RIDGE * w
        curvature = (x * (q * (1.0 - q))[:, None]).T @ x + _RIDGE * np.eye(x.shape[1])
        step = np.linalg.solve(curvature, gradient)
        w = w + step
        if float(np.abs(step).max()) < 1e-10:
            break
    return w


def _sigmoid(x: Float64Array) -> Float64Array:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -40.0, 40.0))))
