"""From a model's raw probabilities to its calibrated vote and expected value, on arrays."""

from __future__ import annotations

import numpy as np

from ensemble.calibrators import Calibrator
from ensemble.protocol import RawVotes
from envs.core.rules.vote import ev_long
from envs.core.tape import EvLine
from envs.core.types import Float64Array


def calibrated(
    raw: RawVotes, up: Calibrator, down: Calibrator, line: EvLine | None, atr_frac: Float64Array
) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Calibrated P(up), P(down) and the long side's EV of N votes, (N,) each.

    Probabilities are rounded to 1e-6 and sum to at most 1; NaN where the model abstains. EV is a
    fraction of price, 0 without a line and where it is unknown.
    """
    p, q = up.apply(raw.up), down.apply(raw.down)
    total = p + q
    with np.errstate(invalid="ignore"):
        scale = np.where(total > 1.0, total, 1.0)
    p, q = np.round(p / scale, 6), np.round(q / scale, 6)
    if line is None:
        return p, q, np.zeros_like(p)
    slope = ev_long(line.b, line.se, 0.0, 1.0, 1.0)
    return p, q, np.nan_to_num(slope * (p - q - line.s_mean) * atr_frac)
