"""Vovk's Aggregating Algorithm in the Brier game over the pool of experts (spec 6.6).

Experts: the four models after online Platt calibration, the constant 0.5, their uniform mean and
their log-pool; N = 7. An abstaining model sleeps (probability NaN). Source: Vovk & Zhdanov 2009.
"""

from __future__ import annotations

import math
from typing import Any

N_MODELS = 4
N_EXPERTS = 7
CONSTANT = 4
MEAN = 5
LOG_POOL = 6
_EDGE = 1e-6


def logit(p: float) -> float:
    """Log odds of a probability cut to [1e-6, 1 - 1e-6]."""
    if p < _EDGE:
        p = _EDGE
    elif p > 1.0 - _EDGE:
        p = 1.0 - _EDGE
    return math.log(p / (1.0 - p))


def sigmoid(x: float) -> float:
    """Probability of log odds."""
    return 1.0 / (1.0 + math.exp(-x))


def fill_experts(p: Any, platt: Any, out: Any) -> None:
    """Experts' probabilities ``out`` (7,) from stated ones ``p`` (4,) and ``platt`` (4, 2)."""
    n = 0
    mean = 0.0
    logs = 0.0
    for i in range(N_MODELS):
        if p[i] == p[i]:
            x = platt[i, 0] * logit(p[i]) + platt[i, 1]
            out[i] = sigmoid(x)
            n += 1
            mean += out[i]
            logs += logit(out[i])
        else:
            out[i] = math.nan
    out[CONSTANT] = 0.5
    out[MEAN] = math.nan
    out[LOG_POOL] = math.nan
    if n > 0:
        out[MEAN] = mean / n
        out[LOG_POOL] = sigmoid(logs / n)


def game_loss(experts: Any, weights: Any, y: float, eta: float) -> float:
    """Generalised loss ``-ln(sum w exp(-eta (p - y)^2))/eta`` over the awake experts."""
    total = 0.0
    mass = 0.0
    for i in range(weights.shape[0]):
        p = experts[i]
        if p == p:
            total += weights[i] * math.exp(-eta * (p - y) * (p - y))
            mass += weights[i]
    return -math.log(total / mass) / eta


def aggregate(experts: Any, weights: Any, eta: float) -> float:
    """Pooled probability of the Brier game by the substitution ``1/2 + (g(0) - g(1))/2``."""
    p = 0.5 + 0.5 * (game_loss(experts, weights, 0.0, eta) - game_loss(experts, weights, 1.0, eta))
    if p < 0.0:
        return 0.0
    if p > 1.0:
        return 1.0
    return p


def reweigh(weights: Any, losses: Any, eta: float, share: float) -> None:
    """Posterior after one update: awake experts share their mass anew, sleepers keep theirs.

    ``losses`` holds NaN for sleepers. ``share`` > 0 is fixed share: a part goes to all equally.
    """
    n = weights.shape[0]
    awake = 0.0
    after = 0.0
    for i in range(n):
        if losses[i] == losses[i]:
            awake += weights[i]
            weights[i] = weights[i] * math.exp(-eta * losses[i])
            after += weights[i]
    if after <= 0.0:
        return
    for i in range(n):
        if losses[i] == losses[i]:
            weights[i] = weights[i] / after * awake
    if share > 0.0:
        for i in range(n):
            weights[i] = (1.0 - share) * weights[i] + share / n


def platt_step(
    platt: Any, i: int, gradient_a: float, gradient_b: float, bars: float, rate: float
) -> None:
    """One gradient step of online Platt: rate/sqrt(bars), a in [.05, 5], b in [-3, 3]."""
    step = rate / math.sqrt(bars)
    a = platt[i, 0] - step * gradient_a
    b = platt[i, 1] - step * gradient_b
    platt[i, 0] = min(5.0, max(0.05, a))
    platt[i, 1] = min(3.0, max(-3.0, b))


def learn_bar(
    platt: Any,
    bars: Any,
    weights: Any,
    stated: Any,
    outcomes: Any,
    count: int,
    eta: float,
    share: float,
    rate: float,
    experts: Any,
    losses: Any,
) -> float:
    """One update of one game with the labels that ended at one bar.

    Args:
        platt: (4, 2) slopes and intercepts; ``bars`` (4,) bars each model has been seen.
        weights: (7,) posterior. ``stated`` (K, 4) probabilities, ``outcomes`` (K,), K >= count.
        experts, losses: (7,) scratch.

    Returns:
        Mean squared error of the pooled prediction over the labels, before the update.
    """
    n = weights.shape[0]
    seen = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    pooled = 0.0
    for i in range(n):
        losses[i] = 0.0
    grad_a = [0.0, 0.0, 0.0, 0.0]
    grad_b = [0.0, 0.0, 0.0, 0.0]
    for k in range(count):
        fill_experts(stated[k], platt, experts)
        y = outcomes[k]
        p = aggregate(experts, weights, eta)
        pooled += (p - y) * (p - y)
        for i in range(n):
            if experts[i] == experts[i]:
                losses[i] += (experts[i] - y) * (experts[i] - y)
                seen[i] += 1.0
                if i < N_MODELS:
                    grad_a[i] += (experts[i] - y) * logit(stated[k, i])
                    grad_b[i] += experts[i] - y
    for i in range(n):
        if seen[i] > 0.0:
            losses[i] = losses[i] / seen[i]
        else:
            losses[i] = math.nan
    reweigh(weights, losses, eta, share)
    for i in range(N_MODELS):
        if seen[i] > 0.0:
            bars[i] += 1.0
            platt_step(platt, i, grad_a[i] / seen[i], grad_b[i] / seen[i], bars[i], rate)
    return pooled / count if count > 0 else 0.0


def shown_weights(up: Any, down: Any, out: Any) -> None:
    """Displayed model weights (4,): mean posterior of both games, pools split, no constant."""
    total = 0.0
    for i in range(N_MODELS):
        own = 0.5 * (up[i] + down[i])
        pools = 0.5 * (up[MEAN] + down[MEAN] + up[LOG_POOL] + down[LOG_POOL])
        out[i] = own + pools / N_MODELS
        total += out[i]
    for i in range(N_MODELS):
        out[i] = out[i] / total if total > 0.0 else 1.0 / N_MODELS
