"""Expected-value lines: regressions of outcomes on scores with calendar-week standard errors."""

from __future__ import annotations

from math import sqrt

import numpy as np

from envs.core.tape import EvLine, ExitSlope
from envs.core.types import NS_PER_DAY, Float64Array, Int64Array

_MIN_WEEKS = 10
_MIN_ROWS = 200


def week_blocks(close_ns: Int64Array) -> Int64Array:
    """Block of each row: calendar week (from Monday), or ten equal blocks in a short span."""
    week = (close_ns // NS_PER_DAY + 3) // 7
    if week.size == 0 or int(week.max() - week.min()) + 1 >= _MIN_WEEKS:
        return np.asarray(week)
    order = np.argsort(close_ns, kind="stable")
    out = np.empty(close_ns.shape[0], dtype=np.int64)
    out[order] = np.arange(close_ns.shape[0]) * _MIN_WEEKS // max(1, close_ns.shape[0])
    return out


def fit_line(score: Float64Array, gross: Float64Array, close_ns: Int64Array) -> EvLine | None:
    """Least-squares line of gross outcomes (ATRs) on scores; None with too few rows.

    Rows need not be sorted; NaN is not allowed.
    """
    if score.size < _MIN_ROWS:
        return None
    s_mean = float(score.mean())
    x = score - s_mean
    power = float(x @ x)
    if power <= 0.0:
        return None
    y_mean = float(gross.mean())
    b = float(x @ gross) / power
    se = _block_error(x * (gross - y_mean - b * x), week_blocks(close_ns)) / power
    return EvLine(b, s_mean, se, int(score.size))


def fit_exit_slope(
    ev_atr: Float64Array, outcome: Float64Array, close_ns: Int64Array
) -> ExitSlope | None:
    """Slope through the origin of an exit's gross outcome on EV in ATRs; None with too few rows."""
    power = float(ev_atr @ ev_atr)
    if ev_atr.size < _MIN_ROWS or power <= 0.0:
        return None
    b = float(ev_atr @ outcome) / power
    se = _block_error(ev_atr * (outcome - b * ev_atr), week_blocks(close_ns)) / power
    return ExitSlope(b, se, float(outcome @ outcome) / outcome.size, int(ev_atr.size))


def _block_error(rest: Float64Array, blocks: Int64Array) -> float:
    """Root of the summed squares of block sums."""
    _, place = np.unique(blocks, return_inverse=True)
    sums = np.bincount(place, weights=rest)
    return sqrt(float(sums @ sums))
