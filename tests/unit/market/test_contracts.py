from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from envs.core.errors import FixData
from envs.market.bars import RawSeries
from envs.market.contracts import holds, inferred_tick, instrument_for, to_ticks
from envs.market.sources import read_folder, symbols_in

Walk = Callable[..., RawSeries]


def scaled(raw: RawSeries, factor: float) -> RawSeries:
    names = ("open", "high", "low", "close")
    return replace(raw, **{k: np.round(getattr(raw, k) * factor, 12) for k in names})


def test_a_known_contract_keeps_its_tick_if_it_holds_all_prices(walk: Walk) -> None:
    found = instrument_for(walk(30))
    assert (found.tick, found.step) == (Fraction("0.01"), Fraction("0.001"))
    assert len(found.brackets) == 3
    finer = instrument_for(scaled(walk(30), 0.01))
    assert finer.tick == Fraction("0.0001")


def test_an_unknown_contract_gets_the_coarsest_tick_that_holds(walk: Walk) -> None:
    raw = walk(30, symbol="XYZUSDT")
    found = instrument_for(raw, default_mmr=0.02)
    assert found.tick == Fraction("0.01")
    assert [b.mmr for b in found.brackets] == [0.02]
    assert inferred_tick(scaled(raw, 100.0)) == 1
    assert inferred_tick(scaled(raw, 1e-6)) == Fraction("0.00000001")


def test_prices_without_a_decimal_tick_are_refused(walk: Walk) -> None:
    raw = walk(30)
    odd = replace(raw, close=raw.close / 3.0)
    with pytest.raises(FixData, match=r"BTCUSDT-1h.parquet: prices are no multiples.*instruments"):
        instrument_for(odd)


def test_ticks_give_back_the_price(walk: Walk) -> None:
    raw = walk(200)
    ticks = to_ticks(raw.close, Fraction("0.01"))
    assert (ticks / 100 == raw.close).all()
    assert holds(raw, Fraction("0.01"))
    assert not holds(raw, Fraction("0.1"))


@pytest.mark.real_data
@pytest.mark.parametrize("timeframe", ["1h", "15m", "1m"])
def test_known_ticks_hold_every_real_price(real_data_dir: Path, timeframe: str) -> None:
    ticks = {}
    for symbol in symbols_in(real_data_dir, timeframe):
        raw = read_folder(real_data_dir, symbol, timeframe, funding_default=True)
        found = instrument_for(raw)
        for name in ("open", "high", "low", "close"):
            prices = getattr(raw, name)
            whole = to_ticks(prices, found.tick)
            assert (whole * found.tick.numerator / found.tick.denominator == prices).all(), name
        ticks[symbol] = str(found.tick)
    known = {
        "BTCUSDT": "1/100", "ETHUSDT": "1/100", "XRPUSDT": "1/10000", "LTCUSDT": "1/100",
        "SOLUSDT": "1/1000", "DOGEUSDT": "1/1000000", "BNBUSDT": "1/1000",
    }  # fmt: skip
    assert ticks
    assert ticks.items() <= known.items()
