"""Features computed bar after bar are, bit for bit, those of the whole market at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from envs.core.market_data import MarketData
from envs.market import anchored
from envs.market.bars import RawSeries
from envs.market.build import build_market
from envs.market.following import BarColumns, Following
from envs.market.grid import on_common_grid
from envs.market.settings import MarketSettings
from envs.market.stream import MarketRow, features_at
from envs.market.synthetic import SyntheticSettings, generate

SETTINGS = MarketSettings()
NAMES = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


def with_gaps(raw: RawSeries, gaps: list[tuple[int, int]]) -> RawSeries:
    keep = np.ones(raw.open_ns.shape[0], dtype=np.bool_)
    for first, n in gaps:
        keep[first : first + n] = False
    cut = {k: getattr(raw, k)[keep] for k in ("open_ns", "open", "high", "low", "close", "volume")}
    return replace(raw, **cut)


def columns_of(market: MarketData, series: Sequence[RawSeries]) -> BarColumns:
    laid = [
        on_common_grid(r, i, market.close_ns, 0.0001)
        for r, i in zip(series, market.instruments, strict=True)
    ]
    prices = [np.stack([c.bars.open, c.bars.high, c.bars.low, c.bars.close], 1) for c in laid]
    volume, funding, basis = (
        np.stack([getattr(c.bars, name) for c in laid], 1)
        for name in ("volume", "funding", "basis")
    )
    first = np.array([c.listed for c in laid]) + int(market.close_ns[0]) // market.interval_ns
    return BarColumns(
        market.symbols, market.interval_ns, market.close_ns, market.valid, np.stack(prices, 1),
        volume, funding, basis, first,
    )  # fmt: skip


def built(
    gaps: Sequence[list[tuple[int, int]]], names: tuple[str, ...] = NAMES,
    rules: MarketSettings = SETTINGS,
) -> tuple[MarketData, BarColumns]:  # fmt: skip
    drawn = generate(SyntheticSettings(symbols=names, n_bars=2_200, seed=3, start_ns=0))
    series = [with_gaps(r, g) for r, g in zip(drawn.series, gaps, strict=True)]
    market, _ = build_market(series, drawn.instruments, settings=rules)
    return market, columns_of(market, series)


def check_row(got: MarketRow, market: MarketData, row: int) -> None:
    for name in ("features", "atr", "atr_frac", "regime", "sizing_regime", "market_state",
                 "complete"):  # fmt: skip
        want = getattr(market, name)[row]
        assert getattr(got, name).tobytes() == want.tobytes(), (row, name)


@pytest.mark.parametrize("gaps", [[(1_950, 2), (2_000, 1)], [(2_047, 3)], [(1_000, 5)]])
@pytest.mark.parametrize("exact", [True, False])
def test_followed_rows_equal_the_batch(
    gaps: list[tuple[int, int]], exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Where TA-Lib calculates otherwise, all rows come from whole windows.
    monkeypatch.setattr(anchored, "is_exact", lambda: exact)
    market, columns = built([[], gaps, [(0, 300)]])
    first, stop = 1_980, 2_140
    following = Following(columns, SETTINGS, first - 1)
    for row in range(first, stop):
        check_row(following.row(row), market, row)
        if row % 3 == 0:
            following.prepare(row)
    assert market.complete[first:stop].any(axis=0).all()


def test_settings_and_a_market_without_the_reference_are_followed_too() -> None:
    rules = MarketSettings(sizing_high_vol_mode="absolute", max_gap_bars=0)
    market, columns = built([[], [(2_010, 1)], []], ("AAAUSDT", "BBBUSDT", "CCCUSDT"), rules)
    following = Following(columns, rules, 1_989)
    for row in range(1_990, 2_080):
        check_row(following.row(row), market, row)


gap_lists = st.lists(
    st.tuples(st.integers(900, 2_190), st.sampled_from((1, 1, 2, 3, 5, 40, 300))), max_size=12
)


@settings(max_examples=12)
@given(st.tuples(gap_lists, gap_lists, gap_lists), st.integers(1_900, 2_040), st.data())
def test_rows_equal_the_batch_whatever_is_missing(
    gaps: tuple[list[tuple[int, int]], ...], first: int, data: st.DataObject
) -> None:
    market, columns = built(gaps)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    following = Following(columns, SETTINGS, first - 1)
    for row in range(first, min(first + 150, market.n_bars)):
        check_row(following.row(row), market, row)
        if rng.random() < 0.5:
            following.prepare(row)
        if rng.random() < 0.05:
            following.renew(int(rng.integers(3)), row)


@settings(max_examples=10)
@given(st.integers(1_990, 2_052), st.integers(0, 2), st.integers(0, 4), st.booleans())
@example(2_046, 1, 0, True)
@example(2_045, 0, 1, True)
def test_bars_that_come_late_count_from_then_on(
    lost: int, s: int, delay: int, prepared: bool
) -> None:
    """Row 2,047 begins an anchor: the windows made ready for it must learn of the bar too."""
    market, columns = built([[], [], []])
    valid, prices = columns.valid.copy(), columns.prices.copy()
    valid[lost, s], prices[lost, s] = False, 0.0
    following = Following(replace(columns, valid=valid, prices=prices), SETTINGS, lost - 1)
    for row in range(lost, lost + delay + 1):
        following.row(row)
        if prepared:
            following.prepare(row)
    valid[lost, s], prices[lost, s] = True, columns.prices[lost, s]
    following.renew(s, lost + delay)
    for row in range(lost + delay + 1, lost + 30):
        check_row(following.row(row), market, row)
        following.prepare(row)


def test_a_window_becomes_long_enough_to_be_carried_on() -> None:
    """A long gap leaves some 700 bars: whole windows at first, carried on when they are enough."""
    market, columns = built([[], [(1_100, 400)], []])
    following = Following(columns, SETTINGS, 1_599)
    carried = []
    for row in range(1_600, 1_800):
        check_row(following.row(row), market, row)
        following.prepare(row)
        carried.append(following.is_carried(1))
    assert not carried[0]
    assert carried[-1]


def test_every_figure_is_that_of_the_live_face() -> None:
    """Risk too, which no column of the market holds."""
    drawn = generate(SyntheticSettings(symbols=NAMES, n_bars=2_200, seed=3, start_ns=0))
    series = [drawn.series[0], with_gaps(drawn.series[1], [(2_010, 2)]), drawn.series[2]]
    market, _ = build_market(series, drawn.instruments, settings=SETTINGS)
    following = Following(columns_of(market, series), SETTINGS, 1_979)
    for row in range(1_980, 2_060):
        got = following.row(row)
        if row % 4 == 0:
            close_ns = int(market.close_ns[row])
            want = features_at(series, market.instruments, close_ns, settings=SETTINGS)
            for f in fields(MarketRow):
                a, b = (np.asarray(getattr(x, f.name)) for x in (got, want))
                assert a.tobytes() == b.tobytes(), (row, f.name)


def test_a_symbol_taken_anew_goes_on_as_if_it_had_never_stopped() -> None:
    drawn = generate(SyntheticSettings(symbols=NAMES, n_bars=2_200, seed=3, start_ns=0))
    market, _ = build_market(drawn.series, drawn.instruments, settings=SETTINGS)
    columns = columns_of(market, drawn.series)
    following = Following(columns, SETTINGS, 1_899)
    for row in range(1_900, 1_960):
        if row % 20 == 0:
            following.renew(row % 3, row - 1)
        assert following.row(row).features.tobytes() == market.features[row].tobytes()
