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
    state: int, reward: Any, mask: Any, f: Any, slopes: Any, exits: Any, overlap: Any, ev: float,
    round_trip: float, atr_frac: float, ev_z: float, use_prior: bool, passes: float,
    min_step: float, residual: Any,
) -> int:  # fmt: skip
    """Move the means of every unmasked action with a known reward at the three levels.

    ``residual`` (A,) is scratch. Returns -1, or the first action whose residual is infinite or
    undefined although its reward is known; then no table has changed.
    """
    n = reward.shape[0]
    for a in range(n):
        residual[a] = math.nan
        if not mask[a] or math.isnan(reward[a]) or f[a] == 0.0:
            continue
        e = exits[a]
        x = reward[a]
        if use_prior:
            x = x - prior_of(
                f[a], slopes[e, 0], slopes[e, 1], slopes[e, 2], ev, round_trip, atr_frac, ev_z
            )
        if not math.isfinite(x):
            return a
        residual[a] = x
    r1 = state // 12
    r2 = r1 // 5
    for a in range(n):
        x = residual[a]
        if math.isnan(x):
            continue
        u = 1.0 / (1.0 + overlap[exits[a]]) / passes
        for level in range(3):
            row = state
            if level == 1:
                row = r1
            elif level == 2:
                row = r2
            raw[level, row, a] += 1.0
            eff[level, row, a] += u
            step = max(1.0 / raw[level, row, a], min_step)
            mean[level, row, a] += step * (x - mean[level, row, a])
            msq[level, row, a] += step * (x * x - msq[level, row, a])
        all_raw[a] += 1.0
        step = max(1.0 / all_raw[a], min_step)
        all_mean[a] += step * (x - all_mean[a])
        all_msq[a] += step * (x * x - all_msq[a])
    return -1


def has_line(b: float, se: float, q: float) -> bool:
    """An exit has an expected-value line when all three numbers are known."""
    return b == b and se == se and q == q


def prior_of(
    f: float, b: float, se: float, q: float, ev: float, round_trip: float, atr_frac: float,
    ev_z: float,
) -> float:  # fmt: skip
    """``g0`` of one action; 0 without a line."""
    if not has_line(b, se, q):
        return 0.0
    mean_square = q * (atr_frac * atr_frac)
    return f * net_move(b, se, ev, round_trip, ev_z) - f * f * mean_square * 0.5


def net_move(b: float, se: float, ev: float, round_trip: float, ev_z: float) -> float:
    """``mu_e``: expected move of an exit net of costs, its slope reduced by ``ev_z`` errors."""
    slope = b - ev_z * se
    if slope < 0.0:
        slope = 0.0
    return slope * ev - round_trip


def score_actions(
    raw: Any, eff: Any, mean: Any, msq: Any, all_raw: Any, all_mean: Any, all_msq: Any,
    state: int, mask: Any, f: Any, slopes: Any, exits: Any, ev: float, round_trip: float,
    atr_frac: float, ev_z: float, use_prior: bool, k1: float, k2: float, k3: float, z: float,
    kelly: float, out: Any,
) -> None:  # fmt: skip
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
        line = use_prior and has_line(slopes[e, 0], slopes[e, 1], q)
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
        )  # fmt: skip


def spread(mean: float, msq: float) -> float:
    """Standard deviation from mean and mean square."""
    variance = msq - mean * mean
    if variance < 0.0:
        return 0.0
    return math.sqrt(variance)


def shrunk_score(
    n1: float, n2: float, n3: float, m1: float, m2: float, m3: float, k1: float, k2: float,
    k3: float, sd: float, z: float, root: float,
) -> float:  # fmt: skip
    """Three-level shrunk mean plus ``root``, minus ``z`` standard errors (spec 8.3, row 51)."""
    mu3 = n3 * m3 / (n3 + k3) if n3 + k3 > 0.0 else 0.0
    mu2 = (n2 * m2 + k2 * mu3) / (n2 + k2) if n2 + k2 > 0.0 else mu3
    mu1 = (n1 * m1 + k1 * mu2) / (n1 + k1) if n1 + k1 > 0.0 else mu2
    w1 = n1 / (n1 + k1) if n1 + k1 > 0.0 else 0.0
    own = n1 if n1 > 1.0 else 1.0
    wide = n2 + k2 if n2 + k2 > 0.0 else 1.0
    error = (1.0 - w1) * (1.0 - w1) / wide + w1 * w1 / own
    return root + mu1 - z * sd * math.sqrt(error)


HELPERS = (has_line, net_move, prior_of, spread, shrunk_score)
"""What ``update_rows`` and ``score_actions`` call; a larger compiled loop registers them too."""


@cache
def compiled() -> tuple[Any, Any]:
    """(update, score) compiled, cached on disk by Numba."""
    from numba import njit
    from numba.extending import register_jitable

    for f in HELPERS:
        register_jitable(error_model="numpy")(f)
    options: dict[str, Any] = {"cache": True, "error_model": "numpy"}
    return njit(**options)(update_rows), njit(**options)(score_actions)
