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

from envs.core.types import NS_PER_DAY, NS_PER_HOUR, Float64Array, Int64Array
from envs.market.feature_lines import RANGE_BARS, RETURN_BARS, Lines, lines_of
from envs.market.indicators import Window, ratio

FORMULA_VERSION = 1
LAGS = 5
"""Rows before its own that a row of ``own_features`` looks at."""

REFERENCE = "BTCUSDT"
_MARKET_BARS = (8, 24, 72)
_RELATED = (*(f"ret_{n}" for n in _MARKET_BARS), "vol_24_168")


def window_features(w: Window, atr: Float64Array, interval_ns: int) -> dict[str, Float64Array]:
    """Own columns of one symbol along a window; NaN while a column's lookback is incomplete."""
    return own_features(lines_of(w, atr, interval_ns))


def own_features(x: Lines) -> dict[str, Float64Array]:
    """Own columns from the lines of one window (T,), or of the last bars of several (T, S).

    Every row depends on its own and the ``LAGS`` rows before it.
    """
    out: dict[str, Float64Array] = {}
    _candles(out, x)
    _momentum(out, x)
    _averages(out, x)
    _volume(out, x)
    _volatility(out, x)
    _returns(out, x)
    _funding(out, x)
    return out


def market_features(
    own: list[dict[str, Float64Array]], reference: int
) -> list[dict[str, Float64Array]]:
    """Columns relating each symbol to the reference (BTC) and to the mean of all, elementwise.

    ``reference`` is the index of BTC, or -1: then the cross-sectional mean stands in for it.
    Means run left to right in symbol order over the symbols known at the row.
    """
    means = {name: _mean(np.stack([o[name] for o in own], axis=-1)) for name in _RELATED}
    return [_related(o, own[reference] if reference >= 0 else means, means) for o in own]


def market_row(own: dict[str, Float64Array], reference: int) -> dict[str, Float64Array]:
    """``market_features`` of one row of all symbols: columns (S,) from own columns (S,)."""
    means = {name: _mean(own[name]) for name in _RELATED}
    btc = {name: own[name][reference] for name in _RELATED} if reference >= 0 else means
    wide = {name: np.full_like(own[name], btc[name]) for name in _RELATED}
    return _related(own, wide, means)


def _related(
    own: dict[str, Float64Array], btc: dict[str, Float64Array], means: dict[str, Float64Array]
) -> dict[str, Float64Array]:
    row: dict[str, Float64Array] = {}
    for n in _MARKET_BARS:
        name = f"ret_{n}"
        row[f"btc_{name}"] = btc[name]
        row[f"rel_btc_{name}"] = own[name] - btc[name]
        row[f"rel_mean_{name}"] = own[name] - means[name]
    row["btc_vol"] = btc["vol_24_168"]
    return row


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


def _candles(out: dict[str, Float64Array], x: Lines) -> None:
    first, high, low, close, atr = x["open"], x["high"], x["low"], x["close"], x["atr"]
    span = high - low
    body = close - first
    top, bottom = np.maximum(first, close), np.minimum(first, close)
    upper, lower = high - top, bottom - low
    before_body = _lag(body)
    gap = first - _lag(close)
    out["returns"] = ratio(close, _lag(close)) - 1.0
    out["log_returns"] = x["log_returns"]
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
    out["relative_spread"] = ratio(span, close)


def _momentum(out: dict[str, Float64Array], x: Lines) -> None:
    atr = x["atr"]
    out["rsi"] = x["rsi_14"] / 100.0
    out["macd"], out["macd_signal"] = ratio(x["macd"], atr), ratio(x["macd_signal"], atr)
    out["macd_hist"] = ratio(x["macd_hist"], atr)
    out["stoch_k"], out["stoch_d"] = x["stoch_k"] / 100.0, x["stoch_d"] / 100.0
    out["roc"] = x["rocp_10"]
    for n in (5, 10, 20):
        out[f"momentum_{n}"] = ratio(x[f"mom_{n}"], atr)
    out["acceleration"] = out["momentum_5"] - _lag(out["momentum_5"], 5)
    out["adx"] = x["adx_14"] / 100.0
    out["plus_di"] = x["plus_di_14"] / 100.0
    out["minus_di"] = x["minus_di_14"] / 100.0
    out["er_20"] = x["er_20"]


