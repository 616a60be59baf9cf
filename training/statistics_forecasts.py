"""Statistics of forecasts that hold on any data: Brier split, adaptive intervals, betting.

Sources: Murphy 1973; Gibbs & Candes 2021; Ville 1939, Shafer & Vovk 2019.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.core.errors import FixInput
from envs.core.types import Float64Array


@dataclass(frozen=True)
class BrierSplit:
    """Brier score = reliability - resolution + uncertainty."""

    reliability: float
    resolution: float
    uncertainty: float

    @property
    def score(self) -> float:
        """The score the parts add up to."""
        return self.reliability - self.resolution + self.uncertainty


def brier_split(p: Float64Array, y: Float64Array) -> BrierSplit:
    """Murphy's split over the distinct forecasts ``p`` (N,) of outcomes ``y`` (N,) in {0, 1}.

    Exact for forecasts of few values; group finer ones into bins before.
    """
    if p.shape != y.shape or p.size == 0:
        raise FixInput(f"forecasts {p.shape} and outcomes {y.shape}: expected equal, not empty")
    base = float(y.mean())
    values, place = np.unique(p, return_inverse=True)
    counts = np.bincount(place).astype(np.float64)
    rate = np.bincount(place, weights=y) / counts
    share = counts / p.size
    return BrierSplit(
        float((share * (values - rate) ** 2).sum()),
        float((share * (rate - base) ** 2).sum()),
        base * (1.0 - base),
    )


class AdaptiveLevel:
    """Miscoverage level that follows its own errors, for a long-run miss rate of ``target``.

    ``level`` outside [0, 1] asks for everything (at most 0) or nothing (at least 1) to be covered.
    """

    def __init__(self, target: float, rate: float) -> None:
        self.target, self.rate, self.level = target, rate, target

    def learn(self, missed: bool) -> None:
        """Lower the level after a miss, raise it after a hit."""
        self.level += self.rate * (self.target - (1.0 if missed else 0.0))

    def bound(self, rounds: int) -> float:
        """Largest distance of the miss rate from the target after ``rounds``, on any data."""
        start = self.target
        return (max(start, 1.0 - start) + self.rate) / (self.rate * rounds)


def betting_wealth(wins: Float64Array, fraction: float) -> Float64Array:
    """Running wealth (..., T) of betting ``fraction`` at even odds on outcomes in {0, 1}.

    With fair outcomes it is a martingale: the chance of ever reaching 1/a is at most a.
    """
    return np.asarray(np.exp(np.cumsum(np.log1p(fraction * (2.0 * wins - 1.0)), axis=-1)))


def first_reaching(wealth: Float64Array, level: float) -> Float64Array:
    """Step (1-based) at which each path (..., T) first reaches ``level``; inf if never."""
    hit = wealth >= level
    first = np.argmax(hit, axis=-1) + 1.0
    return np.asarray(np.where(hit.any(axis=-1), first, np.inf))
