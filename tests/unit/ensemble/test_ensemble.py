"""Folds, calibrators and cross-fitting, on a short built-in market."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.calibrators import Calibrator, fit_calibrator
from ensemble.crossfit import first_row, votes_for_run
from ensemble.models import new_forecaster
from ensemble.models.guards import write_meta
from ensemble.models.networks import cdf
from ensemble.protocol import dataset_of
from ensemble.settings import EnsembleSettings
from ensemble.splits import embargo_bars, purged, walk_forward
from envs.core.errors import FixSettings, RefusedArtifact
from envs.core.settings import CoreSettings
from envs.core.types import NS_PER_HOUR
from envs.market.build import build_market
from envs.market.synthetic import SyntheticSettings, generate

SMALL = EnsembleSettings(boosting_rounds=5, network_steps=4, first_months=2, fold_months=1)


@given(st.integers(500, 9_000), st.integers(1, 6), st.integers(1, 4), st.integers(1, 48))
def test_folds_never_train_on_what_reaches_into_their_test_block(
    n: int, first_months: int, fold_months: int, horizon: int
) -> None:
    close_ns = NS_PER_HOUR * np.arange(1, n + 1, dtype=np.int64)
    folds = walk_forward(close_ns, 0, n, first_months, fold_months, horizon)
    rows = np.arange(n)
    label_end = np.minimum(rows + horizon, n - 1)[:, None]
    usable = np.ones((n, 1), dtype=np.bool_)
    last = None
    for fold in folds:
        train = purged(label_end, usable, fold)
        assert train.any()
        assert label_end[train].max() < fold.test_start
        gap = fold.test_start - np.flatnonzero(train[:, 0]).max()
        assert gap >= embargo_bars(fold.test_start, NS_PER_HOUR, horizon)
        assert last is None or fold.test_start == last
        last = fold.test_end


@pytest.mark.parametrize("kind", ["platt", "beta", "isotonic"])
def test_calibrators_undo_a_known_distortion(kind: str) -> None:
    rng = np.random.default_rng(0)
    true = rng.uniform(0.2, 0.8, 20_000)
    y = (rng.random(true.size) < true).astype(np.float64)
    stated = 1.0 / (1.0 + np.exp(-2.5 * np.log(true / (1.0 - true))))
    fitted = fit_calibrator(kind, stated, y)
    assert np.abs(fitted.apply(stated) - true).mean() < 0.02
    assert np.abs(stated - true).mean() > 0.1
    assert np.isnan(fitted.apply(np.array([np.nan])))[0]
    assert Calibrator.from_json(fitted.to_json()) == fitted


def test_unknown_calibrator_and_model_are_refused() -> None:
    with pytest.raises(FixSettings, match="magic"):
        fit_calibrator("magic", np.ones(3), np.ones(3))
    with pytest.raises(FixSettings, match="oracle"):
        new_forecaster("oracle", SMALL)


def test_cdf_is_monotone_and_hits_the_quantiles() -> None:
    quantiles = np.tile(np.array([-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0]), (5, 1))
    got = cdf(quantiles, np.array([-9.0, -1.0, 0.0, 1.5, 9.0]))
    assert got == pytest.approx([0.0, 0.25, 0.5, 0.825, 1.0])


def test_cross_fitted_votes_do_not_see_the_future_and_are_cached(tmp_path: Path) -> None:
    settings = replace(SMALL, models=("lightgbm",))
    drawn = generate(SyntheticSettings(n_bars=4_400, seed=2))
    market, _ = build_market(drawn.series, drawn.instruments)
    core = CoreSettings()
    last = market.n_bars - 200
    told: list[str] = []
    votes, fitted = votes_for_run(market, core, settings, last, 0, tmp_path, told.append)
    voted = np.flatnonzero(votes.valid.any(axis=(1, 2)))
    assert len(told) >= 2
    assert voted[0] > first_row(market)
    assert set(fitted.models) == {"lightgbm"}
    assert not votes.valid[:, :, 0].any()
    again, _ = votes_for_run(market, core, settings, last, 0, tmp_path, told.append)
    assert again.digest() == votes.digest()
    assert len(told) == len([t for t in told if t.startswith("fold")])
    (saved,) = tmp_path.rglob("lightgbm.txt")
    saved.write_text(saved.read_text(encoding="utf-8")[:-50], encoding="utf-8")
    mended, _ = votes_for_run(market, core, settings, last, 0, tmp_path, told.append)
    assert mended.digest() == votes.digest()
    assert len(told) >= 4, "a damaged model in the cache must be fitted anew"
    cut = int(voted[voted.size // 2])
    spoiled_close = market.close_ticks.copy()
    spoiled_high = market.high_ticks.copy()
    spoiled_close[cut + 1 :] += 500
    spoiled_high[cut + 1 :] += 500
    features = market.features.copy()
    features[cut + 1 :] = features[cut + 1 :] * -0.5
    spoiled = replace(market, close_ticks=spoiled_close, high_ticks=spoiled_high, features=features)
    other, _ = votes_for_run(spoiled, core, settings, last, 0, tmp_path, told.append)
    for name in ("p_up", "p_down", "ev"):
        a, b = getattr(votes, name)[: cut + 1], getattr(other, name)[: cut + 1]
        assert np.array_equal(a, b, equal_nan=True), name
    assert not np.array_equal(votes.p_up, other.p_up, equal_nan=True)


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    meta = {"feature_hash": "h", "arguments": {"h": 2}, "steps": 1}
    weights = tmp_path / "patchtst.safetensors"
    weights.write_bytes(b"whole")
    write_meta(tmp_path / "patchtst.json", weights, meta)
    with pytest.raises(RefusedArtifact, match="made for another patchtst network"):
        new_forecaster("patchtst", SMALL).load(tmp_path, "h")


@pytest.mark.parametrize("name", ["nhits", "patchtst"])
def test_votes_of_networks_do_not_depend_on_the_number_of_threads(name: str) -> None:
    import torch

    drawn = generate(SyntheticSettings(n_bars=2_600, seed=4))
    market, _ = build_market(drawn.series, drawn.instruments)
    shape = market.valid.shape
    data = dataset_of(market, np.zeros(shape), 8, 0.0005, np.full(shape, 0.0002))
    train = market.complete.copy()
    train[2_000:] = False
    rows = np.arange(2_100, 2_300)
    votes = []
    before = torch.get_num_threads()
    for n in (1, 2):
        torch.set_num_threads(n)
        model = new_forecaster(name, replace(SMALL, network_steps=12))
        model.fit(data, train, 3)
        votes.append(model.predict(data, rows, np.zeros_like(rows)))
        assert torch.get_num_threads() == n
    torch.set_num_threads(before)
    assert np.isfinite(votes[0].up).any()
    assert np.array_equal(votes[0].up, votes[1].up, equal_nan=True)
    assert np.array_equal(votes[0].down, votes[1].down, equal_nan=True)
