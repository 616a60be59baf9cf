"""How forecasts of the games U and D are scored: Brier and its parts, log loss, ECE, differences.

Every figure is the mean over both games. Source of the split: Murphy 1973.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from envs.core.errors import FixData
from envs.core.types import Float64Array, Int64Array
from training.scores import Interval, block_mean
from training.statistics_forecasts import brier_split

_BINS, _ECE_BINS = 20, 10
_EDGE = 1e-6


@dataclass(frozen=True)
class Forecasts:
    """N forecasts of both games: probabilities (2, N), outcomes (2, N), times of the bars (N,)."""

    p: Float64Array
    y: Float64Array
    close_ns: Int64Array

    def losses(self) -> Float64Array:
        """Squared error of each forecast, mean over the games (N,)."""
        miss = self.p - self.y
        return np.asarray((miss * miss).mean(axis=0))


@dataclass(frozen=True)
class ForecastScore:
    """One forecaster on N forecasts.

    ``reliability - resolution + uncertainty`` of forecasts grouped in 20 equally filled bins
    misses ``brier`` by ``within``, what the bins hide. ``versus`` maps names of other forecasters
    to the paired difference of Brier scores, this one minus the other, on the same forecasts.
    """

    name: str
    n: int
    brier: float
    brier_up: float
    brier_down: float
    log_loss: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float
    ece: float
    versus: Mapping[str, Interval]


def score(
    name: str, forecasts: Forecasts, others: Mapping[str, Float64Array] | None = None
) -> ForecastScore:
    """Score forecasts; ``others`` are losses (N,) of other forecasters on the same ones.

    Raises:
        FixData: There is nothing to score.
    """
    p, y = forecasts.p, forecasts.y
    if p.shape[1] == 0:
        raise FixData(f"{name}: no forecast with a known label: give a longer held-out period")
    losses = forecasts.losses()
    by_game = ((p - y) ** 2).mean(axis=1)
    parts = np.array([_split(p[g], y[g]) for g in range(2)]).mean(axis=0)
    reliability, resolution, uncertainty = (float(x) for x in parts)
    cut = np.clip(p, _EDGE, 1.0 - _EDGE)
    brier = float(losses.mean())
    return ForecastScore(
        name,
        int(p.shape[1]),
        brier,
        float(by_game[0]),
        float(by_game[1]),
        float(-(y * np.log(cut) + (1.0 - y) * np.log(1.0 - cut)).mean()),
        reliability,
        resolution,
        uncertainty,
        brier - (reliability - resolution + uncertainty),
        float(np.mean([expected_calibration_error(p[g], y[g]) for g in range(2)])),
        {
            other: block_mean(losses - theirs, forecasts.close_ns)
            for other, theirs in (others or {}).items()
        },
    )


def binned(p: Float64Array, bins: int = _BINS) -> Float64Array:
    """Each forecast replaced by the mean of its equally filled bin; equal forecasts stay equal."""
    values, place, counts = np.unique(p, return_inverse=True, return_counts=True)
    middle = (np.cumsum(counts) - 0.5 * counts) / p.size
    group = np.minimum((middle * bins).astype(np.int64), bins - 1)
    mass = np.bincount(group, weights=values * counts, minlength=bins)
    size = np.bincount(group, weights=counts, minlength=bins)
    mean = mass / np.maximum(size, 1.0)
    return np.asarray(mean[group[place]])


def expected_calibration_error(p: Float64Array, y: Float64Array) -> float:
    """Mean distance of forecast and rate over 10 equally filled bins; ties share a bin."""
    values, place = np.unique(binned(p, _ECE_BINS), return_inverse=True)
    counts = np.bincount(place).astype(np.float64)
    rates = np.bincount(place, weights=y) / counts
    return float((counts * np.abs(values - rates)).sum() / p.size)


def _split(p: Float64Array, y: Float64Array) -> tuple[float, float, float]:
    got = brier_split(binned(p), y)
    return got.reliability, got.resolution, got.uncertainty
