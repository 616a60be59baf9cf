"""Feature schema v1: scale-free columns, one model serves all symbols (spec 2).

``window_features`` computes one symbol's own columns along an anchored window; columns that relate
symbols are elementwise combinations of those. No raw level enters.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from math import cos, sin, tau

import numpy as np
import talib

from envs.core.types import NS_PER_DAY, NS_PER_HOUR, Float64Array, Int64Array
from envs.market.indicators import Window, efficiency_ratio, ratio

FORMULA_VERSION = 1
RETURN_BARS = (1, 2, 4, 8, 12, 24, 48, 72, 168, 336)
RANGE_BARS = (24, 72, 168)
REFERENCE = "BTCUSDT"
_MARKET_BARS = (8, 24, 72)
_MAX_WINDOW = 1000


def window_features(w: Window, atr: Float64Array, interval_ns: int) -> dict[str, Float64Array]:
    """Own columns of one symbol along a window; NaN while a column's lookback is incomplete."""
    out: dict[str, Float64Array] = {}
    log_returns = np.empty(len(w))
    log_returns[0] = np.nan
    log_returns[1:] = talib.LN(w.close[1:] / w.close[:-1])
    volatility = talib.STDDEV(log_returns, 168)
    _candles(out, w, atr, log_returns)
    _momentum(out, w, atr)
    _averages(out, w, atr)
    _volume(out, w)
    _volatility(out, w, atr, log_returns, volatility)
    _returns(out, log_returns, volatility)
    _funding(out, w, interval_ns)
    return out


def market_features(
    own: list[dict[str, Float64Array]], reference: int
) -> list[dict[str, Float64Array]]:
    """Columns relating each symbol to the reference (BTC) and to the mean of all, elementwise.

    ``reference`` is the index of BTC, or -1: then the cross-sectional mean stands in for it.
    Means run left to right in symbol order over the symbols known at the row.
    """
    means = {f"ret_{n}": _mean([o[f"ret_{n}"] for o in own]) for n in _MARKET_BARS}
    vol_mean = _mean([o["vol_24_168"] for o in own])
    out: list[dict[str, Float64Array]] = []
    for o in own:
        row: dict[str, Float64Array] = {}
        for n in _MARKET_BARS:
            name = f"ret_{n}"
            btc = own[reference][name] if reference >= 0 else means[name]
            row[f"btc_{name}"] = btc
            row[f"rel_btc_{name}"] = o[name] - btc
            row[f"rel_mean_{name}"] = o[name] - means[name]
        row["btc_vol"] = own[reference]["vol_24_168"] if reference >= 0 else vol_mean
        out.append(row)
    return out


