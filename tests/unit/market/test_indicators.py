from __future__ import annotations

from math import log10

import numpy as np
import pytest

from envs.market.indicators import (
    ANCHOR_BARS,
    WARMUP_BARS,
    Window,
    anchor_of,
    choppiness_of,
    efficiency_ratio,
    gap_free,
    ratio,
    rolling_median,
    rolling_quantile,
)
from envs.market.regime import CHOP_BARS, regime_lines


def test_anchors_lie_on_a_grid_of_512_bars() -> None:
    assert ANCHOR_BARS == 512
    assert [anchor_of(x) for x in (0, 511, 512, 1023, 1024)] == [0, 0, 512, 512, 1024]


def test_the_quantile_is_the_named_element_without_interpolation() -> None:
    values = np.random.default_rng(0).normal(size=400)
    values[:20] = np.nan
    found = rolling_quantile(values, 100, 0.75, 50)
    for t in range(400):
        held = np.sort(values[max(0, t - 99) : t + 1])
        held = held[~np.isnan(held)]
        if held.size < 50:
            assert np.isnan(found[t])
        else:
            assert found[t] == held[int(np.floor(0.75 * (held.size - 1)))]


def test_the_median_is_that_of_the_last_values() -> None:
    values = np.random.default_rng(1).integers(0, 9, 300).astype(np.float64)
    found = rolling_median(values, 100)
    assert np.isnan(found[:99]).all()
    for t in range(99, 300):
        assert found[t] == np.median(values[t - 99 : t + 1])


def test_a_long_gap_makes_a_thousand_bars_incomplete() -> None:
    valid = np.ones(3_000, dtype=bool)
    valid[100:103] = False
    assert gap_free(valid, 3).all()
    valid[500:504] = False
    found = gap_free(valid, 3)
    # The gap is known to be too long with its fourth bar.
    assert np.flatnonzero(~found).tolist() == list(range(503, 503 + WARMUP_BARS))
    assert not gap_free(valid, 2)[102]


def test_efficiency_is_one_on_a_straight_line_and_small_in_a_zigzag() -> None:
    line = np.linspace(100.0, 130.0, 60)
    assert efficiency_ratio(line, 20)[20:] == pytest.approx(np.ones(40))
    zigzag = 100.0 + np.arange(60) % 2
    assert efficiency_ratio(zigzag, 20)[20:] == pytest.approx(np.zeros(40))
    assert (efficiency_ratio(np.full(60, 5.0), 20)[20:] == 0.0).all()


def test_choppiness_follows_its_formula() -> None:
    rng = np.random.default_rng(2)
    close = 100.0 + np.cumsum(rng.normal(size=80))
    high, low = close + rng.random(80), close - rng.random(80)
    flat = np.ones(80)
    w = Window(close, high, low, close, flat, flat, flat, np.arange(80))
    lines = regime_lines(w)
    found = choppiness_of(lines["travelled_14"], lines["span_14"], CHOP_BARS)
    assert CHOP_BARS == 14
    ranges = np.maximum(high, np.roll(close, 1)) - np.minimum(low, np.roll(close, 1))
    for t in range(20, 80):
        inside = slice(t - 13, t + 1)
        wanted = ranges[inside].sum() / (high[inside].max() - low[inside].min())
        assert found[t] == pytest.approx(100.0 * log10(wanted) / log10(14.0), rel=1e-9)


def test_a_ratio_to_nothing_is_zero_and_unknown_stays_unknown() -> None:
    found = ratio(np.array([1.0, 2.0, np.nan, 1.0]), np.array([0.0, 4.0, 0.0, np.nan]))
    assert found[:2].tolist() == [0.0, 0.5]
    assert np.isnan(found[2:]).all()


def test_windows_are_taken_by_rows() -> None:
    column = np.arange(5.0)
    w = Window(*[column] * 7, np.arange(5)).take(np.array([1, 3]))
    assert len(w) == 2
    assert w.close_ns.tolist() == [1, 3]
    assert w.basis.tolist() == [1.0, 3.0]
