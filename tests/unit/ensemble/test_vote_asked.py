"""The manager asks fitted models: what it passes on, and why a model abstains."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ensemble.calibrators import IDENTITY
from ensemble.crossfit import prepare_data
from ensemble.fitted import Fitted
from ensemble.protocol import Dataset, RawVotes
from ensemble.vote import BarFeatures, EnsembleManager
from envs.core.errors import FixInput
from envs.core.settings import CoreSettings
from envs.core.tape import EvLine
from envs.core.types import MODEL_NAMES, BoolArray, Int64Array, VoteReason
from envs.core.weight_context import WeightContext
from envs.market.build import build_market
from envs.market.synthetic import SyntheticSettings, generate
from tests.unit.ensemble import doubles

ROW = 1_900
CONTEXT = WeightContext(
    "uniform", np.full(4, 0.25), np.ones(4), False, 1.0, np.full((2, 7), 1 / 7),
    np.tile(np.array([1.0, 0.0]), (2, 4, 1)), 0.25,
)  # fmt: skip


@pytest.fixture(scope="module")
def made() -> tuple[Dataset, BoolArray]:
    drawn = generate(SyntheticSettings(n_bars=2_000, seed=4))
    market, _ = build_market(drawn.series, drawn.instruments)
    data, labels = prepare_data(market, CoreSettings())
    train = market.complete & (labels.end >= 0)
    train[1_800:] = False
    return data, train


def manager(made: tuple[Dataset, BoolArray], **others: doubles.Sound) -> EnsembleManager:
    """Four sound models, some replaced by others, with lines that see an edge in every score."""
    fitted = Fitted(lines=(EvLine(1.2, 0.0, 0.4, 1_000),) * 4)
    for name in MODEL_NAMES:
        model = others.get(name, doubles.Sound())
        model.fit(*made, seed=1)
        fitted.models[name], fitted.calibrators[name] = model, (IDENTITY, IDENTITY)
    return EnsembleManager(fitted, EvLine(1.2, 0.0, 0.4, 1_000), CoreSettings())


def asked(who: EnsembleManager, data: Dataset, name: str, row: int = ROW) -> tuple[str, bool]:
    meta = who.predict_with_rl("BTCUSDT", BarFeatures(data, row), CONTEXT)[2]
    return meta["model_votes"][name].reason, name in meta["scaled_predictions"]


def test_four_sound_models_vote(made: tuple[Dataset, BoolArray], tmp_path: Path) -> None:
    who, (data, _) = manager(made), made
    who.fitted.models["nhits"].save(tmp_path)
    side, confidence, meta = who.predict_with_rl("ETHUSDT", BarFeatures(data, ROW), CONTEXT)
    s = data.market.symbols.index("ETHUSDT")
    raw = who.fitted.models["nhits"].predict(data, np.array([ROW]), np.array([s]))
    got = meta["model_votes"]["nhits"]
    assert (got.p_up, got.p_down) == (raw.up[0], raw.down[0])
    assert got.action == np.sign(got.p_up - got.p_down) == side != 0
    assert got.confidence == (got.p_up if side > 0 else got.p_down)
    assert got.ts == data.market.close_ns[ROW]
    assert got.schema_hash == data.market.feature_hash
    assert len(got.model_version) == 12
    assert meta["model_votes"]["patchtst"].model_version == ""
    assert meta["consensus"] == "strong"
    assert 0.0 < confidence <= 1.0


def test_a_model_that_is_not_there_or_lacks_its_library(
    made: tuple[Dataset, BoolArray], caplog: pytest.LogCaptureFixture
) -> None:
    class NoLibrary(doubles.Sound):
        def predict(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> RawVotes:
            raise ModuleNotFoundError("No module named 'neuralforecast'")

    who = manager(made, nhits=NoLibrary())
    del who.fitted.models["xgboost"]
    assert asked(who, made[0], "nhits") == ("NOT_INSTALLED", False)
    assert asked(who, made[0], "xgboost") == ("NOT_INSTALLED", False)
    assert asked(who, made[0], "patchtst") == ("OK", True)
    assert "No module named 'neuralforecast'" in caplog.text


def test_another_schema_silences_every_model(
    made: tuple[Dataset, BoolArray], caplog: pytest.LogCaptureFixture
) -> None:
    data = replace(made[0], market=replace(made[0].market, feature_hash="new"))
    who = manager(made)
    got = who.predict("BTCUSDT", BarFeatures(data, ROW), CONTEXT)
    assert {v.reason for v in got.meta["model_votes"].values()} == {"SCHEMA"}
    assert (got.action, got.reason) == (0, VoteReason.QUORUM)
    assert made[0].market.feature_hash in caplog.text


def test_an_error_of_one_model_is_told_and_stops_no_other(
    made: tuple[Dataset, BoolArray], caplog: pytest.LogCaptureFixture
) -> None:
    who = manager(made, lightgbm=doubles.CannotVote())
    with caplog.at_level(logging.WARNING):
        assert asked(who, made[0], "lightgbm") == ("ERROR", False)
    assert "lightgbm abstains on BTCUSDT" in caplog.text
    assert "KeyError: 'rsi'" in caplog.text
    weights = who.predict_with_rl("BTCUSDT", BarFeatures(made[0], ROW), CONTEXT)[2]["rl_weights"]
    assert weights == pytest.approx(
        {"xgboost": 1 / 3, "lightgbm": 0.0, "nhits": 1 / 3, "patchtst": 1 / 3}
    )


def test_a_late_network_abstains_a_late_booster_does_not(made: tuple[Dataset, BoolArray]) -> None:
    def clock(step: float) -> Iterator[float]:
        now = 0.0
        while True:
            yield now
            now += step

    who = manager(made)
    for step, reason in ((0.25, "OK"), (0.26, "LATE")):
        who._clock = clock(step).__next__
        assert asked(who, made[0], "nhits")[0] == reason
        assert asked(who, made[0], "patchtst")[0] == reason
        assert asked(who, made[0], "xgboost")[0] == "OK"


def test_what_is_not_known_abstains(made: tuple[Dataset, BoolArray]) -> None:
    who = manager(made, patchtst=doubles.SaysNothing())
    assert asked(who, made[0], "patchtst") == ("NAN", False)
    assert asked(who, made[0], "nhits") == ("OK", True)
    assert asked(who, made[0], "nhits", row=5) == ("NAN", False)


def test_a_question_outside_the_market_is_refused(made: tuple[Dataset, BoolArray]) -> None:
    who, data = manager(made), made[0]
    with pytest.raises(FixInput, match="'DOGEUSDT' is not in the market: BTCUSDT, ETHUSDT"):
        who.predict_with_rl("DOGEUSDT", BarFeatures(data, ROW), CONTEXT)
    for row in (-1, data.market.n_bars):
        with pytest.raises(FixInput, match=f"row {row}: the market has rows 0 to"):
            who.predict_with_rl("BTCUSDT", BarFeatures(data, row), CONTEXT)


def test_the_longest_window_is_what_live_must_keep(made: tuple[Dataset, BoolArray]) -> None:
    assert manager(made, nhits=doubles.PadsTheStart()).bars_needed == 3
    assert EnsembleManager(Fitted(), None, CoreSettings()).bars_needed == 1
