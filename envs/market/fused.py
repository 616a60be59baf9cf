"""Multiply-add with one rounding, for arrays: what the processor's FMA gives, by plain arithmetic.

TA-Lib smooths with ``fma``; NumPy has none. After Boldo and Melquiond, "Emulation of FMA and
correctly rounded sums: proved algorithms using rounding to odd" (IEEE Transactions on Computers,
2008): the product and the sum are kept in two parts each, and the tail is rounded to odd, so that
the last addition rounds the exact value. Exact while nothing overflows or underflows.
"""

from __future__ import annotations

import numpy as np

from envs.core.types import Float64Array

_SPLIT = 134217729.0
"""2**27 + 1: parts a factor into halves whose products are exact."""


def fused(a: Float64Array, b: Float64Array, c: Float64Array) -> Float64Array:
    """``a * b + c``, rounded once; shapes broadcast to that of ``a``."""
    product = a * b
    a_high, b_high = _high(a), _high(b)
    a_low, b_low = a - a_high, b - b_high
    rest = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    first, first_rest = _sum(c, rest)
    high, high_rest = _sum(product, first)
    return high + _odd_sum(first_rest, high_rest)


def _high(x: Float64Array) -> Float64Array:
    scaled = _SPLIT * x
    return scaled - (scaled - x)


def _sum(a: Float64Array, b: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Rounded sum, and what the rounding left over."""
    total = a + b
    b_part = total - a
    return total, (a - (total - b_part)) + (b - b_part)


def _odd_sum(a: Float64Array, b: Float64Array) -> Float64Array:
    """Sum rounded to odd: an inexact one takes the neighbour whose last bit is set."""
    total, rest = _sum(a, b)
    bits = total.view(np.int64)
    outward = np.where((rest > 0.0) == (total > 0.0), 1, -1)
    bits += np.where((rest != 0.0) & ((bits & 1) == 0), outward, 0)
    return total
