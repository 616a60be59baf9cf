"""Bars drawn from a continuous path: extremes of the Brownian bridges between sub-steps.

A walk seen only at its sub-steps misses the extremes between them, and a position simulated on
such bars fills at prices the walk jumped over. Given the two ends of a sub-step and its variance,
the maximum of the path between them has a closed law, so it is drawn, not approximated; so is the
minimum. Both of one sub-step are drawn independently, which is exact for all sub-steps but the rare
one that holds the bar's maximum and its minimum at once.
"""

from __future__ import annotations

import numpy as np

from envs.core.types import Float64Array

SUB_STEPS = 16
"""Sub-steps a bar; the joint law of a bar's high, low and close is checked against theory."""


def path_extremes(
    rng: np.random.Generator, steps: Float64Array, variance: Float64Array
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Close, maximum and minimum of each bar's path, as log moves from the bar's open.

    Args:
        rng: source of the draws between the sub-steps.
        steps: (N, K) log move of each sub-step.
        variance: (N,) variance of one sub-step; 0 gives straight lines.

    Returns:
        Three arrays (N,): close, maximum >= max(0, close), minimum <= min(0, close).
    """
    after = np.cumsum(steps, axis=1)
    before = after - steps
    before[:, 0] = 0.0
    middle, span = 0.5 * (before + after), (after - before) ** 2
    scale = 2.0 * variance[:, None]
    # 1 - U lies in (0, 1], so its logarithm is finite.
    up = np.sqrt(span - scale * np.log1p(-rng.random(steps.shape)))
    down = np.sqrt(span - scale * np.log1p(-rng.random(steps.shape)))
    top, bottom = (middle + 0.5 * up).max(axis=1), (middle - 0.5 * down).min(axis=1)
    close = after[:, -1]
    return (
        close,
        np.maximum(top, np.maximum(close, 0.0)),
        np.minimum(bottom, np.minimum(close, 0.0)),
    )
