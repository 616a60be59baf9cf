from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from envs.core.errors import FixData
from envs.core.instrument import Instrument
from envs.core.market_data import MarketData
from envs.core.types import NS_PER_HOUR
from envs.market import features as module
from envs.market.bars import RawSeries
from envs.market.build import build_market
from envs.market.features import (
    calendar_features,
    feature_names,
    market_features,
    market_row,
    schema_hash,
)

Walk = Callable[..., RawSeries]
Contract = Callable[..., Instrument]

CLASSIC = """returns log_returns price_range body_size upper_wick lower_wick is_doji is_hammer
is_engulfing gap_up gap_down rsi macd macd_signal macd_hist stoch_k stoch_d roc ema_9 ema_9_dist
ema_21 ema_21_dist ema_50 ema_50_dist ema_200 ema_200_dist sma_20 sma_50 adx plus_di minus_di
bb_middle bb_upper bb_lower bb_width bb_position atr atr_pct volatility volume_sma volume_ratio obv
obv_ema vpt momentum_5 momentum_10 momentum_20 acceleration relative_spread"""
ADDED = """funding_last funding_mean_3d funding_z_30d basis ret_1 ret_8 ret_336 vol_24_168
range_pos_24 range_pos_72 range_pos_168 btc_ret_24 btc_vol rel_btc_ret_24 rel_mean_ret_24 hour_sin
hour_cos weekday_sin weekday_cos"""


def built(*series: RawSeries) -> MarketData:
    ordered = sorted(series, key=lambda r: r.symbol)
    return build_market(ordered, [Instrument.of(r.symbol, "0.01", "0.001") for r in ordered])[0]


def column(market: MarketData, name: str, s: int = 0) -> np.ndarray:
    return market.features[:, s, market.feature_names.index(name)]


def test_the_schema_holds_every_specified_column_once() -> None:
    names = feature_names()
    assert {*CLASSIC.split(), *ADDED.split()} <= set(names)
    assert len(set(names)) == len(names)


def test_the_hash_depends_on_names_order_and_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    names = feature_names()
    known = schema_hash(names)
    assert schema_hash(names) == known
    assert schema_hash(names[::-1]) != known
    assert schema_hash(names[1:]) != known
    monkeypatch.setattr(module, "FORMULA_VERSION", module.FORMULA_VERSION + 1)
    assert schema_hash(names) != known


def test_identical_bars_have_identical_features(walk: Walk) -> None:
    raw = walk()
    market = built(raw, replace(raw, symbol="ETHUSDT"), walk(seed=5, symbol="XRPUSDT"))
    assert market.complete[:, 0].any()
    assert np.array_equal(market.features[:, 0], market.features[:, 1], equal_nan=True)
    assert not np.array_equal(market.features[:, 0], market.features[:, 2], equal_nan=True)


def test_no_level_enters(walk: Walk) -> None:
    """Another price level and another volume unit (powers of two: exact) change no bit."""
    raw = walk()
    bigger = {k: getattr(raw, k) * 4.0 for k in ("open", "high", "low", "close", "mark")}
    other = replace(raw, volume=raw.volume * 8.0, **bigger)
    assert np.array_equal(built(raw).features, built(other).features, equal_nan=True)


def test_columns_of_complete_rows_are_finite_and_of_one_scale(walk: Walk) -> None:
    market = built(walk(n=4_000), walk(n=4_000, seed=1, symbol="ETHUSDT"))
    known = market.features[market.complete]
    assert known.shape[0] > 4_000
    assert np.isfinite(known).all()
    assert np.abs(known).max() < 50.0


def test_formulas_by_hand(walk: Walk) -> None:
    raw = walk()
    market = built(raw)
    t = 2_000
    assert column(market, "returns")[t] == raw.close[t] / raw.close[t - 1] - 1.0
    assert column(market, "atr_pct")[t] == market.atr_frac[t, 0]
    assert column(market, "price_range")[t] == pytest.approx(
        (raw.high[t] - raw.low[t]) / market.atr[t, 0]
    )
    lows, highs = raw.low[t - 23 : t + 1].min(), raw.high[t - 23 : t + 1].max()
    assert column(market, "range_pos_24")[t] == pytest.approx(
        (raw.close[t] - lows) / (highs - lows)
    )
    steps = np.diff(np.log(raw.close))
    deviation = steps[t - 168 : t].std()
    wanted = steps[t - 8 : t].sum() / (deviation * 8**0.5)
    assert column(market, "ret_8")[t] == pytest.approx(wanted, rel=1e-6)
    assert column(market, "momentum_5")[t] == pytest.approx(
        (raw.close[t] - raw.close[t - 5]) / market.atr[t, 0]
    )
    assert raw.mark is not None
    assert column(market, "basis")[t] == pytest.approx(
        1e3 * (raw.mark[t, 3] / raw.close[t] - 1.0), rel=1e-6
    )


