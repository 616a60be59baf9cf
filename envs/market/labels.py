"""Cost-aware triple-barrier labels on the decision bar's next open (spec 2, Labels)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from envs.core.market_data import MarketData
from envs.core.series import slippage_column
from envs.core.settings import CostSettings
from envs.core.types import Float64Array, Int64Array

BARRIER_ATR = 1.5


@dataclass(frozen=True)
class Labels:
    """Columns (T, S); NaN or -1 where the label is unknown (no ATR, no next bar, end of data).

    ``y_long``/``y_short``: 1.0 when that side's net profit at first touch or at the vertical
    barrier is > 0. ``gross``: the long side's outcome (exit/open(t+1) - 1) in units of
    ``atr_frac(t)``. ``end``: row at whose close the label is known. Both barriers use the long
    side's walk: the two claims are resolved at the same touch.
    """

    y_long: Float64Array
    y_short: Float64Array
    gross: Float64Array
    end: Int64Array

    def classes(self) -> Float64Array:
        """2 LONG, 0 SHORT, 1 HOLD, NaN unknown."""
        out = np.where(self.y_long > 0.5, 2.0, np.where(self.y_short > 0.5, 0.0, 1.0))
        return np.where(np.isnan(self.y_long), np.nan, out)


def triple_barrier(
    market: MarketData, horizon_bars: int, costs: CostSettings, barrier_atr: float = BARRIER_ATR
) -> Labels:
    """Label every bar; entries at the next open, barriers ``+-k*ATR(t)`` around it, path rule.

    A bar that opens beyond a barrier ends there at its open; both touched in one bar: the order of
    the bar's path decides. The vertical barrier is the close of bar t + H.
    """
    t, s = market.valid.shape
    y_long, y_short = np.full((t, s), np.nan), np.full((t, s), np.nan)
    gross, end = np.full((t, s), np.nan), np.full((t, s), -1, dtype=np.int64)
    for i in range(s):
        tick = float(market.instruments[i].tick)
        slip = slippage_column(
            market.atr_frac[:, i], costs.slippage_min_bps, costs.slippage_max_bps
        )
        _compiled()(
            market.open_ticks[:, i].copy(), market.high_ticks[:, i].copy(),
            market.low_ticks[:, i].copy(), market.close_ticks[:, i].copy(),
            market.valid[:, i].copy(), market.atr[:, i] / tick, market.atr_frac[:, i].copy(), slip,
            horizon_bars, barrier_atr, costs.taker_fee, y_long[:, i], y_short[:, i], gross[:, i],
            end[:, i],
        )  # fmt: skip
    return Labels(y_long, y_short, gross, end)


@cache
def _compiled() -> Any:
    from numba import njit

    return njit(cache=True)(_label_symbol)


def _label_symbol(
    o: Any, h: Any, low: Any, c: Any, valid: Any, atr: Any, atr_frac: Any, slip: Any, horizon: int,
    k: float, fee: float, y_long: Any, y_short: Any, gross: Any, end: Any,
) -> None:
    n = o.shape[0]
    for t in range(n - horizon):
        if not (atr[t] > 0.0) or not valid[t + 1]:
            continue
        entry = float(o[t + 1])
        upper = entry + k * atr[t]
        lower = entry - k * atr[t]
        price = 0.0
        last = t + horizon
        for j in range(t + 1, t + horizon + 1):
            if not valid[j]:
                continue
            if o[j] >= upper or o[j] <= lower:
                price = float(o[j])
            elif h[j] >= upper and (low[j] > lower or c[j] < o[j]):
                price = upper
            elif low[j] <= lower:
                price = lower
            if price > 0.0:
                last = j
                break
        if price == 0.0:
            if not valid[last]:
                continue
            price = float(c[last])
        cost_in = fee + slip[t]
        cost_out = fee + slip[last - 1]
        move = price / entry - 1.0
        net_long = move - cost_in - cost_out * (1.0 + move)
        net_short = -move - cost_in - cost_out * (1.0 + move)
        y_long[t] = 1.0 if net_long > 0.0 else 0.0
        y_short[t] = 1.0 if net_short > 0.0 else 0.0
        gross[t] = move / atr_frac[t]
        end[t] = last
