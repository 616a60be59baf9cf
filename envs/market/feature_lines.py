"""What the features need of a whole window: indicators with a memory, by TA-Lib."""

from __future__ import annotations

from typing import Any

import numpy as np

from envs.core.types import NS_PER_DAY, Float64Array
from envs.market import ta
from envs.market.indicators import Window, efficiency_ratio, ratio

RETURN_BARS = (1, 2, 4, 8, 12, 24, 48, 72, 168, 336)
DEVIATION_BARS = (8, 24, 72, 168, 720)
RANGE_BARS = (24, 72, 168)
_MAX_WINDOW = 1000

Lines = dict[str, Any]
"""The bars of a window and indicators along it, by name; rows first (time in ns is int64)."""


def lines_of(w: Window, atr: Float64Array, interval_ns: int) -> Lines:
    """Bars and indicators (T,) of one window; NaN while a lookback is incomplete."""
    log_returns = np.empty(len(w))
    log_returns[0] = np.nan
    log_returns[1:] = ta.LN(w.close[1:] / w.close[:-1])
    out: Lines = {
        "open": w.open, "high": w.high, "low": w.low, "close": w.close, "volume": w.volume,
        "funding": w.funding, "basis": w.basis, "close_ns": w.close_ns, "atr": atr,
        "log_returns": log_returns,
    }  # fmt: skip
    _add_prices(out, w)
    _add_volume(out, w)
    for n in RETURN_BARS:
        out[f"return_{n}"] = log_returns if n == 1 else ta.SUM(log_returns, n)
    for n in DEVIATION_BARS:
        out[f"std_{n}"] = ta.STDDEV(log_returns, n)
    short, long = funding_bars(interval_ns)
    out["funding_short"], out["funding_long"] = ta.SMA(w.funding, short), ta.SMA(w.funding, long)
    out["funding_std"] = ta.STDDEV(w.funding, long)
    return out


def funding_bars(interval_ns: int) -> tuple[int, int]:
    """Bars of the short and the long mean of funding: 3 and 30 days, bounded."""
    per_day = max(1, NS_PER_DAY // interval_ns)
    return min(_MAX_WINDOW, max(2, 3 * per_day)), min(_MAX_WINDOW, max(3, 30 * per_day))


def volume_flow(w: Window) -> Float64Array:
    """Volume times the change of the close, 0 where there is none."""
    before = np.full_like(w.close, np.nan)
    before[1:] = w.close[:-1]
    return np.asarray(w.volume * np.nan_to_num(ratio(w.close, before) - 1.0))


def _add_prices(out: Lines, w: Window) -> None:
    high, low, close = w.high, w.low, w.close
    out["rsi_14"] = ta.RSI(close, 14)
    out["macd"], out["macd_signal"], out["macd_hist"] = ta.MACD(close, 12, 26, 9)
    out["stoch_k"], out["stoch_d"] = ta.STOCH(high, low, close, 14, slowk_period=3, slowd_period=3)
    out["rocp_10"] = ta.ROCP(close, 10)
    for n in (5, 10, 20):
        out[f"mom_{n}"] = ta.MOM(close, n)
    out["adx_14"] = ta.ADX(high, low, close, 14)
    out["plus_di_14"], out["minus_di_14"] = (
        f(high, low, close, 14) for f in (ta.PLUS_DI, ta.MINUS_DI)
    )
    out["er_20"] = efficiency_ratio(close, 20)
    for n in (9, 21, 50, 200):
        out[f"ema_{n}"] = ta.EMA(close, n)
    for n in (20, 50):
        out[f"sma_{n}"] = ta.SMA(close, n)
    out["bb_upper"], out["bb_middle"], out["bb_lower"] = ta.BBANDS(close, 20, 2.0, 2.0)
    for n in RANGE_BARS:
        out[f"max_{n}"], out[f"min_{n}"] = ta.MAX(high, n), ta.MIN(low, n)
    out["atr_100"] = ta.ATR(high, low, close, 100)


def _add_volume(out: Lines, w: Window) -> None:
    out["volume_20"], out["volume_168"] = ta.SMA(w.volume, 20), ta.SMA(w.volume, 168)
    out["volume_sum_50"] = ta.SUM(w.volume, 50)
    obv = ta.OBV(w.close, w.volume)
    out["obv"], out["obv_sma_50"], out["obv_ema_21"] = obv, ta.SMA(obv, 50), ta.EMA(obv, 21)
    out["vpt_50"] = ta.SUM(volume_flow(w), 50)
