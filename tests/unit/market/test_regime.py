"""Acceptance examples of the regimes, the hysteresis, and regimes along real and drawn bars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import talib

from envs.core.rules.regime import (
    market_state,
    raw_regime,
    sizing_regime,
    trend_score,
    volatility_level,
)
from envs.core.types import NS_PER_DAY, MarketState, Regime, SizingRegime
from envs.market.bars import RawSeries
from envs.market.build import load_market
from envs.market.indicators import Window
from envs.market.regime import Hysteresis, regimes
from envs.market.settings import MarketSettings
from envs.market.synthetic import SyntheticSettings, generate

S = MarketSettings()
T, R, C, B = Regime.TRENDING, Regime.RANGING, Regime.CHOPPY, Regime.BREAKOUT
Walk = Callable[..., RawSeries]


def raw(
    adx: float, *, aligned: bool = True, beyond: int = 0, expansion: float = 1.0, m5: float = 0.0,
    er20: float = 0.3, atr_frac: float = 0.01, was_trending: bool = False,
) -> Regime:  # fmt: skip
    return Regime(
        raw_regime(
            adx, aligned, beyond, expansion, m5, er20, atr_frac, was_trending, S.adx_trend,
            S.adx_range, S.er_gap, S.high_vol, S.expansion,
        )
    )  # fmt: skip


def test_rules_of_the_runtime_regime() -> None:
    assert raw(30.0) is T
    assert raw(25.0) is T
    assert raw(22.0, was_trending=True) is T
    assert raw(22.0, er20=0.5) is T
    assert raw(22.0) is R
    assert raw(19.9, er20=0.9, was_trending=True) is R
    assert raw(15.0, atr_frac=0.025) is C
    assert raw(15.0, atr_frac=0.02) is C
    assert raw(40.0, aligned=False) is R
    assert raw(40.0, aligned=False, atr_frac=0.03) is C


def test_a_breakout_needs_level_expansion_and_momentum_together() -> None:
    assert raw(30.0, beyond=1, expansion=1.25, m5=1.0) is B
    assert raw(10.0, beyond=-1, expansion=1.3, m5=-1.5) is B
    assert raw(30.0, beyond=1, expansion=1.24, m5=2.0) is T
    assert raw(30.0, beyond=1, expansion=1.5, m5=0.9) is T
    assert raw(30.0, beyond=1, expansion=1.5, m5=-2.0) is T
    assert raw(30.0, beyond=0, expansion=1.5, m5=2.0) is T


def test_market_states() -> None:
    def state(trend: float, vol: float = 1.0, width: float = 4.0, flips: int = 3) -> MarketState:
        return MarketState(market_state(trend, vol, width, flips))

    assert state(0.7) is MarketState.BULL_STRONG
    assert state(0.6) is MarketState.BULL_STRONG
    assert state(0.25) is MarketState.BULL_WEAK
    assert state(-0.3) is MarketState.BEAR_WEAK
    assert state(-0.6) is MarketState.BEAR_STRONG
    assert state(0.1, 2.0, flips=7) is MarketState.CHOPPY
    assert state(0.1, 1.5, flips=6) is MarketState.CHOPPY
    assert state(0.1, 2.0) is MarketState.VOLATILE
    assert state(0.0) is MarketState.SIDEWAYS_TIGHT
    assert state(0.0, width=5.0) is MarketState.SIDEWAYS_TIGHT
    assert state(0.0, width=6.0) is MarketState.SIDEWAYS_WIDE
    assert trend_score(3.0, 3.0) == 1.0
    assert trend_score(-0.4, 0.2) == pytest.approx(-0.1)


def test_one_input_per_sizing_regime() -> None:
    found = [
        sizing_regime(trending, high, chop, S.sizing_chop)
        for trending, high, chop in (
            (True, True, 70.0), (True, False, 70.0), (False, True, 61.7), (False, False, 70.0),
            (False, True, 61.8),
        )
    ]  # fmt: skip
    assert found == list(range(5)) == [x.value for x in SizingRegime if x >= 0]


def test_volatility_levels() -> None:
    levels = (0.0049, 0.005, 0.0149, 0.015, 0.0299, 0.03)
    assert [volatility_level(x) for x in levels] == [0, 1, 1, 2, 2, 3]


def confirmed(wanted: list[Regime], plain: Regime = R, **changed: int) -> list[Regime]:
    keeper = Hysteresis(replace(S, **changed))
    return [Regime(keeper.next(x, plain if x is B else x, t)) for t, x in enumerate(wanted)]


def test_a_new_regime_needs_two_bars_in_a_row() -> None:
    assert confirmed([R, T, R, T, T, C, T, C, C]) == [R, R, R, R, T, T, T, T, C]


def test_a_breakout_acts_at_once_and_ends_after_ten_bars() -> None:
    assert confirmed([R, B, R, R]) == [R, B, B, R]
    assert confirmed([R] + [B] * 13, plain=T) == [R] + [B] * 10 + [T] * 3
    assert confirmed([R] + [B] * 13 + [R, R, B], plain=C) == [R] + [B] * 10 + [C] * 4 + [R, B]


def test_three_changes_within_six_bars_lock_for_two() -> None:
    # Changes at bars 1, 3 and 4; bars 5 and 6 are locked, bar 7 may change again.
    wanted = [R, B, R, R, B, R, R, R, R]
    assert confirmed(wanted) == [R, B, B, R, B, B, B, R, R]
    assert confirmed(wanted, lock_bars=0) == [R, B, B, R, B, B, R, R, R]
    assert confirmed(wanted, lock_window_bars=3) == [R, B, B, R, B, B, R, R, R]


def window_of(series: RawSeries) -> Window:
    flat = np.zeros(series.close.shape[0])
    return Window(
        series.open, series.high, series.low, series.close, series.volume, flat, flat,
        series.open_ns + series.interval_ns,
    )  # fmt: skip


def ema(x: np.ndarray, n: int) -> np.ndarray:
    out = np.full(x.size, np.nan)
    out[n - 1] = x[:n].mean()
    for t in range(n, x.size):
        out[t] = out[t - 1] + (x[t] - out[t - 1]) * 2.0 / (n + 1)
    return out


def test_columns_follow_the_formulas_of_the_rules() -> None:
    """Regimes and states computed a second way, bar by bar, from the words of the rules."""
    wild = SyntheticSettings(("BTCUSDT",), n_bars=1_536, warmup_bars=0, log_vol_spread=0.9)
    w = window_of(generate(wild).series[0])
    c, found = w.close, regimes(w, S)
    e9, e21, e50 = (ema(c, n) for n in (9, 21, 50))
    atr50 = talib.ATR(w.high, w.low, c, 50)
    adx = talib.ADX(w.high, w.low, c, 14)
    keeper, first = Hysteresis(S), 50
    seen = set()
    for t in range(first, len(w)):
        atr, frac = found.atr[t], found.atr[t] / c[t]
        moves = np.diff(c[t - 20 : t + 1])
        up, down = e9[t] > e21[t] > e50[t], e9[t] < e21[t] < e50[t]
        beyond = int(c[t] > w.high[t - 20 : t].max()) - int(c[t] < w.low[t - 20 : t].min())
        given = {
            "aligned": bool(up or down), "expansion": atr / atr50[t],
            "m5": (c[t] - c[t - 5]) / atr, "er20": abs(moves.sum()) / np.abs(moves).sum(),
            "atr_frac": frac, "was_trending": keeper.confirmed == T,
        }  # fmt: skip
        now = keeper.next(raw(adx[t], beyond=beyond, **given), raw(adx[t], **given), t)
        assert now == found.runtime[t], t
        seen.add(now)
        if t < 150:
            continue
        trend = trend_score((c[t] - e50[t]) / (3.0 * atr), (e21[t] - e21[t - 10]) / (2.0 * atr))
        vol = frac / np.median(found.atr_frac[t - 99 : t + 1])
        width = (w.high[t - 19 : t + 1].max() - w.low[t - 19 : t + 1].min()) / atr
        signs = np.sign(np.diff(c[t - 10 : t + 1]))
        flips = int(np.count_nonzero(signs[1:] * signs[:-1] < 0))
        assert found.state[t] == market_state(trend, vol, width, flips), t
        assert found.risk_score[t] == pytest.approx(1.0 - min(1.0, vol / 3.0))
    assert seen == {T, R, C, B}


def test_mirrored_prices_give_the_mirrored_state(walk: Walk) -> None:
    """Far from zero, so that mirroring leaves ATR/close nearly alone; ties at a bound are rare."""
    series, level = walk(n=1_500), 1e6
    up = replace(
        series, **{k: getattr(series, k) + level for k in ("open", "high", "low", "close")}
    )
    down = replace(
        up, open=2 * level - up.open, close=2 * level - up.close, high=2 * level - up.low,
        low=2 * level - up.high,
    )  # fmt: skip
    mirrored = {0: 3, 1: 2, 2: 1, 3: 0, 4: 4, 5: 5, 6: 6, 7: 7, -1: -1}
    a, b = regimes(window_of(up), S), regimes(window_of(down), S)
    assert {mirrored[x] for x in np.unique(a.state).tolist()} >= {0, 1, 2, 3, 6, 7}
    assert np.mean([mirrored[x] == y for x, y in zip(a.state, b.state, strict=True)]) > 0.999
    assert np.mean(a.runtime == b.runtime) > 0.999
    assert np.mean(a.sizing == b.sizing) > 0.98
    known = np.isfinite(a.risk_score)
    assert ((a.risk_score[known] >= 0.0) & (a.risk_score[known] < 1.0)).all()


def test_the_relative_quantile_and_the_absolute_level_differ(walk: Walk) -> None:
    window = window_of(walk(n=1_500))
    relative = regimes(window, S).sizing
    absolute = regimes(
        window, replace(S, sizing_high_vol_mode="absolute", sizing_high_vol=0.5)
    ).sizing
    known = relative >= 0
    high = np.isin(relative[known], (0, 2, 4))
    assert 0.15 < high.mean() < 0.40
    assert set(np.unique(absolute[absolute >= 0])) == {1, 3}
    # The quantile needs 500 values of the window; the fixed level only the indicators.
    assert int(np.argmax(relative >= 0)) == 500 + 14 - 1
    assert int(np.argmax(absolute >= 0)) < 50


@pytest.mark.real_data
def test_every_value_is_reached_on_real_bars(real_data_dir: Path) -> None:
    symbols = ("BTCUSDT", "ETHUSDT", "LTCUSDT", "XRPUSDT")
    start, end = (int(np.datetime64(d, "D").astype(int)) for d in ("2021-01-01", "2024-01-01"))
    _, report = load_market(
        real_data_dir, symbols, "1h", start * NS_PER_DAY, end * NS_PER_DAY
    )  # fmt: skip
    for one in report.occupancy:
        assert one.complete > 20_000
        for shares in (one.regime, one.sizing_regime, one.market_state):
            assert sum(shares.values()) == pytest.approx(1.0)
            assert min(shares.values()) > 0.0, (one.symbol, shares)
        sizing = one.sizing_regime
        high = sizing["HIGH_VOL_TRENDING"] + sizing["HIGH_VOL_RANGING"] + sizing["CHOPPY"]
        assert 0.19 < high < 0.34
        assert min(x for k, x in sizing.items() if k != "CHOPPY") > 0.03
