"""Regimes along a window: runtime regime with hysteresis, market state, sizing regime (spec 3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
from envs.market.feature_lines import Lines
from envs.market.indicators import (
    QUANTILE_MIN,
    WARMUP_BARS,
    Window,
    choppiness_of,
    efficiency_ratio,
    ratio,
    rolling_median,
    rolling_quantile,
)
from envs.market.settings import MarketSettings

MEDIAN_BARS = 100
CHOP_BARS = 14
_CONFIRM_BARS = 2
_BREAKOUT_BARS = 10


@dataclass(frozen=True)
class Regimes:
    """Columns along a window or over the symbols of one bar, -1 (or NaN) while unknown.

    ATR in quote.
    """

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
    n = len(w)
    lines = regime_lines(w)
    atr_frac = ratio(lines["atr"], w.close)
    median = rolling_median(atr_frac, MEDIAN_BARS, first)
    if settings.sizing_high_vol_mode == "relative":
        q = settings.sizing_high_vol_quantile
        level = rolling_quantile(atr_frac, WARMUP_BARS, q, QUANTILE_MIN, first)
    else:
        level = np.full(n, settings.sizing_high_vol)
    keepers = [keeper or Hysteresis(settings)] * (n - first)
    found = regimes_of(
        {name: values[first:] for name, values in lines.items()}, atr_frac[first:],
        median[first:], level[first:], settings, keepers, range(first, n),
    )  # fmt: skip
    runtime, sizing, state = (np.full(n, -1, dtype=np.int8) for _ in range(3))
    risk = np.full(n, np.nan)
    runtime[first:], sizing[first:] = found.runtime, found.sizing
    state[first:], risk[first:] = found.state, found.risk_score
    return Regimes(lines["atr"], atr_frac, runtime, sizing, state, risk)


def regime_lines(w: Window) -> Lines:
    """Indicators (T,) of a window that the regimes are read from; NaN while one is incomplete."""
    high, low, close = w.high, w.low, w.close
    max_20, min_20 = ta.MAX(high, 20), ta.MIN(low, 20)
    ema_21 = ta.EMA(close, 21)
    return {
        "close": close, "atr": ta.ATR(high, low, close, 14), "atr_50": ta.ATR(high, low, close, 50),
        "adx_14": ta.ADX(high, low, close, 14), "er_20": efficiency_ratio(close, 20),
        "ema_9": ta.EMA(close, 9), "ema_21": ema_21, "ema_50": ta.EMA(close, 50),
        "ema_21_change": ta.MOM(ema_21, 10), "mom_5": ta.MOM(close, 5),
        "max_20": max_20, "min_20": min_20,
        "max_20_before": _before(max_20), "min_20_before": _before(min_20),
        "travelled_14": ta.SUM(ta.TRANGE(high, low, close), CHOP_BARS),
        "span_14": ta.MAX(high, CHOP_BARS) - ta.MIN(low, CHOP_BARS),
        "flips": ta.SUM(turns(close), 9),
    }  # fmt: skip


def turns(close: Float64Array) -> Float64Array:
    """1 where the close turned: its last two changes have different signs."""
    signs = np.sign(np.diff(close, prepend=np.nan))
    turned = np.zeros_like(close)
    turned[2:] = signs[2:] * signs[1:-1] < 0.0
    return turned


def regimes_of(
    x: Lines,
    atr_frac: Float64Array,
    median: Float64Array,
    level: Float64Array,
    settings: MarketSettings,
    keepers: Sequence[Hysteresis],
    places: Iterable[int],
) -> Regimes:
    """Regimes from their lines, element by element: rows of a window, or symbols of one bar.

    ``atr_frac`` is ATR/close, ``median`` and ``level`` (of high volatility) are its; ``keepers``
    hold each element's memory and ``places`` its row in its window.
    """
    runtime = _runtime(x, atr_frac, settings, keepers, places)
    sizing = _sizing(x, atr_frac, level, settings)
    state, risk = _states(x, atr_frac, median)
    return Regimes(x["atr"], atr_frac, runtime, sizing, state, risk)


def _runtime(
    x: Lines,
    atr_frac: Float64Array,
    settings: MarketSettings,
    keepers: Sequence[Hysteresis],
    places: Iterable[int],
) -> Int8Array:
    close, adx, er20 = x["close"], x["adx_14"], x["er_20"]
    ema9, ema21, ema50 = x["ema_9"], x["ema_21"], x["ema_50"]
    aligned = ((ema9 > ema21) & (ema21 > ema50)) | ((ema9 < ema21) & (ema21 < ema50))
    beyond = np.where(close > x["max_20_before"], 1, np.where(close < x["min_20_before"], -1, 0))
    expansion = ratio(x["atr"], x["atr_50"])
    m5 = ratio(x["mom_5"], x["atr"])
    known = np.isfinite(adx) & np.isfinite(ema50) & np.isfinite(expansion) & np.isfinite(er20)
    columns = known, adx, aligned, beyond, expansion, m5, er20, atr_frac
    rows = zip(places, keepers, *(c.tolist() for c in columns), strict=True)
    out = []
    s = settings
    for t, keeper, ok, a, al, be, ex, m, er, frac in rows:
        if not ok:
            out.append(-1)
            continue
        was = keeper.confirmed == TRENDING
        raw, plain = (
            raw_regime(
                a, al, side, ex, m, er, frac, was, s.adx_trend, s.adx_range, s.er_gap,
                s.high_vol, s.expansion,
            )
            for side in (be, 0)
        )  # fmt: skip
        out.append(keeper.next(raw, plain, t))
    return np.array(out, dtype=np.int8)


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
    x: Lines, atr_frac: Float64Array, level: Float64Array, settings: MarketSettings
) -> Int8Array:
    adx, er20 = x["adx_14"], x["er_20"]
    chop = choppiness_of(x["travelled_14"], x["span_14"], CHOP_BARS)
    trending = (adx >= settings.adx_trend) | (er20 > 0.60)
    high = atr_frac >= level
    known = np.isfinite(adx) & np.isfinite(er20) & np.isfinite(chop) & np.isfinite(level)
    known &= np.isfinite(atr_frac)
    rows = zip(*(c.tolist() for c in (known, trending, high, chop)), strict=True)
    return np.array(
        [sizing_regime(tr, hi, ch, settings.sizing_chop) if ok else -1 for ok, tr, hi, ch in rows],
        dtype=np.int8,
    )


def _states(
    x: Lines, atr_frac: Float64Array, median: Float64Array
) -> tuple[Int8Array, Float64Array]:
    atr = x["atr"]
    to_mean = ratio(x["close"] - x["ema_50"], 3.0 * atr)
    slope = ratio(x["ema_21_change"], 2.0 * atr)
    vol = ratio(atr_frac, median)
    width = ratio(x["max_20"] - x["min_20"], atr)
    known = np.isfinite(to_mean) & np.isfinite(slope) & np.isfinite(vol) & np.isfinite(width)
    rows = zip(*(c.tolist() for c in (known, to_mean, slope, vol, width, x["flips"])), strict=True)
    out = [
        market_state(trend_score(mean, slant), v, wide, round(flips)) if ok else -1
        for ok, mean, slant, v, wide, flips in rows
    ]
    return np.array(out, dtype=np.int8), np.asarray(1.0 - np.minimum(1.0, vol / 3.0))


def _before(values: Float64Array) -> Float64Array:
    """Values of the bar before."""
    out = np.empty_like(values)
    out[0] = np.nan
    out[1:] = values[:-1]
    return out
