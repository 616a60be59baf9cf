"""Regime rules (spec 3): runtime regime, market state, sizing regime; scalars in, numbers out."""

from __future__ import annotations

TRENDING = 0
RANGING = 1
CHOPPY = 2
BREAKOUT = 3


def raw_regime(
    adx: float,
    aligned: bool,
    beyond: int,
    expansion: float,
    m5: float,
    er20: float,
    atr_frac: float,
    was_trending: bool,
    adx_trend: float,
    adx_range: float,
    er_gap: float,
    high_vol: float,
    min_expansion: float,
) -> int:
    """First matching rule of spec 3.1; ``beyond`` is +1/-1 beyond the previous high/low, else 0."""
    if beyond != 0 and expansion >= min_expansion and beyond * m5 >= 1.0:
        return BREAKOUT
    if aligned and adx >= adx_trend:
        return TRENDING
    if aligned and adx >= adx_range and (was_trending or er20 >= er_gap):
        return TRENDING
    if atr_frac >= high_vol:
        return CHOPPY
    return RANGING


def trend_score(to_mean: float, slope: float) -> float:
    """T of spec 3.2 from ``(close-EMA50)/(3 ATR)`` and ``(EMA21-EMA21[-10])/(2 ATR)``."""
    return _clip(0.5 * _clip(to_mean) + 0.5 * _clip(slope))


def market_state(trend: float, vol: float, width: float, flips: int) -> int:
    """Market state 0..7 (order of ``MarketState``)."""
    if trend >= 0.60:
        return 0
    if trend <= -0.60:
        return 3
    if trend >= 0.25:
        return 1
    if trend <= -0.25:
        return 2
    if vol >= 1.5:
        return 4 if flips >= 6 else 5
    return 6 if width <= 5.0 else 7


def sizing_regime(trending: bool, high_vol: bool, chop: float, max_chop: float) -> int:
    """Sizing regime 0..4 (order of ``SizingRegime``); exhaustive and exclusive."""
    if trending:
        return 0 if high_vol else 1
    if not high_vol:
        return 3
    return 2 if chop < max_chop else 4


def volatility_level(atr_frac: float) -> int:
    """0 LOW, 1 NORMAL, 2 HIGH, 3 EXTREME."""
    if atr_frac < 0.005:
        return 0
    if atr_frac < 0.015:
        return 1
    if atr_frac < 0.03:
        return 2
    return 3


def _clip(x: float) -> float:
    if x > 1.0:
        return 1.0
    if x < -1.0:
        return -1.0
    return x