def test_funding_columns_use_settled_rates_only(walk: Walk) -> None:
    raw = walk()
    market = built(raw)
    assert raw.funding_ns is not None
    assert raw.funding_rate is not None
    t = 2_000
    settled = raw.funding_rate[raw.funding_ns <= market.close_ns[t]]
    assert column(market, "funding_last")[t] == settled[-1] * 1e4
    known = [
        raw.funding_rate[raw.funding_ns <= market.close_ns[u]][-1] for u in range(t - 719, t + 1)
    ]
    assert column(market, "funding_mean_3d")[t] == pytest.approx(1e4 * np.mean(known[-72:]))
    z = (known[-1] - np.mean(known)) / np.std(known)
    assert column(market, "funding_z_30d")[t] == pytest.approx(z, rel=1e-6)


def test_relations_to_bitcoin_and_to_the_others(walk: Walk) -> None:
    others = walk(seed=1, symbol="ETHUSDT"), walk(seed=2, symbol="XRPUSDT")
    with_btc = built(walk(), *others)
    t = 2_000
    own = [column(with_btc, "ret_24", s)[t] for s in range(3)]
    assert column(with_btc, "btc_ret_24", 2)[t] == own[0]
    assert column(with_btc, "rel_btc_ret_24", 2)[t] == own[2] - own[0]
    mean = (own[0] + own[1] + own[2]) / 3.0
    assert column(with_btc, "rel_mean_ret_24", 1)[t] == pytest.approx(own[1] - mean)
    without = built(*others)
    mean = (own[1] + own[2]) / 2.0
    assert column(without, "btc_ret_24", 0)[t] == pytest.approx(mean)


def test_the_calendar_is_cyclic() -> None:
    monday = 4 * 24  # 1970-01-05
    close = NS_PER_HOUR * np.array([monday, monday + 6, monday + 24 * 7], dtype=np.int64)
    found = calendar_features(close)
    assert found["hour_sin"] == pytest.approx([0.0, 1.0, 0.0])
    assert found["weekday_cos"][0] == found["weekday_cos"][2] == 1.0


def test_too_few_bars_name_the_symbol(walk: Walk) -> None:
    with pytest.raises(FixData, match=r"ETHUSDT: 900 bars are too few.*1536"):
        built(walk(), walk(n=900, seed=1, symbol="ETHUSDT"))


def test_means_run_over_the_known_symbols_from_left_to_right() -> None:
    rng = np.random.default_rng(0)
    names = ("ret_8", "ret_24", "ret_72", "vol_24_168")
    own = [{name: rng.normal(size=60) * 10.0 ** rng.integers(-3, 4, 60) for name in names}
           for _ in range(5)]  # fmt: skip
    for columns in own:
        for values in columns.values():
            values[rng.random(60) < 0.3] = np.nan
    for columns in own:
        columns["ret_24"][7] = np.nan
    related = market_features(own, -1)
    for t in range(60):
        total, count = 0.0, 0
        for columns in own:
            x = float(columns["ret_24"][t])
            if np.isfinite(x):
                total, count = total + x, count + 1
        mean = total / count if count else np.nan
        assert np.array_equal(related[0]["btc_ret_24"][t], mean, equal_nan=True)
        row = market_row({name: np.array([c[name][t] for c in own]) for name in names}, -1)
        for s, columns in enumerate(related):
            want = [values[t] for values in columns.values()]
            assert np.array_equal([row[name][s] for name in columns], want, equal_nan=True)
        with_btc = market_row({name: np.array([c[name][t] for c in own]) for name in names}, 2)
        assert np.array_equal(with_btc["btc_vol"], [own[2]["vol_24_168"][t]] * 5, equal_nan=True)
