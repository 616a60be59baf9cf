"""The two gradient boosters: three classes on the feature row, one model for all symbols."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.models.guards import read_meta, require_rows, require_training, write_meta
from ensemble.protocol import Dataset, RawVotes
from envs.artifact import atomic_write_text
from envs.core.types import BoolArray, Float64Array, Int64Array


def threads() -> int:
    """Threads of one fit: OMP_NUM_THREADS, else at most two; more would fight over the cores."""
    return max(1, int(os.environ.get("OMP_NUM_THREADS", min(2, os.cpu_count() or 1))))


class _Booster:
    """Shared shape: rows in, class probabilities out; subclasses name their library."""

    name = ""
    file = ""
    length = 1

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        self.feature_hash = self.version = ""
        self._model: Any = None

    def fit(self, data: Dataset, train: BoolArray, seed: int) -> None:
        """Fit on the marked rows with complete features."""
        usable = train & np.isfinite(data.classes) & data.market.complete
        x, y = data.market.features[usable], data.classes[usable]
        require_training(self.name, y.size)
        self._model = self._train(x, y, seed)
        self.feature_hash, self.version = data.market.feature_hash, ""

    def predict(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> RawVotes:
        """P(LONG) and P(SHORT); a row with an unknown feature abstains."""
        require_rows(self.name, self.feature_hash, data, rows, symbols)
        x = data.market.features[rows, symbols]
        known = np.isfinite(x).all(axis=1)
        p = np.full((rows.size, 3), np.nan)
        if known.any():
            p[known] = self._probabilities(x[known])
        return RawVotes(np.round(p[:, 2], 6), np.round(p[:, 0], 6))

    def save(self, folder: Path) -> None:
        """Library's text or JSON file and the feature hash beside it."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = folder / self.file
        self._save(weights)
        meta = {"feature_hash": self.feature_hash, "rounds": self.rounds}
        self.version = write_meta(folder / f"{self.name}-meta.json", weights, meta)

    def load(self, folder: Path, feature_hash: str) -> None:
        """Read a saved booster."""
        weights = folder / self.file
        meta, version = read_meta(folder / f"{self.name}-meta.json", weights, feature_hash)
        self._load(weights)
        self.feature_hash, self.version = feature_hash, version
        self.rounds = int(meta["rounds"])

    def _train(self, x: Float64Array, y: Float64Array, seed: int) -> Any:
        raise TypeError("a booster names its library")

    def _probabilities(self, x: Float64Array) -> Float64Array:
        raise TypeError("a booster names its library")

    def _save(self, path: Path) -> None:
        raise TypeError("a booster names its library")

    def _load(self, path: Path) -> None:
        raise TypeError("a booster names its library")


class LightGbm(_Booster):
    """LightGBM: strong subsampling, few leaves; it ranks, it does not memorise."""

    name = "lightgbm"
    file = "lightgbm.txt"

    def _train(self, x: Float64Array, y: Float64Array, seed: int) -> Any:
        import lightgbm

        params = {
            "objective": "multiclass", "num_class": 3, "learning_rate": 0.03, "num_leaves": 15,
            "min_data_in_leaf": 800, "feature_fraction": 0.3, "bagging_fraction": 0.5,
            "bagging_freq": 1, "lambda_l2": 10.0, "verbose": -1, "num_threads": threads(),
            "seed": seed, "deterministic": True, "force_row_wise": True,
        }  # fmt: skip
        return lightgbm.train(params, lightgbm.Dataset(x, y), self.rounds)

    def _probabilities(self, x: Float64Array) -> Float64Array:
        return np.asarray(self._model.predict(x, num_threads=threads()))

    def _save(self, path: Path) -> None:
        atomic_write_text(path, self._model.model_to_string())

    def _load(self, path: Path) -> None:
        import lightgbm

        self._model = lightgbm.Booster(model_str=path.read_text(encoding="utf-8"))


class XgBoost(_Booster):
    """XGBoost with histogram trees; shallow, strongly subsampled."""

    name = "xgboost"
    file = "xgboost.json"

    def _train(self, x: Float64Array, y: Float64Array, seed: int) -> Any:
        import xgboost

        params = {
            "objective": "multi:softprob", "num_class": 3, "eta": 0.03, "max_depth": 4,
            "min_child_weight": 200.0, "colsample_bytree": 0.3, "subsample": 0.5, "lambda": 10.0,
            "tree_method": "hist", "nthread": threads(), "seed": seed, "verbosity": 0,
        }  # fmt: skip
        return xgboost.train(params, xgboost.DMatrix(x, y), self.rounds)

    def _probabilities(self, x: Float64Array) -> Float64Array:
        import xgboost

        return np.asarray(self._model.predict(xgboost.DMatrix(x)), dtype=np.float64)

    def _save(self, path: Path) -> None:
        self._model.save_model(path)

    def _load(self, path: Path) -> None:
        import xgboost

        self._model = xgboost.Booster()
        self._model.load_model(path)
