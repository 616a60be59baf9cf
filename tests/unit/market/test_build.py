from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from envs.core.errors import FixData
from envs.core.instrument import Instrument
from envs.core.market_data import MarketData
from envs.core.types import NS_PER_DAY, NS_PER_HOUR
from envs.market.bars import RawSeries
from envs.market.build import build_market, load_market
from envs.market.indicators import ANCHOR_BARS, WARMUP_BARS
from envs.market.report import REPORT_HEADER, fingerprint
from envs.market.settings import MarketSettings

Walk = Callable[..., RawSeries]
Contract = Callable[..., Instrument]
COLUMNS = ("open_ns", "open", "high", "low", "close", "volume")


def market_of(*series: RawSeries, settings: MarketSettings | None = None) -> MarketData:
    contracts = [Instrument.of(r.symbol, "0.01", "0.001") for r in series]
    return build_market(series, contracts, settings=settings)[0]


def without(raw: RawSeries, first: int, last: int) -> RawSeries:
    keep = np.ones(raw.open_ns.size, dtype=bool)
    keep[first:last] = False
    return replace(raw, **{k: getattr(raw, k)[keep] for k in COLUMNS})


def test_columns_are_aligned_by_close_and_sorted_by_symbol(walk: Walk) -> None:
    eth, btc = walk(symbol="ETHUSDT", seed=1), without(walk(), 0, 100)
    market = market_of(eth, btc)
    assert market.symbols == ("BTCUSDT", "ETHUSDT")
    assert market.n_bars == 2_200
    assert market.close_ns[0] == eth.open_ns[0] + NS_PER_HOUR
    assert market.valid[:, 0].tolist() == [False] * 100 + [True] * 2_100
    assert (market.close_ticks[:100, 0] == 0).all()
    assert (market.close_ticks[100:, 0] / 100 == btc.close).all()
    assert (market.open_ticks[:, 1] / 100 == eth.open).all()
    assert (market.volume[:, 1] == eth.volume).all()
    assert market.has_mark.tolist() == [True, True]


def test_funding_and_marks_lie_on_the_bar_that_opens_then(walk: Walk) -> None:
    raw = walk()
    market = market_of(raw)
    opens = market.close_ns - market.interval_ns
    assert raw.funding_ns is not None
    assert (opens[market.funding_stamp[:, 0]] == raw.funding_ns).all()
    assert (market.funding_rate[market.funding_stamp[:, 0], 0] == raw.funding_rate).all()
    assert (market.mark[:, 0] == raw.mark).all()
    bare = market_of(replace(raw, mark=None, mark_open_ns=None))
    assert not bare.has_mark[0]
    assert (bare.mark[:, 0, 3] == raw.close).all()


def test_values_do_not_depend_on_how_much_history_is_loaded(walk: Walk) -> None:
    raw = walk(n=3_000)
    long = market_of(raw)
    for cut in (1, 200, 513, 1_000):
        short = market_of(without(raw, 0, cut))
        known = np.isfinite(short.features).all(axis=(1, 2))
        for name in ("features", "atr", "regime", "sizing_regime", "market_state"):
            assert np.array_equal(getattr(long, name)[cut:][known], getattr(short, name)[known])
        assert short.complete[known].all()
        assert int(np.argmax(known)) < WARMUP_BARS + ANCHOR_BARS


def test_a_symbol_listed_later_is_as_if_it_were_alone(walk: Walk) -> None:
    late = without(walk(n=3_000, symbol="ETHUSDT", seed=1), 0, 700)
    alone, both = market_of(late), market_of(walk(n=3_000), late)
    own = [i for i, n in enumerate(both.feature_names) if not n.startswith(("btc_", "rel_"))]
    assert np.array_equal(both.features[700:, 1, own], alone.features[:, 0, own], equal_nan=True)
    assert np.array_equal(both.complete[700:, 1], alone.complete[:, 0])
    assert np.array_equal(both.regime[700:, 1], alone.regime[:, 0])
    assert not both.complete[:700, 1].any()


def test_a_long_gap_stops_decisions_for_1024_bars(walk: Walk) -> None:
    raw = walk(n=4_000)
    whole = market_of(raw)
    short = market_of(without(raw, 1_800, 1_803))
    assert np.flatnonzero(whole.complete[:, 0] != short.complete[:, 0]).tolist() == [
        1_800, 1_801, 1_802,
    ]  # fmt: skip
    gapped = without(raw, 1_800, 1_804)
    market = market_of(gapped)
    missing = np.flatnonzero(whole.complete[:, 0] & ~market.complete[:, 0])
    assert missing.tolist() == list(range(1_800, 1_803 + WARMUP_BARS))
    assert (market.close_ticks[1_800:1_804] == 0).all()
    tolerant = market_of(gapped, settings=MarketSettings(max_gap_bars=4))
    assert tolerant.complete[1_804:, 0].all()


