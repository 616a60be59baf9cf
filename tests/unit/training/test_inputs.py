from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from envs.core.errors import FixSettings
from envs.core.market_data import MarketData
from runtime.settings import load_settings
from runtime.signals.market import detail_of, generated
from training.inputs import load_inputs


def test_finer_bars_are_read_only_for_the_rule_that_walks_them() -> None:
    assert detail_of(load_settings()) is None
    asked = {"QT_INTRABAR_RULE": "detail"}
    assert detail_of(load_settings(environ=asked)) == "5m"
    finer = {**asked, "QT_DETAIL_INTERVAL": "15m"}
    assert detail_of(load_settings(environ=finer)) == "15m"
    with pytest.raises(FixSettings, match="QT_DETAIL_INTERVAL = 15m must be finer"):
        detail_of(load_settings(environ={**finer, "QT_INTERVAL": "15m"}))


def test_the_built_in_market_has_no_finer_bars() -> None:
    with pytest.raises(FixSettings, match="QT_INTRABAR_RULE=detail needs finer bars"):
        generated(load_settings(environ={"QT_INTRABAR_RULE": "detail"}))


def test_the_period_of_the_built_in_market_is_that_of_the_run() -> None:
    asked = {"QT_START": "2021-01-01", "QT_TEST_END": "2021-06-01"}
    market = generated(load_settings(environ=asked)).market
    ends = market.close_ns[[market.row_at(1_609_459_200 * 10**9) + 1, -1]].astype("datetime64[ns]")
    assert [str(x)[:13] for x in ends] == ["2021-01-01T01", "2021-06-01T00"]


def test_detail_reaches_the_market(
    real_data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop before the votes: only the bars are looked at."""
    import ensemble.crossfit

    seen: list[MarketData] = []

    def stop(market: MarketData, *_: object) -> None:
        seen.append(market)
        raise FixSettings("seen")

    monkeypatch.setattr(ensemble.crossfit, "votes_for_run", stop)
    asked = {
        "QT_DATA": str(real_data_dir), "QT_SYMBOLS": "BTCUSDT", "QT_START": "2023-01-01",
        "QT_TEST_END": "2025-01-01", "QT_INTRABAR_RULE": "detail", "QT_DETAIL_INTERVAL": "15m",
    }  # fmt: skip
    with pytest.raises(FixSettings, match="seen"):
        load_inputs(load_settings(environ=asked), tmp_path)
    detail = seen[0].detail
    assert detail is not None
    assert detail.valid.shape[1] == 4
    assert np.isfinite(detail.close_ticks).all()