def _averages(out: dict[str, Float64Array], x: Lines) -> None:
    close, atr = x["close"], x["atr"]
    for n in (9, 21, 50, 200):
        ema = x[f"ema_{n}"]
        out[f"ema_{n}"] = ratio(close - ema, atr)
        out[f"ema_{n}_dist"] = ratio(close, ema) - 1.0
    for n in (20, 50):
        out[f"sma_{n}"] = ratio(close - x[f"sma_{n}"], atr)
    upper, middle, lower = x["bb_upper"], x["bb_middle"], x["bb_lower"]
    out["bb_middle"] = ratio(close - middle, atr)
    out["bb_upper"] = ratio(upper - close, atr)
    out["bb_lower"] = ratio(close - lower, atr)
    out["bb_width"] = ratio(upper - lower, middle)
    out["bb_position"] = ratio(close - lower, upper - lower)
    for n in RANGE_BARS:
        high, low = x[f"max_{n}"], x[f"min_{n}"]
        out[f"range_pos_{n}"] = ratio(close - low, high - low)


def _volume(out: dict[str, Float64Array], x: Lines) -> None:
    average, total = x["volume_20"], x["volume_sum_50"]
    out["volume_sma"] = ratio(average, x["volume_168"]) - 1.0
    out["volume_ratio"] = np.minimum(ratio(x["volume"], average), 20.0)
    out["obv"] = ratio(x["obv"] - x["obv_sma_50"], total)
    out["obv_ema"] = ratio(x["obv"] - x["obv_ema_21"], total)
    out["vpt"] = ratio(x["vpt_50"], total)


def _volatility(out: dict[str, Float64Array], x: Lines) -> None:
    atr = x["atr"]
    out["atr"] = ratio(atr, x["atr_100"])
    out["atr_pct"] = ratio(atr, x["close"])
    out["volatility"] = x["std_24"]
    out["vol_24_168"] = ratio(x["std_24"], x["std_168"])
    out["vol_8_72"] = ratio(x["std_8"], x["std_72"])
    out["vol_168_720"] = ratio(x["std_168"], x["std_720"])


def _returns(out: dict[str, Float64Array], x: Lines) -> None:
    for n in RETURN_BARS:
        scale = x["std_168"] * float(n) ** 0.5
        out[f"ret_{n}"] = np.clip(ratio(x[f"return_{n}"], scale), -8.0, 8.0)


def _funding(out: dict[str, Float64Array], x: Lines) -> None:
    out["funding_last"] = x["funding"] * 1e4
    out["funding_mean_3d"] = x["funding_short"] * 1e4
    spread, deviation = x["funding"] - x["funding_long"], x["funding_std"]
    usable = np.where(deviation < 1e-9, 0.0, deviation)
    out["funding_z_30d"] = np.clip(ratio(spread, usable), -8.0, 8.0)
    out["basis"] = np.clip(x["basis"] * 1e3, -20.0, 20.0)
    out["hours_to_funding"] = (8 * NS_PER_HOUR - x["close_ns"] % (8 * NS_PER_HOUR)) / (
        8 * NS_PER_HOUR
    )


def _lag(values: Float64Array, n: int = 1) -> Float64Array:
    out = np.full_like(values, np.nan)
    out[n:] = values[:-n]
    return out


def _mean(values: Float64Array) -> Float64Array:
    """Mean of the known values along the last axis, summed from left to right; NaN without any."""
    known = np.isfinite(values)
    # The sum begins with 0, which a sum of nothing but -0.0 shows.
    total = np.add.accumulate(np.where(known, values, 0.0), axis=-1)[..., -1] + 0.0
    count = known.sum(axis=-1).astype(np.float64)
    return ratio(np.asarray(total), np.where(count > 0, count, np.nan))
