"""Exploration of the classic learner: epsilon, UCB, Thompson, none, with full propensities.

Sources: Auer et al. 2002 (UCB1), Thompson 1933.
"""

from __future__ import annotations

from math import log

import numpy as np

from agents.settings import SizingSettings
from envs.core.trade import SizingChoice, no_propensities
from envs.core.types import BoolArray, Float64Array

_THOMPSON_DRAWS = 200
_KNOWN_VISITS = 2.0


def behaviour(
    settings: SizingSettings, values: Float64Array, visits: Float64Array, square: Float64Array,
    mask: BoolArray, greedy: int, rng: np.random.Generator,
) -> SizingChoice:  # fmt: skip
    """Draw an action of the behaviour policy over unmasked actions.

    Args:
        settings: which exploration, and its parameter.
        values: (A,) action values of the state.
        visits: (A,) updates of each action in the state.
        square: (A,) mean squared update error, the spread Thompson sampling draws with.
        mask: (A,) True where allowed; at least one.
        greedy: the action taken without exploration.
        rng: source of all chance.
    """
    kind = settings.exploration
    if kind == "ucb":
        return _drawn(ucb_propensities(values, visits, mask, settings.ucb_c), rng)
    if kind == "thompson":
        return _thompson(values, visits, square, mask, rng)
    if kind == "epsilon":
        propensities = settings.epsilon * (mask / np.count_nonzero(mask))
        propensities[greedy] += 1.0 - settings.epsilon
        if rng.random() < settings.epsilon:
            return SizingChoice(int(rng.choice(np.flatnonzero(mask))), propensities)
        return SizingChoice(greedy, propensities)
    return SizingChoice(greedy, no_propensities(values.shape[0], greedy))


def ucb_propensities(
    values: Float64Array, visits: Float64Array, mask: BoolArray, width: float
) -> Float64Array:
    """Evenly over the largest of ``value + c*sqrt(ln N / n)``; untried actions come first."""
    untried = mask & (visits == 0.0)
    if untried.any():
        best = untried
    else:
        total = log(max(1.0, float(visits.sum())))
        bound = np.where(mask, values + width * np.sqrt(total / np.maximum(visits, 1.0)), -np.inf)
        best = bound == bound.max()
    return np.asarray(best / np.count_nonzero(best))


def _drawn(propensities: Float64Array, rng: np.random.Generator) -> SizingChoice:
    return SizingChoice(int(rng.choice(np.flatnonzero(propensities))), propensities)


def _thompson(
    values: Float64Array, visits: Float64Array, square: Float64Array, mask: BoolArray,
    rng: np.random.Generator,
) -> SizingChoice:  # fmt: skip
    """One draw of each action's normal posterior; propensities are shares of 200 such draws."""
    known = visits >= _KNOWN_VISITS
    # A spread estimated from fewer than two errors is none: such cells take the state's widest.
    widest = float(square[known].max()) if known.any() else 1.0
    variance = np.where(known, square, max(widest, 1e-12)) / np.maximum(visits, 1.0)
    draws = values + np.sqrt(variance) * rng.standard_normal((_THOMPSON_DRAWS, values.shape[0]))
    winners = np.argmax(np.where(mask, draws, -np.inf), axis=1)
    propensities = np.bincount(winners, minlength=values.shape[0]) / _THOMPSON_DRAWS
    return SizingChoice(int(winners[0]), propensities)
