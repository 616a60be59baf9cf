"""Exploration of the classic learner: epsilon, UCB, Thompson, none, with full propensities."""

from __future__ import annotations

from math import log

import numpy as np

from agents.settings import SizingSettings
from envs.core.trade import SizingChoice
from envs.core.types import BoolArray, Float64Array

_THOMPSON_DRAWS = 200


def behaviour(
    settings: SizingSettings, values: Float64Array, visits: Float64Array, square: Float64Array,
    mask: BoolArray, greedy: int, rng: np.random.Generator,
) -> SizingChoice:
    """Draw an action of the behaviour policy over unmasked actions."""
    n = values.shape[0]
    propensities = np.zeros(n)
    kind = settings.exploration
    if kind == "ucb":
        total = max(1.0, float(visits.sum()))
        bonus = settings.ucb_c * np.sqrt(log(total + 1.0) / np.maximum(visits, 1e-3))
        best = int(np.argmax(np.where(mask, values + bonus, -np.inf)))
        propensities[best] = 1.0
        return SizingChoice(best, propensities)
    if kind == "thompson":
        sd = np.sqrt(np.maximum(square, 1e-8) / np.maximum(visits, 1.0))
        draws = values + sd * rng.standard_normal((_THOMPSON_DRAWS, n))
        winners = np.argmax(np.where(mask, draws, -np.inf), axis=1)
        propensities = np.bincount(winners, minlength=n) / _THOMPSON_DRAWS
        return SizingChoice(int(winners[0]), propensities)
    if kind == "epsilon":
        propensities = settings.epsilon * mask / mask.sum()
        propensities[greedy] += 1.0 - settings.epsilon
        if rng.random() < settings.epsilon:
            return SizingChoice(int(rng.choice(np.flatnonzero(mask))), propensities)
        return SizingChoice(greedy, propensities)
    propensities[greedy] = 1.0
    return SizingChoice(greedy, propensities)
