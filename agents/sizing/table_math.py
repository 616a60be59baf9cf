"""Update and score of the counterfactual table, compiled: scalar loops over the actions.

Tables are (level, rows, A): level 0 cell (300), 1 (regime, confidence) (25), 2 regime (5), padded
to 300 rows. ``raw`` counts rows, ``eff`` effective decisions, ``mean`` and ``msq`` the residual's
mean and mean square. ``all_*`` (A,) run over all regimes.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

MIN_ROWS = 30
LARGEST = 1e150
"""Largest residual that is learned: its square is finite, so no mean of squares is ever lost."""


def update_rows(
    raw: Any, eff: Any, mean: Any, msq: Any, all_raw: Any, all_mean: Any, all_msq: Any,
    state: int, reward: Any, mask: Any, f: Any, slopes: Any, exits: Any, overlap: Any, ev: float,
    round_trip: float, atr_frac: float, ev_z: float, use_prior: bool, passes: float,
    min_step: float, residual: Any,
) -> int:  # fmt: skip
    """Move the means of every unmasked action with a known reward at the three levels.

    ``residual`` (A,) is scratch. Returns -1, or the first action whose residual is undefined or
    beyond ``LARGEST`` although its reward is known; then no table has changed.
    """
    n = reward.shape[0]
    near, mid, far = (
        line_of(slopes, 0, ev, round_trip, atr_frac, ev_z, use_prior),
        line_of(slopes, 1, ev, round_trip, atr_frac, ev_z, use_prior),
        line_of(slopes, 2, ev, round_trip, atr_frac, ev_z, use_prior),
    )
    undefined = 0
    for a in range(n):
        e = exits[a]
        line = near if e == 0 else mid if e == 1 else far
        x = reward[a] - prior_on(f[a], line)
        learned = mask[a] & (reward[a] == reward[a]) & (f[a] != 0.0)
        undefined += 1 if learned & (not abs(x) <= LARGEST) else 0
        residual[a] = x if learned else math.nan
    if undefined > 0:
        return first_undefined(reward, mask, f, residual)
    r1 = state // 12
    u0 = 1.0 / (1.0 + overlap[0]) / passes
    u1 = 1.0 / (1.0 + overlap[1]) / passes
    u2 = 1.0 / (1.0 + overlap[2]) / passes
    for level in range(3):
        row = state if level == 0 else r1 if level == 1 else r1 // 5
        move_means(raw[level, row], mean[level, row], msq[level, row], residual, min_step)
        effective = eff[level, row]
        for a in range(n):
            e = exits[a]
            u = u0 if e == 0 else u1 if e == 1 else u2
            effective[a] += u if residual[a] == residual[a] else 0.0
    move_means(all_raw, all_mean, all_msq, residual, min_step)
    return -1


def first_undefined(reward: Any, mask: Any, f: Any, residual: Any) -> int:
    """First action whose residual cannot be learned although its reward is known."""
    for a in range(reward.shape[0]):
        known = mask[a] and reward[a] == reward[a] and f[a] != 0.0
        if known and not abs(residual[a]) <= LARGEST:
            return a
    return -1


def move_means(raw: Any, mean: Any, msq: Any, residual: Any, min_step: float) -> None:
    """One row more for every action whose residual is known; NaN leaves its cell as it is.

    Without branches, so that several actions are moved by one instruction.
    """
    for a in range(residual.shape[0]):
        x = residual[a]
        known = x == x
        rows = raw[a] + (1.0 if known else 0.0)
        step = 1.0 / (rows if known else 1.0)
        step = step if step > min_step else min_step
        raw[a] = rows
        mean[a] += step * ((x if known else mean[a]) - mean[a])
        msq[a] += step * ((x * x if known else msq[a]) - msq[a])


def has_line(b: float, se: float, q: float) -> bool:
    """An exit has an expected-value line when all three numbers are known."""
    return b == b and se == se and q == q


class Line(NamedTuple):
    """What an exit is expected to earn before any own sample: moves as fractions of price.

    ``move`` net of costs, ``mean_square`` of the move; both 0 where ``known`` is False.
    """

    known: bool
    move: float
    mean_square: float


def line_of(
    slopes: Any, e: int, ev: float, round_trip: float, atr_frac: float, ev_z: float, use: bool
) -> Line:
    """Line of one exit from its slope, error and mean square in ATRs; unknown unless ``use``."""
    b, se, q = slopes[e, 0], slopes[e, 1], slopes[e, 2]
    if not (use and has_line(b, se, q)):
        return Line(False, 0.0, 0.0)
    return Line(True, net_move(b, se, ev, round_trip, ev_z), q * (atr_frac * atr_frac))


def prior_on(f: float, line: Line) -> float:
    """``g0`` of executed notional ``f`` over equity; 0 without a line."""
    return f * line.move - f * f * line.mean_square * 0.5 if line.known else 0.0


def prior_of(
    f: float, b: float, se: float, q: float, ev: float, round_trip: float, atr_frac: float,
    ev_z: float,
) -> float:  # fmt: skip
    """``g0`` of one action; 0 without a line."""
    if not has_line(b, se, q):
        return 0.0
    move = net_move(b, se, ev, round_trip, ev_z)
    return prior_on(f, Line(True, move, q * (atr_frac * atr_frac)))


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
    """Score of every action; -inf where masked, not eligible or undefined, 0 for skip."""
    near, mid, far = (
        line_of(slopes, 0, ev, round_trip, atr_frac, ev_z, use_prior),
        line_of(slopes, 1, ev, round_trip, atr_frac, ev_z, use_prior),
        line_of(slopes, 2, ev, round_trip, atr_frac, ev_z, use_prior),
    )
    r1 = state // 12
    r2 = r1 // 5
    n1, n2, n3 = eff[0, state], eff[1, r1], eff[2, r2]
    m1, m2, m3 = mean[0, state], mean[1, r1], mean[2, r2]
    rows, squares = raw[2, r2], msq[2, r2]
    for a in range(mask.shape[0]):
        e = exits[a]
        line = near if e == 0 else mid if e == 1 else far
        # All three are computed and one is taken: several actions go by one instruction so.
        own, wide = spread(m3[a], squares[a]), spread(all_mean[a], all_msq[a])
        drawn = f[a] * math.sqrt(line.mean_square) if line.known else -1.0
        sd = own if rows[a] >= MIN_ROWS else wide if all_raw[a] >= MIN_ROWS else drawn
        root = prior_on(f[a], line) - (1.0 / kelly - 1.0) * f[a] * f[a] * line.mean_square * 0.5
        score = shrunk_score(n1[a], n2[a], n3[a], m1[a], m2[a], m3[a], k1, k2, k3, sd, z, root)
        score = score if (sd >= 0.0) & (score == score) else -math.inf
        score = score if f[a] != 0.0 else 0.0
        out[a] = score if mask[a] else -math.inf


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


HELPERS = (
    has_line,
    net_move,
    line_of,
    prior_on,
    prior_of,
    spread,
    shrunk_score,
    first_undefined,
    move_means,
)
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
