"""Update and score of the counterfactual table, compiled: scalar loops over the actions.

Tables are (level, rows, A): level 0 cell (300), 1 (regime, confidence) (25), 2 regime (5), padded
to 300 rows. ``raw`` counts rows, ``eff`` effective decisions, ``mean`` and ``msq`` the residual's
mean and mean square. ``all_*`` (A,) run over all regimes.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

MIN_ROWS = 30


def update_rows(
    raw: Any, eff: Any, mean: Any, msq: Any, all_raw: Any, all_mean: Any, all_msq: Any,
    state: int, reward: Any, f: Any, slopes: Any, exits: Any, overlap: Any, ev: float,
    round_trip: float, atr_frac: float, ev_z: float, use_prior: bool, passes: float,
    min_step: float,
) -> None:
    """Move the means of every action with a finite reward at the three levels."""
    r1 = state // 12
    r2 = r1 // 5
    for a in range(reward.shape[0]):
        if not (reward[a] == reward[a]) or f[a] == 0.0:
            continue
        e = exits[a]
        x = reward[a]
        if use_prior:
            x = x - prior_of(f[a], slopes[e, 0], slopes[e, 1], slopes[e, 2], ev, round_trip,
                             atr_frac, ev_z)
        u = 1.0 / (1.0 + overlap[e]) / passes
        for level in range(3):
            row = state
            if level == 1:
                row = r1
            elif level == 2:
                row = r2
            raw[level, row, a] += 1.0
            eff[level, row, a] += u
            step = 1.0 / raw[level, row, a]
            if step < min_step:
                step = min_step
            mean[level, row, a] += step * (x - mean[level, row, a])
            msq[level, row, a] += step * (x * x - msq[level, row, a])
        all_raw[a] += 1.0
        step = 1.0 / all_raw[a]
        if step < min_step:
            step = min_step
        all_mean[a] += step * (x - all_mean[a])
        all_msq[a] += step * (x * x - all_msq[a])


def prior_of(
    f: float, b: float, se: float, q: float, ev: float, round_trip: float, atr_frac: float,
    ev_z: float,
) -> float:
    """``g0`` of one action; 0 without a line."""
    if not (b == b and se == se and q == q):
        return 0.0
    slope = b - ev_z * se
    if slope < 0.0:
        slope = 0.0
    return f * (slope * ev - round_trip) - f * f * (q * (atr_frac * atr_frac)) * 0.5


def score_actions(
    raw: Any, eff: Any, mean: Any, msq: Any, all_raw: Any, all_mean: Any, all_msq: Any,
    state: int, mask: Any, f: Any, slopes: Any, exits: Any, ev: float, round_trip: float,
    atr_frac: float, ev_z: float, use_prior: bool, k1: float, k2: float, k3: float, z: float,
    kelly: float, out: Any,
) -> None:
    """Score of every action; -inf where masked or not eligible, 0 for skip."""
    r1 = state // 12
    r2 = r1 // 5
    for a in range(mask.shape[0]):
        if not mask[a]:
            out[a] = -math.inf
            continue
        if f[a] == 0.0:
            out[a] = 0.0
            continue
        e = exits[a]
        q = slopes[e, 2]
        line = use_prior and q == q and slopes[e, 0] == slopes[e, 0]
        g0 = 0.0
        m2 = 0.0
        if line:
            m2 = q * (atr_frac * atr_frac)
            g0 = prior_of(f[a], slopes[e, 0], slopes[e, 1], q, ev, round_trip, atr_frac, ev_z)
        sd = -1.0
        if raw[2, r2, a] >= MIN_ROWS:
            sd = spread(mean[2, r2, a], msq[2, r2, a])
        elif all_raw[a] >= MIN_ROWS:
            sd = spread(all_mean[a], all_msq[a])
        elif line:
            sd = f[a] * math.sqrt(m2)
        if sd < 0.0:
            out[a] = -math.inf
            continue
        out[a] = shrunk_score(
            eff[0, state, a], eff[1, r1, a], eff[2, r2, a], mean[0, state, a], mean[1, r1, a],
            mean[2, r2, a], k1, k2, k3, sd, z, g0 - (1.0 / kelly - 1.0) * f[a] * f[a] * m2 * 0.5,
        )


def spread(mean: float, msq: float) -> float:
    """Standard deviation from mean and mean square."""
    variance = msq - mean * mean
    if variance < 0.0:
        return 0.0
    return math.sqrt(variance)


def shrunk_score(
    n1: float, n2: float, n3: float, m1: float, m2: float, m3: float, k1: float, k2: float,
    k3: float, sd: float, z: float, root: float,
) -> float:
    """Three-level shrunk mean plus ``root``, minus ``z`` standard errors (spec 8.3, row 51)."""
    mu3 = n3 * m3 / (n3 + k3) if n3 + k3 > 0.0 else 0.0
    mu2 = (n2 * m2 + k2 * mu3) / (n2 + k2) if n2 + k2 > 0.0 else mu3
    mu1 = (n1 * m1 + k1 * mu2) / (n1 + k1) if n1 + k1 > 0.0 else mu2
    w1 = n1 / (n1 + k1) if n1 + k1 > 0.0 else 0.0
    own = n1 if n1 > 1.0 else 1.0
    wide = n2 + k2 if n2 + k2 > 0.0 else 1.0
    error = (1.0 - w1) * (1.0 - w1) / wide + w1 * w1 / own
    return root + mu1 - z * sd * math.sqrt(error)


@cache
def compiled() -> tuple[Any, Any]:
    """(update, score) compiled, cached on disk by Numba."""
    from numba import njit
    from numba.extending import register_jitable

    for f in (prior_of, spread, shrunk_score):
        register_jitable(error_model="numpy")(f)
    options: dict[str, Any] = {"cache": True, "error_model": "numpy"}
    return njit(**options)(update_rows), njit(**options)(score_actions)