def test_the_fingerprint_sees_every_price(walk: Walk) -> None:
    raw = walk()
    market, report = build_market([raw], [Instrument.of("BTCUSDT", "0.01", "0.001")])
    assert report.fingerprint == fingerprint(market)
    mark = np.array(raw.mark)
    mark[5, 0] += 0.01
    rate = np.array(raw.funding_rate)
    rate[3] += 1e-6
    for other in (
        replace(raw, volume=raw.volume + 1.0), replace(raw, mark=mark),
        replace(raw, funding_rate=rate),
    ):  # fmt: skip
        assert fingerprint(market_of(other)) != report.fingerprint


def test_the_report_is_text_and_json(walk: Walk) -> None:
    raw = without(walk(n=2_600), 1_000, 1_002)
    market, report = build_market([raw], [Instrument.of("BTCUSDT", "0.01", "0.001")])
    (row,) = report.rows()
    shown = dict(zip(REPORT_HEADER, row, strict=True))
    assert (shown["symbol"], shown["bars"], shown["missing"]) == ("BTCUSDT", "2,598", "2")
    assert shown["usable"] == f"{int(market.complete.sum()):,}"
    assert shown["without mark"] == "0"
    again = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert again["bars"][0]["longest_gap_bars"] == 2
    assert sum(again["occupancy"][0]["sizing_regime"].values()) == pytest.approx(1.0)


def test_symbols_and_timeframes_must_fit(walk: Walk) -> None:
    with pytest.raises(FixData, match="each symbol once"):
        market_of(walk(), walk())
    with pytest.raises(FixData, match="each symbol once"):
        market_of()
    day = replace(walk(symbol="ETHUSDT"), interval_ns=NS_PER_HOUR // 2)
    with pytest.raises(FixData, match="same timeframe"):
        market_of(walk(), day)


def test_a_folder_becomes_a_market(walk: Walk, tmp_path: Path) -> None:
    for symbol in ("BTCUSDT", "XYZUSDT"):
        raw = walk(symbol=symbol)
        table = pd.DataFrame({k: getattr(raw, k) for k in COLUMNS[1:]})
        table.insert(0, "timestamp", pd.to_datetime(raw.open_ns, utc=True))
        table.to_csv(tmp_path / f"{symbol}-1h.csv", index=False)
    symbols = ["XYZUSDT", "BTCUSDT", "BTCUSDT"]
    market, report = load_market(tmp_path, symbols, funding_default=True, default_mmr=0.03)
    assert market.symbols == ("BTCUSDT", "XYZUSDT")
    assert market.instruments[1].brackets[0].mmr == 0.03
    assert report.bars[0].default_funding_stamps == 275
    assert report.bars[0].bars_without_mark == 2_200
    with pytest.raises(FixData, match=r"no funding file BTCUSDT-funding"):
        load_market(tmp_path, symbols)
    with pytest.raises(
        FixData, match=r"BTCUSDT: no bars in the period; BTCUSDT-1h.csv covers 2019"
    ):
        load_market(tmp_path, symbols, start_ns=60 * 365 * NS_PER_DAY, funding_default=True)
    coarse = Instrument.of("BTCUSDT", "0.1", "0.001")
    (tmp_path / "instruments.json").write_text(json.dumps([coarse.to_json()]))
    with pytest.raises(FixData, match=r"instruments.json: tick 1/10 of BTCUSDT"):
        load_market(tmp_path, symbols, funding_default=True)


@pytest.mark.real_data
def test_five_years_of_four_symbols_are_built_in_seconds(real_data_dir: Path) -> None:
    started = time.process_time()
    market, report = load_market(real_data_dir, ("BTCUSDT", "ETHUSDT", "LTCUSDT", "XRPUSDT"))
    assert time.process_time() - started < 20.0
    assert market.n_bars > 40_000
    assert all(b.missing_bars == 0 for b in report.bars)
    assert np.isfinite(market.features[market.complete]).all()


@pytest.mark.real_data
def test_wrong_finer_bars_are_found_in_real_files(real_data_dir: Path) -> None:
    """The 15-minute file of 2024-10-28 is known to be wrong where the hourly one is right."""
    start = int(np.datetime64("2024-08-01", "D").astype(int)) * NS_PER_DAY
    market, report = load_market(real_data_dir, ("BTCUSDT",), start_ns=start, detail="15m")
    assert market.detail is not None
    (bars,) = report.bars
    assert 1 <= bars.contradicted_detail_bars <= 4
    assert bars.detailed_bars > 3_600
