"""Exponential weights, pulled to the initial ones and projected exactly (spec 6.2, 6.4)."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log

from agents.reinforcement.settings import ReinforcementSettings
from envs.core.rules.simplex import project4

INITIAL_WEIGHTS = (0.25, 0.25, 0.30, 0.20)


def exponential_update(
    weights: Sequence[float],
    advantage: float,
    agreement: Sequence[int],
    settings: ReinforcementSettings,
    initial: Sequence[float] = INITIAL_WEIGHTS,
) -> tuple[float, float, float, float]:
    """Weights after one trade; ``agreement`` is +1 with the traded side, -1 against, 0 none."""
    raised = [
        w * exp(settings.learning_rate * advantage * g)
        for w, g in zip(weights, agreement, strict=True)
    ]
    total = raised[0] + raised[1] + raised[2] + raised[3]
    rho = settings.pull
    if rho > 0.0:
        raised = [
            exp((1.0 - rho) * log(u / total) + rho * log(w0))
            for u, w0 in zip(raised, initial, strict=True)
        ]
    a, b, c, d = raised
    return project4(a, b, c, d, settings.min_weight, settings.max_weight)


def exploration_rate(trades: int, settings: ReinforcementSettings) -> float:
    """Probability of uniform weights after ``trades`` trades."""
    start, least = settings.initial_exploration, settings.min_exploration
    decay = log(start / least) / settings.exploration_decay
    return max(least, start * exp(-decay * trades))
