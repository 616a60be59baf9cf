"""Features computed bar after bar are, bit for bit, those of the whole market at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from envs.core.market_data import MarketData
from envs.market.bars import RawSeries
from envs.market.build import build_market
from envs.market.following import BarColumns, Following
from envs.market.grid import on_common_grid
from envs.market.settings import MarketSettings
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


@pytest.mark.parametrize("gaps", [[(1_950, 2), (2_000, 1)], [(2_047, 3)], [(1_000, 5)]])
def test_followed_rows_equal_the_batch(gaps: list[tuple[int, int]]) -> None:
    drawn = generate(SyntheticSettings(symbols=NAMES, n_bars=2_200, seed=3, start_ns=0))
    series = [drawn.series[0], with_gaps(drawn.series[1], gaps), drawn.series[2]]
    series[2] = with_gaps(series[2], [(0, 300)])
    market, _ = build_market(series, drawn.instruments, settings=SETTINGS)
    columns = columns_of(market, series)
    first, stop = 1_980, 2_140
    following = Following(columns, SETTINGS, first - 1)
    for row in range(first, stop):
        got = following.row(row)
        if row % 3 == 0:
            following.prepare(row)
        for name in ("features", "atr", "atr_frac", "regime", "sizing_regime", "market_state",
                     "complete"):  # fmt: skip
            want = getattr(market, name)[row]
            assert getattr(got, name).tobytes() == want.tobytes(), (row, name)
    assert market.complete[first:stop].any(axis=0).all()


def test_a_symbol_taken_anew_goes_on_as_if_it_had_never_stopped() -> None:
    drawn = generate(SyntheticSettings(symbols=NAMES, n_bars=2_200, seed=3, start_ns=0))
    market, _ = build_market(drawn.series, drawn.instruments, settings=SETTINGS)
    columns = columns_of(market, drawn.series)
    following = Following(columns, SETTINGS, 1_899)
    for row in range(1_900, 1_960):
        if row % 20 == 0:
            following.renew(row % 3, row - 1)
        assert following.row(row).features.tobytes() == market.features[row].tobytes()
