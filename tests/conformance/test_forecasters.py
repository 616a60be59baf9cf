"""Each of the four real models keeps to the protocol of forecasters."""

from __future__ import annotations

import pytest

from ensemble.checks import check_forecaster
from ensemble.crossfit import prepare_data
from ensemble.models import new_forecaster
from ensemble.protocol import Dataset
from ensemble.settings import EnsembleSettings
from envs.core.settings import CoreSettings
from envs.core.types import MODEL_NAMES, BoolArray
from envs.market.build import build_market
from envs.market.synthetic import SyntheticSettings, generate

SMALL = EnsembleSettings(boosting_rounds=5, network_steps=4)
CUT = 4_400


@pytest.fixture(scope="module")
def made() -> tuple[Dataset, BoolArray]:
    drawn = generate(SyntheticSettings(n_bars=5_200, seed=1))
    market, _ = build_market(drawn.series, drawn.instruments)
    data, labels = prepare_data(market, CoreSettings())
    train = market.complete & (labels.end >= 0)
    train[CUT:] = False
    return data, train


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_forecaster(name: str, made: tuple[Dataset, BoolArray]) -> None:
    check_forecaster(lambda: new_forecaster(name, SMALL), *made, seed=3)