def calendar_features(close_ns: Int64Array) -> dict[str, Float64Array]:
    """Hour of day and day of week of the close, cyclic."""
    day = [(t % NS_PER_DAY) / NS_PER_DAY for t in close_ns.tolist()]
    week = [
        ((t // NS_PER_DAY + 3) % 7 + d) / 7.0 for t, d in zip(close_ns.tolist(), day, strict=True)
    ]
    return {
        "hour_sin": np.array([sin(tau * x) for x in day]),
        "hour_cos": np.array([cos(tau * x) for x in day]),
        "weekday_sin": np.array([sin(tau * x) for x in week]),
        "weekday_cos": np.array([cos(tau * x) for x in week]),
    }


@cache
def feature_names() -> tuple[str, ...]:
    """Names of all columns in their order."""
    two = np.ones(2)
    window = Window(two, two, two, two, two, two, two, np.zeros(2, dtype=np.int64))
    own = window_features(window, two, NS_PER_HOUR)
    related = market_features([own], 0)[0]
    return (*own, *related, *calendar_features(window.close_ns))


def schema_hash(names: tuple[str, ...]) -> str:
    """SHA-256 of the ordered (name, dtype, formula version) list."""
    schema = [(n, "float64", FORMULA_VERSION) for n in names]
    return hashlib.sha256(json.dumps(schema).encode()).hexdigest()


def _candles(
    out: dict[str, Float64Array], w: Window, atr: Float64Array, log_returns: Float64Array
) -> None:
    span = w.high - w.low
    body = w.close - w.open
    top, bottom = np.maximum(w.open, w.close), np.minimum(w.open, w.close)
    upper, lower = w.high - top, bottom - w.low
    before_body = _lag(body)
    gap = w.open - _lag(w.close)
    out["returns"] = ratio(w.close, _lag(w.close)) - 1.0
    out["log_returns"] = log_returns
    out["price_range"] = ratio(span, atr)
    out["body_size"] = ratio(body, atr)
    out["upper_wick"] = ratio(upper, atr)
    out["lower_wick"] = ratio(lower, atr)
    out["is_doji"] = (np.abs(body) <= 0.1 * span).astype(np.float64)
    hammer = (lower >= 2.0 * np.abs(body)) & (upper <= 0.3 * span)
    out["is_hammer"] = hammer.astype(np.float64)
    engulfs = (body * before_body < 0.0) & (np.abs(body) > np.abs(before_body))
    out["is_engulfing"] = np.where(engulfs, np.sign(body), 0.0)
    out["gap_up"] = np.maximum(ratio(gap, atr), 0.0)
    out["gap_down"] = np.maximum(ratio(-gap, atr), 0.0)
    out["relative_spread"] = ratio(span, w.close)


def _momentum(out: dict[str, Float64Array], w: Window, atr: Float64Array) -> None:
    out["rsi"] = talib.RSI(w.close, 14) / 100.0
    macd, signal, hist = talib.MACD(w.close, 12, 26, 9)
    out["macd"], out["macd_signal"] = ratio(macd, atr), ratio(signal, atr)
    out["macd_hist"] = ratio(hist, atr)
    k, d = talib.STOCH(w.high, w.low, w.close, 14, slowk_period=3, slowd_period=3)
    out["stoch_k"], out["stoch_d"] = k / 100.0, d / 100.0
    out["roc"] = talib.ROCP(w.close, 10)
    for n in (5, 10, 20):
        out[f"momentum_{n}"] = ratio(talib.MOM(w.close, n), atr)
    out["acceleration"] = out["momentum_5"] - _lag(out["momentum_5"], 5)
    out["adx"] = talib.ADX(w.high, w.low, w.close, 14) / 100.0
    out["plus_di"] = talib.PLUS_DI(w.high, w.low, w.close, 14) / 100.0
    out["minus_di"] = talib.MINUS_DI(w.high, w.low, w.close, 14) / 100.0
    out["er_20"] = efficiency_ratio(w.close, 20)


def _averages(out: dict[str, Float64Array], w: Window, atr: Float64Array) -> None:
    for n in (9, 21, 50, 200):
        ema = talib.EMA(w.close, n)
        out[f"ema_{n}"] = ratio(w.close - ema, atr)
        out[f"ema_{n}_dist"] = ratio(w.close, ema) - 1.0
    for n in (20, 50):
        out[f"sma_{n}"] = ratio(w.close - talib.SMA(w.close, n), atr)
    upper, middle, lower = talib.BBANDS(w.close, 20, 2.0, 2.0)
    out["bb_middle"] = ratio(w.close - middle, atr)
    out["bb_upper"] = ratio(upper - w.close, atr)
    out["bb_lower"] = ratio(w.close - lower, atr)
    out["bb_width"] = ratio(upper - lower, middle)
    out["bb_position"] = ratio(w.close - lower, upper - lower)
    for n in RANGE_BARS:
        high, low = talib.MAX(w.high, n), talib.MIN(w.low, n)
        out[f"range_pos_{n}"] = ratio(w.close - low, high - low)


def _volume(out: dict[str, Float64Array], w: Window) -> None:
    average = talib.SMA(w.volume, 20)
    total = talib.SUM(w.volume, 50)
    out["volume_sma"] = ratio(average, talib.SMA(w.volume, 168)) - 1.0
    out["volume_ratio"] = np.minimum(ratio(w.volume, average), 20.0)
    obv = talib.OBV(w.close, w.volume)
    out["obv"] = ratio(obv - talib.SMA(obv, 50), total)
    out["obv_ema"] = ratio(obv - talib.EMA(obv, 21), total)
    change = ratio(w.close, _lag(w.close)) - 1.0
    weighted = w.volume * np.nan_to_num(change)
    out["vpt"] = ratio(talib.SUM(weighted, 50), total)


def _volatility(
    out: dict[str, Float64Array],
    w: Window,
    atr: Float64Array,
    log_returns: Float64Array,
    volatility: Float64Array,
) -> None:
    out["atr"] = ratio(atr, talib.ATR(w.high, w.low, w.close, 100))
    out["atr_pct"] = ratio(atr, w.close)
    out["volatility"] = talib.STDDEV(log_returns, 24)
    out["vol_24_168"] = ratio(out["volatility"], volatility)
    out["vol_8_72"] = ratio(talib.STDDEV(log_returns, 8), talib.STDDEV(log_returns, 72))
    out["vol_168_720"] = ratio(volatility, talib.STDDEV(log_returns, 720))


def _returns(
    out: dict[str, Float64Array], log_returns: Float64Array, volatility: Float64Array
) -> None:
    for n in RETURN_BARS:
        total = log_returns if n == 1 else talib.SUM(log_returns, n)
        out[f"ret_{n}"] = np.clip(ratio(total, volatility * float(n) ** 0.5), -8.0, 8.0)


def _funding(out: dict[str, Float64Array], w: Window, interval_ns: int) -> None:
    per_day = max(1, NS_PER_DAY // interval_ns)
    short = min(_MAX_WINDOW, max(2, 3 * per_day))
    long = min(_MAX_WINDOW, max(3, 30 * per_day))
    out["funding_last"] = w.funding * 1e4
    out["funding_mean_3d"] = talib.SMA(w.funding, short) * 1e4
    spread = w.funding - talib.SMA(w.funding, long)
    deviation = talib.STDDEV(w.funding, long)
    usable = np.where(deviation < 1e-9, 0.0, deviation)
    out["funding_z_30d"] = np.clip(ratio(spread, usable), -8.0, 8.0)
    out["basis"] = np.clip(w.basis * 1e3, -20.0, 20.0)
    out["hours_to_funding"] = (8 * NS_PER_HOUR - w.close_ns % (8 * NS_PER_HOUR)) / (8 * NS_PER_HOUR)


def _lag(values: Float64Array, n: int = 1) -> Float64Array:
    out = np.full_like(values, np.nan)
    out[n:] = values[:-n]
    return out


def _mean(columns: list[Float64Array]) -> Float64Array:
    total = np.zeros_like(columns[0])
    count = np.zeros_like(columns[0])
    for column in columns:
        known = np.isfinite(column)
        total = total + np.where(known, column, 0.0)
        count = count + known
    return ratio(total, np.where(count > 0, count, np.nan))
