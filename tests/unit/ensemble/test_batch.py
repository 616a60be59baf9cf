"""All symbols of a bar at once: as one symbol at a time, and why a model abstains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ensemble.batch import ModelAnswer, ask_all
from ensemble.calibrators import Calibrator
from ensemble.crossfit import prepare_data, votes_of_bundle
from ensemble.fitted import Fitted
from ensemble.protocol import Dataset, RawVotes
from ensemble.vote import BarFeatures, EnsembleManager
from envs.core.errors import FixInput, RefusedArtifact
from envs.core.settings import CoreSettings
from envs.core.tape import EvLine
from envs.core.types import MODEL_NAMES, Int64Array
from envs.market.build import build_market
from envs.market.synthetic import SyntheticSettings, generate
from tests.unit.ensemble.doubles import Sound

CORE = CoreSettings()
NAMES = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


@pytest.fixture(scope="module")
def data() -> Dataset:
    drawn = generate(SyntheticSettings(symbols=NAMES, n_bars=700, seed=4))
    market, _ = build_market(drawn.series, drawn.instruments)
    complete = market.complete.copy()
    complete[-1, 1] = False
    return prepare_data(replace(market, complete=complete), CORE)[0]


def fitted(data: Dataset, **others: Sound) -> Fitted:
    out = Fitted(lines=(EvLine(1.2, 0.01, 0.4, 1_000), None, *(EvLine(0.9, 0.0, 0.1, 900),) * 2))
    for name in MODEL_NAMES:
        model = others.get(name, Sound())
        model.fit(data, data.market.complete & np.isfinite(data.classes), 1)
        out.models[name] = model
        out.calibrators[name] = Calibrator("platt", (0.8, 0.4)), Calibrator("platt", (0.9, 0.3))
    return out


class Broken(Sound):
    def predict(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> RawVotes:
        raise RuntimeError("broken on purpose")


class OfOtherFeatures(Sound):
    def predict(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> RawVotes:
        raise RefusedArtifact("other features")


class NotThere(Sound):
    def predict(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> RawVotes:
        raise ImportError("no such library")


class Silent(Sound):
    def predict(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> RawVotes:
        nan = np.full(rows.size, np.nan)
        return RawVotes(nan, nan)


def by_name(models: Fitted, data: Dataset, row: int) -> dict[str, ModelAnswer]:
    return {answer.model: answer for answer in ask_all(models, data, row)}


def test_a_batch_is_the_tables_row(data: Dataset) -> None:
    models = fitted(data)
    table = votes_of_bundle(data.market, CORE, models)
    rows = range(data.market.n_bars - 40, data.market.n_bars)
    for row in rows:
        for m, answer in enumerate(ask_all(models, data, row)):
            assert answer.model == MODEL_NAMES[m]
            for got, column in (
                (answer.p_up, table.p_up), (answer.p_down, table.p_down), (answer.ev, table.ev),
                (answer.valid, table.valid),
            ):  # fmt: skip
                assert got.tobytes() == column[row, :, m].tobytes()
    assert table.valid[rows[-1]].all(axis=1).tolist() == [True, False, True]
    assert np.unique(table.p_up[rows.start :, :, 0]).size > 40


def test_the_manager_asks_all_as_it_asks_one(data: Dataset) -> None:
    models, row = fitted(data), data.market.n_bars - 2
    manager = EnsembleManager(models, None, CORE)
    for m, answer in enumerate(manager.predict_all(BarFeatures(data, row))):
        for s in range(len(NAMES)):
            one = manager._ask(m, BarFeatures(data, row), s)
            assert (one.p_up, one.p_down) == (answer.p_up[s], answer.p_down[s])
            assert one.action == np.sign(answer.ev[s])


@pytest.mark.parametrize(
    ("model", "reason"),
    [(Broken(), "ERROR"), (OfOtherFeatures(), "SCHEMA"), (NotThere(), "NOT_INSTALLED")],
)
def test_a_model_that_fails_abstains_and_the_others_go_on(
    data: Dataset, model: Sound, reason: str
) -> None:
    found = by_name(fitted(data, nhits=model), data, data.market.n_bars - 2)
    assert found["nhits"].reason == reason
    assert not found["nhits"].valid.any()
    assert np.isnan(found["nhits"].p_up).all()
    assert (found["nhits"].ev == 0.0).all()
    assert all(found[name].valid.all() for name in MODEL_NAMES if name != "nhits")


def test_a_missing_model_and_one_without_an_answer_abstain(data: Dataset) -> None:
    models = fitted(data, xgboost=Silent())
    del models.models["patchtst"]
    found = by_name(models, data, data.market.n_bars - 2)
    assert found["patchtst"].reason == "NOT_INSTALLED"
    assert (found["xgboost"].reason, found["xgboost"].valid.any()) == ("OK", False)


def test_a_row_beyond_the_market_is_refused(data: Dataset) -> None:
    with pytest.raises(FixInput, match=f"rows 0 to {data.market.n_bars - 1}"):
        list(ask_all(fitted(data), data, data.market.n_bars))
