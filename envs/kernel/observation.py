"""The observation of a compiled environment; the layout is that of ``envs.observe``."""

from __future__ import annotations

import math
from typing import Any

from envs.core.rules.limits import is_active
from envs.core.rules.rounding import from_units
from envs.core.rules.state import N_CONFIDENCE, N_EXPOSURE, N_PERFORMANCE, N_REGIMES, decode_state
from envs.kernel.account import count_bits, gross_notional_quote, margin_units, wide
from envs.kernel.decisions import equity_of, signal_side, state_of, trip_at
from envs.kernel.market import CONFIDENCE, DOWN, EV, SCORE, UP, VALID_VOTES, market_at, rules_at

N_ONE_HOT = N_REGIMES + N_CONFIDENCE + N_EXPOSURE + N_PERFORMANCE
N_SIGNAL = 7
BOUND = 10.0


def clipped(x: float) -> float:
    """Value cut to what an observation may hold."""
    if x > BOUND:
        return BOUND
    if x < -BOUND:
        return -BOUND
    return x


def observe_into(address: int, acc: Any, slots: Any, out: Any) -> int:
    """Write the observation of one environment; return its state index, -1 at an end."""
    m, r = market_at(address), rules_at(address)
    n = m.features.shape[2]
    equity = equity_of(acc)
    state = -1
    for i in range(N_ONE_HOT):
        out[i] = 0.0
    at = N_ONE_HOT + n
    if acc.decision >= 0:
        s = wide(acc.decision)
        state = state_of(m, acc, slots, equity)
        regime, confidence, exposure, performance = decode_state(state)
        out[regime] = 1.0
        out[N_REGIMES + confidence] = 1.0
        out[N_REGIMES + N_CONFIDENCE + exposure] = 1.0
        out[N_REGIMES + N_CONFIDENCE + N_EXPOSURE + performance] = 1.0
        features = m.features[acc.row, s]
        rest = out[N_ONE_HOT:at]
        for i in range(n):
            rest[i] = features[i]
        side = signal_side(m, acc)
        signal = m.signals[acc.row, s]
        out[at] = clipped(float(side))
        out[at + 1] = clipped(signal[SCORE])
        out[at + 2] = clipped(signal[EV] * side / trip_at(m, r, acc.row, s))
        out[at + 3] = clipped(signal[CONFIDENCE])
        out[at + 4] = clipped(signal[UP])
        out[at + 5] = clipped(signal[DOWN])
        out[at + 6] = clipped(signal[VALID_VOTES])
    else:
        for i in range(N_ONE_HOT, at + N_SIGNAL):
            out[i] = 0.0
    start = from_units(r.start_units)
    floor = 1e-6 * start
    safe = equity if equity > floor else floor
    at += N_SIGNAL
    out[at] = clipped(math.log(safe / start))
    out[at + 1] = clipped(from_units(margin_units(acc, slots, -1)) / safe)
    out[at + 2] = clipped(gross_notional_quote(acc, slots, -1) / safe)
    out[at + 3] = clipped(count_bits(acc.held, slots.shape[0]) / r.max_positions)
    out[at + 4] = clipped(acc.daily_dd)
    out[at + 5] = clipped(acc.total_dd)
    out[at + 6] = 1.0 if is_active(wide(acc.state)) else 0.0
    return state
