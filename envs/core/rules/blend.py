"""Weighted mean of the valid models' probabilities: the vote of the exponential family (5.2)."""

from __future__ import annotations

import math
from typing import Any

from envs.core.rules.pool import N_MODELS, logit, sigmoid


def blend(p: Any, platt: Any, calibrated: bool, weights: Any, scalers: Any) -> float:
    """Sum of weight x scaler x probability over the valid models, weights renormalised.

    Args:
        p: (4,) stated probabilities, NaN where a model abstains.
        platt: (4, 2) slopes and intercepts, applied where ``calibrated``.
        weights, scalers: (4,). The absent models' weight goes to the others in proportion.

    Returns:
        The pooled probability, NaN without a valid model or weight.
    """
    mass = 0.0
    for i in range(N_MODELS):
        if p[i] == p[i]:
            mass += weights[i]
    if mass <= 0.0:
        return math.nan
    total = 0.0
    for i in range(N_MODELS):
        if p[i] == p[i]:
            q = p[i]
            if calibrated:
                q = sigmoid(platt[i, 0] * logit(q) + platt[i, 1])
            total += weights[i] / mass * scalers[i] * q
    return total
