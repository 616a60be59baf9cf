"""Cost-aware triple-barrier labels on the decision bar's next open (spec 2, Labels)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from envs.core.market_data import MarketData
from envs.core.series import slippage_column
from envs.core.settings import CostSettings
from envs.core.types import BoolArray, Float64Array, Int64Array

BARRIER_ATR = 1.5


@dataclass(frozen=True)
class Labels:
    """Columns (T, S); NaN or -1 where the label is unknown (no ATR, no next bar, end of data).

    ``y_long``/``y_short``: 1.0 when that side's net profit at first touch or at the vertical
    barrier is > 0. ``gross``: the long side's outcome (exit/open(t+1) - 1) in units of
    ``atr_frac(t)``. ``end``: row at whose close the label is known. The barriers stand
    symmetrically, so both claims are resolved by the same touch.
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
    the bar's path decides. The vertical barrier is the close of bar t + H. Net profit is after
    taker fees and slippage of both fills, slippage at the volatility known before the fill's bar.
    """
    columns = []
    for i in range(market.n_symbols):
        ticks = (market.open_ticks, market.high_ticks, market.low_ticks, market.close_ticks)
        ohlc = np.stack([c[:, i] for c in ticks], axis=1).astype(np.float64)
        atr = market.atr[:, i] / float(market.instruments[i].tick)
        columns.append(
            label_bars(
                ohlc,
                market.valid[:, i],
                atr,
                market.atr_frac[:, i],
                horizon_bars,
                costs,
                barrier_atr,
            )
        )
    return Labels(
        np.stack([c.y_long for c in columns], axis=1),
        np.stack([c.y_short for c in columns], axis=1),
        np.stack([c.gross for c in columns], axis=1),
        np.stack([c.end for c in columns], axis=1),
    )


def label_bars(
    ohlc: Float64Array,
    valid: BoolArray,
    atr: Float64Array,
    atr_frac: Float64Array,
    horizon_bars: int,
    costs: CostSettings,
    barrier_atr: float = BARRIER_ATR,
) -> Labels:
    """Label the bars of one symbol.

    Args:
        ohlc: (T, 4) open, high, low, close in any one unit of price.
        valid: (T,) the bar exists; the prices of others are not read.
        atr: (T,) ATR at the close of each bar in the same unit, NaN while unknown.
        atr_frac: (T,) ATR over close.
        horizon_bars: bars up to the vertical barrier.
        costs: fees and slippage.
        barrier_atr: distance of the barriers in ATRs.

    Returns:
        Labels whose columns are (T,).
    """
    n = ohlc.shape[0]
    y_long, y_short, gross = (np.full(n, np.nan) for _ in range(3))
    end = np.full(n, -1, dtype=np.int64)
    slip = slippage_column(atr_frac, costs.slippage_min_bps, costs.slippage_max_bps)
    _compiled()(
        np.ascontiguousarray(ohlc),
        np.ascontiguousarray(valid),
        np.ascontiguousarray(atr),
        np.ascontiguousarray(atr_frac),
        slip,
        horizon_bars,
        barrier_atr,
        costs.taker_fee,
        y_long,
        y_short,
        gross,
        end,
    )
    return Labels(y_long, y_short, gross, end)


@cache
def _compiled() -> Any:
    from numba import njit

    return njit(cache=True)(_label_bars)


def _label_bars(
    ohlc: Any,
    valid: Any,
    atr: Any,
    atr_frac: Any,
    slip: Any,
    horizon: int,
    k: float,
    fee: float,
    y_long: Any,
    y_short: Any,
    gross: Any,
    end: Any,
) -> None:
    for t in range(ohlc.shape[0] - horizon):
        if not (atr[t] > 0.0) or not valid[t + 1]:
            continue
        entry = ohlc[t + 1, 0]
        upper = entry + k * atr[t]
        lower = entry - k * atr[t]
        last = t + horizon
        price = ohlc[last, 3] if valid[last] else np.nan
        for j in range(t + 1, t + horizon + 1):
            if not valid[j]:
                continue
            open_, high, low, close = ohlc[j, 0], ohlc[j, 1], ohlc[j, 2], ohlc[j, 3]
            if open_ >= upper or open_ <= lower:
                touched = open_
            elif high >= upper and (low > lower or close < open_):
                touched = upper
            elif low <= lower:
                touched = lower
            else:
                continue
            last, price = j, touched
            break
        if price != price:
            continue
        cost_in = fee + slip[t]
        cost_out = fee + slip[last - 1]
        move = price / entry - 1.0
        net_long = move - cost_in - cost_out * (1.0 + move)
        net_short = -move - cost_in - cost_out * (1.0 + move)
        y_long[t] = net_long > 0.0
        y_short[t] = net_short > 0.0
        gross[t] = move / atr_frac[t]
        end[t] = last
