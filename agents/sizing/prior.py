"""The expected-value prior of the sizing table, and the half-Kelly agent built on it alone.

Source: specification 8.3. ``f`` is notional over equity, amounts are fractions; a missing line is
NaN in the slopes.
"""

from __future__ import annotations

import numpy as np

from envs.core.trade import SizingContext
from envs.core.types import BoolArray, Float64Array, Int64Array


def exit_moments(context: SizingContext, ev_z: float) -> tuple[Float64Array, Float64Array, BoolArray]:
    """Per exit strategy (3,): net expected move ``mu_e``, mean square ``m2_e``, line known."""
    b, se, q = context.slopes[:, 0], context.slopes[:, 1], context.slopes[:, 2]
    known = np.isfinite(b) & np.isfinite(se) & np.isfinite(q)
    slope = np.maximum(0.0, np.where(known, b - ev_z * se, 0.0))
    mu = np.where(known, slope * context.ev - context.round_trip, 0.0)
    m2 = np.where(known, q * (context.atr_frac * context.atr_frac), 0.0)
    return mu, m2, known


def prior_value(
    context: SizingContext, exits: Int64Array, ev_z: float
) -> tuple[Float64Array, Float64Array, BoolArray]:
    """Value ``g0`` before any own sample, ``m2`` and whether a line exists, per action (A,)."""
    mu, m2, known = exit_moments(context, ev_z)
    f = context.notional_frac
    g0 = f * mu[exits] - f * f * m2[exits] * 0.5
    return g0, m2[exits], known[exits]
