"""Exact relative-entropy projection onto the bounded simplex of the four models' weights."""

from __future__ import annotations


def project4(
    v0: float, v1: float, v2: float, v3: float, lo: float, hi: float
) -> tuple[float, float, float, float]:
    """Clip ``scale * v`` to [lo, hi] with the one scale that makes the sum 1 (spec 6.2).

    ``v`` > 0; ``4 lo <= 1 <= 4 hi``. The sum is piecewise linear in the scale, with breakpoints
    ``lo/v`` and ``hi/v``: bisection over the scale finds the piece, and the scale follows exactly
    from the components that are free on it.
    """
    smallest = min(v0, v1, v2, v3)
    largest = max(v0, v1, v2, v3)
    low = lo / largest
    high = hi / smallest
    for _ in range(200):
        middle = 0.5 * (low + high)
        total = (
            _clip(middle * v0, lo, hi)
            + _clip(middle * v1, lo, hi)
            + _clip(middle * v2, lo, hi)
            + _clip(middle * v3, lo, hi)
        )
        if total < 1.0:
            low = middle
        else:
            high = middle
        if high - low <= 1e-16 * high:
            break
    scale = high
    fixed = 0.0
    free = 0.0
    for v in (v0, v1, v2, v3):
        x = scale * v
        if x <= lo:
            fixed += lo
        elif x >= hi:
            fixed += hi
        else:
            free += v
    if free > 0.0:
        scale = (1.0 - fixed) / free
    return (
        _clip(scale * v0, lo, hi),
        _clip(scale * v1, lo, hi),
        _clip(scale * v2, lo, hi),
        _clip(scale * v3, lo, hi),
    )


def _clip(x: float, lo: float, hi: float) -> float:
    if x < lo:
        return lo
    if x > hi:
        return hi
    return x
