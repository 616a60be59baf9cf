"""Exact relative-entropy projection onto the bounded simplex of the four models' weights."""

from __future__ import annotations

SMALLEST_SHARE = 1e-30
TINY = 1e-250


def project4(
    v0: float, v1: float, v2: float, v3: float, lo: float, hi: float
) -> tuple[float, float, float, float]:
    """Clip ``scale * v`` to [lo, hi] with the one scale that makes the sum 1 (spec 6.2).

    ``v`` >= 0, one below ``SMALLEST_SHARE`` of the largest counts as that, and all 0 as equal;
    ``4 lo <= 1 <= 4 hi``. The sum is piecewise linear in the scale, with breakpoints
    ``lo/v`` and ``hi/v``: bisection over the scale finds the piece, and the scale follows exactly
    from the components that are free on it.
    """
    largest = max(v0, v1, v2, v3)
    if 0.0 < largest < TINY:
        v0, v1, v2, v3, largest = v0 / largest, v1 / largest, v2 / largest, v3 / largest, 1.0
    # Weights without a floor shrink until they underflow to 0.
    least = largest * SMALLEST_SHARE if largest > 0.0 else 1.0
    v0, v1, v2, v3 = max(v0, least), max(v1, least), max(v2, least), max(v3, least)
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
    if free > 0.0 and fixed < 1.0:
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
