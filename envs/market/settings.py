"""Settings of the market layer: regimes and gaps (spec 2, 3)."""

from __future__ import annotations

from dataclasses import dataclass

from envs.core.settings import setting


@dataclass(frozen=True)
class MarketSettings:
    """Thresholds of the regime rules and the gap policy."""

    max_gap_bars: int = setting(
        3, "QT_MAX_GAP_BARS", "bars", "longest gap a window may contain", ge=0, le=1000
    )
    adx_trend: float = setting(
        25.0, "REGIME_ADX_TREND", "index", "ADX of a trend", gt=0.0, lt=100.0
    )
    adx_range: float = setting(
        20.0, "REGIME_ADX_RANGE", "index", "ADX below which nothing trends", gt=0.0, lt=100.0
    )
    er_gap: float = setting(
        0.50, "REGIME_ER_GAP", "ratio", "efficiency that decides between the two", ge=0.0, le=1.0
    )
    high_vol: float = setting(
        0.02, "REGIME_HIGH_VOL", "frac", "ATR/close of a choppy market", gt=0.0, lt=1.0
    )
    expansion: float = setting(
        1.25, "REGIME_EXPANSION", "ratio", "ATR14/ATR50 of a breakout", gt=0.0, lt=10.0
    )
    lock_changes: int = setting(
        3, "REGIME_LOCK_CHANGES", "count", "changes that lock the regime", ge=1, le=100
    )
    lock_window_bars: int = setting(
        6, "REGIME_LOCK_WINDOW_BARS", "bars", "window of those changes", ge=1, le=1000
    )
    lock_bars: int = setting(2, "REGIME_LOCK_BARS", "bars", "length of the lock", ge=0, le=1000)
    sizing_high_vol_mode: str = setting(
        "relative",
        "RL_SIZING_HIGH_VOL_MODE",
        "relative, absolute",
        "high-volatility rule",
        choices=("relative", "absolute"),
    )
    sizing_high_vol_quantile: float = setting(
        0.75, "RL_SIZING_HIGH_VOL_QUANTILE", "quantile", "of own last 1,024 bars", gt=0.0, lt=1.0
    )
    sizing_high_vol: float = setting(
        0.02, "RL_SIZING_HIGH_VOL", "frac", "ATR/close in absolute mode", gt=0.0, lt=1.0
    )
    sizing_chop: float = setting(
        61.8, "RL_SIZING_CHOP", "index", "choppiness of a choppy market", gt=0.0, le=100.0
    )
