"""Votes of a bundle are kept by everything they depend on, and damage is not fatal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ensemble.bundle_votes import bundle_votes_key, cached_votes
from ensemble.crossfit import prepare_data
from ensemble.fitted import Fitted
from ensemble.protocol import Dataset, RawVotes
from envs.core.settings import CoreSettings
from envs.core.tape import EvLine
from envs.core.types import MODEL_NAMES, Int64Array
from envs.market.build import build_market
from envs.market.synthetic import SyntheticSettings, generate
from tests.unit.ensemble.doubles import Sound

CORE = CoreSettings()


class Counting(Sound):
    asked = 0

    def predict(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> RawVotes:
        Counting.asked += 1
        return super().predict(data, rows, symbols)


@pytest.fixture(scope="module")
def made() -> tuple[Dataset, Fitted]:
    from ensemble.calibrators import IDENTITY

    drawn = generate(SyntheticSettings(n_bars=600, seed=4))
    market, _ = build_market(drawn.series, drawn.instruments)
    data, _ = prepare_data(market, CORE)
    fitted = Fitted(lines=(EvLine(1.2, 0.01, 0.4, 1_000),) * 4)
    for name in MODEL_NAMES:
        model = Counting()
        model.fit(data, market.complete & np.isfinite(data.classes), 1)
        fitted.models[name], fitted.calibrators[name] = model, (IDENTITY, IDENTITY)
    return data, fitted


def test_the_second_time_no_model_is_asked(made: tuple[Dataset, Fitted], tmp_path: Path) -> None:
    data, fitted = made
    Counting.asked = 0
    first = cached_votes(data.market, CORE, fitted, tmp_path)
    assert Counting.asked == 4
    again = cached_votes(data.market, CORE, fitted, tmp_path)
    assert (Counting.asked, again.digest()) == (4, first.digest())


def test_a_damaged_file_is_made_anew(
    made: tuple[Dataset, Fitted], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data, fitted = made
    first = cached_votes(data.market, CORE, fitted, tmp_path)
    for path in (tmp_path / "bundle-votes").iterdir():
        path.write_bytes(path.read_bytes()[:200])
    assert cached_votes(data.market, CORE, fitted, tmp_path).digest() == first.digest()
    assert "computed anew" in caplog.text


def test_a_cache_that_cannot_be_written_is_not_used(
    made: tuple[Dataset, Fitted], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data, fitted = made
    (tmp_path / "bundle-votes").write_text("a file, not a folder")
    assert cached_votes(data.market, CORE, fitted, tmp_path).valid.any()
    assert "not kept" in caplog.text


def test_the_key_follows_bars_costs_and_lines(made: tuple[Dataset, Fitted]) -> None:
    data, fitted = made
    market = data.market
    key = bundle_votes_key(market, CORE, fitted)
    atr = market.atr.copy()
    atr[-1] += 1e-9
    costs = replace(CORE, costs=replace(CORE.costs, taker_fee=0.0007))
    others = [
        bundle_votes_key(replace(market, atr=atr), CORE, fitted),
        bundle_votes_key(market, costs, fitted),
        bundle_votes_key(market, CORE, replace(fitted, lines=(None, *fitted.lines[1:]))),
    ]
    assert len({key, *others}) == 4
