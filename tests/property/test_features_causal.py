"""Batch and live values are the same bits, and nothing after t changes anything up to t."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from envs.core.market_data import MarketData
from envs.market.bars import RawSeries
from envs.market.build import build_market
from envs.market.indicators import ANCHOR_BARS, WARMUP_BARS
from envs.market.stream import MarketRow, features_at
from envs.market.synthetic import SyntheticSettings, generate

N = 2_700
SYMBOLS = ("BTCUSDT", "ETHUSDT", "XRPUSDT")
BAR_COLUMNS = ("open_ns", "open", "high", "low", "close", "volume")
CAUSAL = ("features", "atr", "atr_frac", "regime", "sizing_regime", "market_state", "complete")

Raw = tuple[RawSeries, ...]


def drawn() -> tuple[Raw, tuple]:
    made = generate(SyntheticSettings(SYMBOLS, n_bars=N, warmup_bars=0, seed=3))
    btc, eth, xrp = made.series
    first_bar = int(btc.open_ns[0]) // btc.interval_ns + 1
    border = -first_bar % ANCHOR_BARS
    # ETH has a short gap, and a long one across the start of a window. XRP is listed inside the
    # first window that BTC has whole.
    start = border + ANCHOR_BARS
    eth = without(without(eth, start - 5, start + 2), border + 20, border + 23)
    return (btc, eth, without(xrp, 0, border + 10)), made.instruments


def without(raw: RawSeries, first: int, last: int) -> RawSeries:
    keep = np.ones(raw.open_ns.size, dtype=bool)
    keep[first:last] = False
    return replace(raw, **{k: getattr(raw, k)[keep] for k in BAR_COLUMNS})


SERIES, CONTRACTS = drawn()
BATCH: MarketData = build_market(SERIES, CONTRACTS)[0]
FIRST_BAR = int(BATCH.close_ns[0]) // BATCH.interval_ns
BORDERS = [t for t in range(N) if (FIRST_BAR + t) % ANCHOR_BARS == 0]


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Bit for bit, NaN where NaN."""
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def row_equals(row: MarketRow, t: int) -> bool:
    return all(same(np.asarray(getattr(row, name)), getattr(BATCH, name)[t]) for name in CAUSAL)


def test_the_drawn_market_has_what_the_tests_are_about() -> None:
    assert len(BORDERS) >= 5
    whole, gapped, listed = (np.flatnonzero(BATCH.complete[:, s]) for s in range(3))
    assert whole[0] == BORDERS[2]
    assert listed[0] == BORDERS[3]
    # ETH's long gap ends with the second bar of the window of the fourth border.
    assert gapped[0] == BORDERS[3] + 1


@settings(max_examples=60)
@given(t=st.integers(0, N - 1))
def test_live_rows_are_the_batch_rows(t: int) -> None:
    assert row_equals(features_at(SERIES, CONTRACTS, int(BATCH.close_ns[t])), t)


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_live_rows_are_the_batch_rows_across_anchors(offset: int) -> None:
    for border in BORDERS[3:]:
        t = border + offset
        assert BATCH.complete[t].any()
        assert row_equals(features_at(SERIES, CONTRACTS, int(BATCH.close_ns[t])), t)


@settings(max_examples=20)
@given(t=st.integers(WARMUP_BARS, N - 1), more=st.integers(0, 300))
def test_a_live_row_needs_its_window_only(t: int, more: int) -> None:
    """Series that begin just before the window give what the whole history gives."""
    close = int(BATCH.close_ns[t])
    start = (FIRST_BAR + t) // ANCHOR_BARS * ANCHOR_BARS - WARMUP_BARS - 10 - more
    cut = [r.between((start - 1) * r.interval_ns, None) for r in SERIES]
    row = features_at(cut, CONTRACTS, close)
    if int(cut[1].open_ns[0]) > int(SERIES[1].open_ns[0]):
        assert same(row.features[1], BATCH.features[t, 1])
    assert same(row.features[0], BATCH.features[t, 0])
    assert same(row.complete[0], BATCH.complete[t, 0])


def corrupted(raw: RawSeries, t: int, seed: int, kind: str) -> RawSeries:
    """Bars, funding and marks after row t of the grid replaced by others, or dropped."""
    close = int(BATCH.close_ns[t])
    later = raw.open_ns >= close
    rng = np.random.default_rng(seed)
    if kind == "dropped":
        cut = raw.between(None, close)
        assert raw.funding_ns is not None
        assert raw.funding_rate is not None
        settled = raw.funding_ns <= close
        return replace(
            cut, funding_ns=raw.funding_ns[settled], funding_rate=raw.funding_rate[settled]
        )
    move = np.exp(rng.normal(0.0, 0.5)) * rng.uniform(0.5, 2.0, later.size)
    factor = np.where(later, move, 1.0)
    prices = {
        k: np.maximum(np.rint(getattr(raw, k) * factor * 1e4), 1.0) / 1e4
        for k in ("open", "high", "low", "close")
    }
    for name, column in prices.items():
        column[~later] = getattr(raw, name)[~later]
    rates = np.array(raw.funding_rate)
    marks = np.array(raw.mark)
    assert raw.funding_ns is not None
    assert raw.mark_open_ns is not None
    rates[raw.funding_ns > close] = rng.normal(0.0, 0.01, int((raw.funding_ns > close).sum()))
    marks[raw.mark_open_ns >= close] *= rng.uniform(0.5, 2.0)
    volume = np.where(later, raw.volume * 100.0, raw.volume)
    return replace(raw, **prices, funding_rate=rates, mark=marks, volume=volume)


@settings(max_examples=25)
@given(
    t=st.integers(BORDERS[3], N - 2), seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["changed", "dropped"]), which=st.sampled_from([(0,), (1,), (0, 1, 2)]),
)  # fmt: skip
@example(t=BORDERS[4] - 1, seed=0, kind="changed", which=(0, 1, 2))
@example(t=BORDERS[4], seed=0, kind="dropped", which=(0, 1, 2))
def test_the_future_changes_nothing(t: int, seed: int, kind: str, which: tuple[int, ...]) -> None:
    series = [corrupted(r, t, seed, kind) if i in which else r for i, r in enumerate(SERIES)]
    found = build_market(series, CONTRACTS)[0]
    for name in CAUSAL:
        assert same(getattr(found, name)[: t + 1], getattr(BATCH, name)[: t + 1]), name
    if kind == "changed":
        after = found.features[t + 1 :]
        assert not same(after, BATCH.features[t + 1 :])


def test_the_live_face_reads_no_later_bar() -> None:
    t = 2_000
    series = [corrupted(r, t, 1, "changed") for r in SERIES]
    row = features_at(series, CONTRACTS, int(BATCH.close_ns[t]))
    assert row_equals(row, t)
    assert {f.name for f in fields(row)} >= set(CAUSAL)
