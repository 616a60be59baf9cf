"""The observation of the sizing and trading environments: one float32 vector, clipped to +-10.

Layout: one-hots of the state's four axes (5 + 5 + 4 + 3), the symbol's features (F), the signal
(side, score, EV over round trip, confidence, mean calibrated p_up and p_down, valid votes), and the
account (log equity over start, used margin, gross notional, open positions, drawdowns, gate).
Unknown values are 0. Everything is known at the close of the decision's bar.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from envs.core.rules.rounding import from_units
from envs.core.rules.state import N_CONFIDENCE, N_EXPOSURE, N_PERFORMANCE, N_REGIMES, decode_state
from envs.core.traded import TradedWorld
from envs.core.types import Float32Array
from envs.core.view import DecisionView

BOUND = 10.0
N_ONE_HOT = N_REGIMES + N_CONFIDENCE + N_EXPOSURE + N_PERFORMANCE
SIGNAL_NAMES = ("side", "score", "ev_over_cost", "confidence", "p_up", "p_down", "valid_votes")
ACCOUNT_NAMES = (
    "log_equity", "used_margin", "gross_notional", "positions", "daily_dd", "total_dd", "gate",
)  # fmt: skip


def observation_size(n_features: int) -> int:
    """Length of the vector for F features."""
    return N_ONE_HOT + n_features + len(SIGNAL_NAMES) + len(ACCOUNT_NAMES)


def observe(world: TradedWorld, view: DecisionView | None) -> Float32Array:
    """Observation of a decision, or of the end of an episode (``view`` None: no signal)."""
    market = world.data.market
    out = np.zeros(observation_size(len(market.feature_names)), dtype=np.float64)
    at = N_ONE_HOT
    n_features = len(market.feature_names)
    if view is not None:
        offset = 0
        sizes = (N_REGIMES, N_CONFIDENCE, N_EXPOSURE, N_PERFORMANCE)
        for value, size in zip(decode_state(view.context.state), sizes, strict=True):
            out[offset + value] = 1.0
            offset += size
        out[at : at + n_features] = market.features_f32[view.row, view.symbol_index]
        out[at + n_features : at + n_features + len(SIGNAL_NAMES)] = _signal(view)
    out[at + n_features + len(SIGNAL_NAMES) :] = _account(world)
    np.clip(out, -BOUND, BOUND, out=out)
    return out.astype(np.float32)


def _signal(view: DecisionView) -> list[float]:
    context = view.context
    return [
        float(view.side),
        view.score if view.score == view.score else 0.0,
        context.ev / context.round_trip,
        context.confidence,
        mean_known(view.votes_up),
        mean_known(view.votes_down),
        sum(p == p for p in view.votes_up) / 4.0,
    ]


def mean_known(values: Iterable[float]) -> float:
    """Mean of the values that are known, added left to right; 0 without any."""
    total, n = 0.0, 0
    for x in values:
        if x == x:
            total += x
            n += 1
    return total / n if n else 0.0


def _account(world: TradedWorld) -> list[float]:
    account, gate = world.account, world.gate
    equity = account.equity_quote()
    start = from_units(account.start_units)
    safe = max(equity, 1e-6 * start)
    return [
        math.log(safe / start),
        from_units(account.margin_units()) / safe,
        account.gross_notional_quote() / safe,
        len(account.positions) / gate.max_positions,
        gate.drawdowns.daily,
        gate.drawdowns.total,
        1.0 if gate.active else 0.0,
    ]
