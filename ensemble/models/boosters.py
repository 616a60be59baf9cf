"""The two gradient boosters: three classes on the feature row, one model for all symbols."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.protocol import Dataset, RawVotes
from envs.artifact import atomic_write_text
from envs.core.errors import RefusedArtifact
from envs.core.types import BoolArray, Float64Array, Int64Array


def threads() -> int:
    """Threads of one fit: OMP_NUM_THREADS, else at most two; more would fight over the cores."""
    return max(1, int(os.environ.get("OMP_NUM_THREADS", min(2, os.cpu_count() or 1))))


class _Booster:
    """Shared shape: rows in, class probabilities out; subclasses name their library."""

    name = ""
    file = ""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        self.feature_hash = ""
        self._model: Any = None

    def fit(self, data: Dataset, train: BoolArray, seed: int) -> None:
        """Fit on the marked rows with complete features."""
        usable = train & np.isfinite(data.classes) & data.market.complete
        x, y = data.market.features[usable], data.classes[usable]
        self.feature_hash = data.market.feature_hash
        self._model = self._train(x, y, seed)

    def predict(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> RawVotes:
        """P(LONG) and P(SHORT); a row with an unknown feature abstains."""
        if data.market.feature_hash != self.feature_hash:
            raise RefusedArtifact(
                f"{self.name}: fitted on features {self.feature_hash}, asked with "
                f"{data.market.feature_hash}; retrain"
            )
        x = data.market.features[rows, symbols]
        known = np.isfinite(x).all(axis=1)
        p = np.full((rows.size, 3), np.nan)
        if known.any():
            p[known] = self._probabilities(x[known])
        return RawVotes(np.round(p[:, 2], 6), np.round(p[:, 0], 6))

    def save(self, folder: Path) -> None:
        """Library's text or JSON file and the feature hash beside it."""
        folder.mkdir(parents=True, exist_ok=True)
        self._save(folder / self.file)
        meta = {"feature_hash": self.feature_hash, "rounds": self.rounds}
        atomic_write_text(folder / f"{self.name}-meta.json", json.dumps(meta, sort_keys=True))

    def load(self, folder: Path, feature_hash: str) -> None:
        """Read a saved booster."""
        meta = json.loads((folder / f"{self.name}-meta.json").read_text(encoding="utf-8"))
        if meta["feature_hash"] != feature_hash:
            raise RefusedArtifact(
                f"{folder / self.file}: feature hash: expected {feature_hash}, found "
                f"{meta['feature_hash']}"
            )
        self.feature_hash, self.rounds = meta["feature_hash"], int(meta["rounds"])
        self._load(folder / self.file)

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
