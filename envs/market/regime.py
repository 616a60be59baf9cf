"""Regimes along a window: runtime regime with hysteresis, market state, sizing regime (spec 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.core.rules.regime import (
    BREAKOUT,
    TRENDING,
    market_state,
    raw_regime,
    sizing_regime,
    trend_score,
)
from envs.core.types import Float64Array, Int8Array
from envs.market import ta
from envs.market.indicators import (
    QUANTILE_MIN,
    WARMUP_BARS,
    Window,
    choppiness,
    efficiency_ratio,
    ratio,
    rolling_median,
    rolling_quantile,
)
from envs.market.settings import MarketSettings

_CONFIRM_BARS = 2
_BREAKOUT_BARS = 10
_STATE_MEDIAN_BARS = 100


@dataclass(frozen=True)
class Regimes:
    """Columns along a window, -1 (or NaN) while unknown; ATR in quote."""

    atr: Float64Array
    atr_frac: Float64Array
    runtime: Int8Array
    sizing: Int8Array
    state: Int8Array
    risk_score: Float64Array


def regimes(
    w: Window, settings: MarketSettings, first: int = 0, keeper: Hysteresis | None = None
) -> Regimes:
    """Compute all regimes of a window; values at a row depend on rows up to it only.

    From the row ``first`` on: regimes and risk before it stay unknown. ``keeper`` is what the rows
    before it left, and is carried on.
    """
    atr = ta.ATR(w.high, w.low, w.close, 14)
    atr_frac = ratio(atr, w.close)
    adx = ta.ADX(w.high, w.low, w.close, 14)
    er20 = efficiency_ratio(w.close, 20)
    keeper = keeper or Hysteresis(settings)
    runtime = _runtime(w, atr, atr_frac, adx, er20, settings, first, keeper)
    sizing = _sizing(w, atr_frac, adx, er20, settings, first)
    state, risk = _states(w, atr, atr_frac, first)
    return Regimes(atr, atr_frac, runtime, sizing, state, risk)


def _runtime(
    w: Window,
    atr: Float64Array,
    atr_frac: Float64Array,
    adx: Float64Array,
    er20: Float64Array,
    settings: MarketSettings,
    first: int,
    keeper: Hysteresis,
) -> Int8Array:
    ema9, ema21, ema50 = (ta.EMA(w.close, n) for n in (9, 21, 50))
    aligned = ((ema9 > ema21) & (ema21 > ema50)) | ((ema9 < ema21) & (ema21 < ema50))
    high20, low20 = _before(ta.MAX(w.high, 20)), _before(ta.MIN(w.low, 20))
    beyond = np.where(w.close > high20, 1, np.where(w.close < low20, -1, 0))
    expansion = ratio(atr, ta.ATR(w.high, w.low, w.close, 50))
    m5 = ratio(ta.MOM(w.close, 5), atr)
    known = np.isfinite(adx) & np.isfinite(ema50) & np.isfinite(expansion) & np.isfinite(er20)
    columns = known, adx, aligned, beyond, expansion, m5, er20, atr_frac
    rows = zip(*(x[first:].tolist() for x in columns), strict=True)
    out = np.full(len(w), -1, dtype=np.int8)
    s = settings
    for t, (ok, a, al, be, ex, m, er, frac) in enumerate(rows, first):
        if ok:
            was = keeper.confirmed == TRENDING
            raw, plain = (
                raw_regime(
                    a, al, side, ex, m, er, frac, was, s.adx_trend, s.adx_range, s.er_gap,
                    s.high_vol, s.expansion,
                )
                for side in (be, 0)
            )  # fmt: skip
            out[t] = keeper.next(raw, plain, t)
    return out


class Hysteresis:
    """Confirmation, length of a breakout and lock of spec 3.1; starts from the first raw regime.

    A regime other than BREAKOUT must come twice in a row. BREAKOUT acts at once; after 10 bars it
    yields to what the other rules say, and acts again only after a bar that is none.
    """

    def __init__(self, settings: MarketSettings) -> None:
        self.confirmed = -1
        self._settings = settings
        self._wanted, self._seen = -1, 0
        self._breakout_bars = 0
        self._spent = False
        self._changes: list[int] = []
        self._locked_until = -1

    def next(self, raw: int, plain: int, t: int) -> int:
        """Confirmed regime after bar t; ``plain`` is its raw regime without the breakout rule."""
        if self.confirmed < 0:
            self.confirmed = self._wanted = raw
            self._seen = 1
            return raw
        self._breakout_bars = self._breakout_bars + 1 if self.confirmed == BREAKOUT else 0
        expired = self._breakout_bars >= _BREAKOUT_BARS
        self._spent = raw == BREAKOUT and (self._spent or expired)
        if self._spent:
            raw = plain
        self._seen = self._seen + 1 if raw == self._wanted else 1
        self._wanted = raw
        ready = raw == BREAKOUT or self._seen >= _CONFIRM_BARS
        if raw != self.confirmed and (expired or (ready and t > self._locked_until)):
            self._change(raw, t)
        return self.confirmed

    def _change(self, raw: int, t: int) -> None:
        self.confirmed = raw
        self._breakout_bars = 0
        s = self._settings
        self._changes = [x for x in self._changes if t - x < s.lock_window_bars] + [t]
        if len(self._changes) >= s.lock_changes:
            self._locked_until = t + s.lock_bars
            self._changes = []


def _sizing(
    w: Window,
    atr_frac: Float64Array,
    adx: Float64Array,
    er20: Float64Array,
    settings: MarketSettings,
    first: int,
) -> Int8Array:
    chop = choppiness(w, ta.TRANGE(w.high, w.low, w.close), 14, first)
    if settings.sizing_high_vol_mode == "relative":
        level = rolling_quantile(
            atr_frac, WARMUP_BARS, settings.sizing_high_vol_quantile, QUANTILE_MIN, first
        )
    else:
        level = np.full(len(w), settings.sizing_high_vol)
    trending = (adx >= settings.adx_trend) | (er20 > 0.60)
    high = atr_frac >= level
    known = np.isfinite(adx) & np.isfinite(er20) & np.isfinite(chop) & np.isfinite(level)
    known &= np.isfinite(atr_frac)
    out = np.full(len(w), -1, dtype=np.int8)
    for t in np.flatnonzero(known).tolist():
        out[t] = sizing_regime(
            bool(trending[t]), bool(high[t]), float(chop[t]), settings.sizing_chop
        )
    return out


def _states(
    w: Window, atr: Float64Array, atr_frac: Float64Array, first: int
) -> tuple[Int8Array, Float64Array]:
    to_mean = ratio(w.close - ta.EMA(w.close, 50), 3.0 * atr)
    slope = ratio(ta.MOM(ta.EMA(w.close, 21), 10), 2.0 * atr)
    median = rolling_median(atr_frac, _STATE_MEDIAN_BARS, first)
    vol = ratio(atr_frac, median)
    width = ratio(ta.MAX(w.high, 20) - ta.MIN(w.low, 20), atr)
    signs = np.sign(np.diff(w.close, prepend=np.nan))
    turned = np.zeros(len(w))
    turned[2:] = (signs[2:] * signs[1:-1] < 0.0).astype(np.float64)
    flips = ta.SUM(turned, 9)
    out = np.full(len(w), -1, dtype=np.int8)
    known = np.isfinite(to_mean) & np.isfinite(slope) & np.isfinite(vol) & np.isfinite(width)
    for t in np.flatnonzero(known).tolist():
        score = trend_score(float(to_mean[t]), float(slope[t]))
        out[t] = market_state(score, float(vol[t]), float(width[t]), round(float(flips[t])))
    return out, np.asarray(1.0 - np.minimum(1.0, vol / 3.0))


def _before(values: Float64Array) -> Float64Array:
    """Values of the bar before."""
    out = np.empty_like(values)
    out[0] = np.nan
    out[1:] = values[:-1]
    return out
