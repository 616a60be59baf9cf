"""What an exit strategy is expected to earn before any own sample (spec 8.3).

One slope per exit is needed because a position lives longer than the label whose expected value it
was given. Moves are fractions of price.
"""

from __future__ import annotations

import numpy as np

from agents.sizing.table_math import has_line, net_move
from envs.core.trade import SizingContext
from envs.core.types import BoolArray, Float64Array


def exit_moments(
    context: SizingContext, ev_z: float
) -> tuple[Float64Array, Float64Array, BoolArray]:
    """Per exit strategy (3,): net expected move ``mu_e``, mean square ``m2_e``, line known.

    Both are 0 for an exit without a line.
    """
    mu, m2, known = np.zeros(3), np.zeros(3), np.zeros(3, dtype=np.bool_)
    for e, (b, se, q) in enumerate(context.slopes.tolist()):
        if has_line(b, se, q):
            known[e] = True
            mu[e] = net_move(b, se, context.ev, context.round_trip, ev_z)
            m2[e] = q * (context.atr_frac * context.atr_frac)
    return mu, m2, known
