"""Forecasters for tests: a sound one that is quickly fitted, and one for each rule broken."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np

from ensemble.models.guards import read_meta, require_rows, require_training, write_meta
from ensemble.protocol import Dataset, RawVotes
from envs.core.errors import RefusedArtifact
from envs.core.types import BoolArray, Float64Array, Int64Array

CALLS = count()


class Sound:
    """A linear model of the feature row and the last return; subclasses break one rule each."""

    name = "sound"
    file = "sound.txt"
    length = 2

    def __init__(self) -> None:
        self.version = self.feature_hash = ""
        self.weights: Float64Array = np.zeros(0)

    def fit(self, data: Dataset, train: BoolArray, seed: int) -> None:
        rows = train & data.market.complete & np.isfinite(data.classes)
        require_training(self.name, int(rows.sum()))
        x, y = data.market.features[rows], data.classes[rows] - 1.0
        chance = np.random.default_rng(seed).normal(0.0, 0.01, x.shape[1])
        self.weights = np.tanh(x).T @ y / y.size + chance
        self.feature_hash, self.version = data.market.feature_hash, ""

    def predict(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> RawVotes:
        require_rows(self.name, self.feature_hash, data, rows, symbols)
        return self.votes(self.score(data, rows, symbols))

    def score(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> Float64Array:
        x = np.tanh(data.market.features[rows, symbols])
        past = np.where(rows > 0, data.log_close[rows - 1, symbols], np.nan)
        total = data.log_close[rows, symbols] - past
        for i, w in enumerate(self.weights.tolist()):
            total = total + w * x[:, i]
        return np.asarray(total)

    def votes(self, score: Float64Array) -> RawVotes:
        up = np.round(1.0 / (1.0 + np.exp(-score)), 6)
        return RawVotes(up, np.round(0.9 * (1.0 - up), 6))

    def save(self, folder: Path) -> None:
        path = folder / self.file
        path.write_text(json.dumps(self.weights.tolist()), encoding="utf-8")
        meta = {"feature_hash": self.feature_hash}
        self.version = write_meta(folder / "sound.json", path, meta)

    def load(self, folder: Path, feature_hash: str) -> None:
        path = folder / self.file
        _, self.version = read_meta(folder / "sound.json", path, feature_hash)
        self.weights = np.array(json.loads(path.read_text(encoding="utf-8")))
        self.feature_hash = feature_hash


class ReadsNoBars(Sound):
    length = 0


class Nameless(Sound):
    name = ""


class VotesUnfitted(Sound):
    def predict(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> RawVotes:
        if not self.weights.size:
            return RawVotes(np.full(rows.size, 0.5), np.full(rows.size, 0.5))
        return super().predict(data, rows, symbols)


class FitsOnNothing(Sound):
    def fit(self, data: Dataset, train: BoolArray, seed: int) -> None:
        if train.any():
            super().fit(data, train, seed)


class RefusesInOthersWords(Sound):
    def fit(self, data: Dataset, train: BoolArray, seed: int) -> None:
        if not train.any():
            raise ValueError("zero-size array to reduction operation")
        super().fit(data, train, seed)


class CannotBeFitted(Sound):
    def fit(self, data: Dataset, train: BoolArray, seed: int) -> None:
        super().fit(data, train, seed)
        raise RuntimeError("out of memory")


class SpoilsTheLabels(Sound):
    def fit(self, data: Dataset, train: BoolArray, seed: int) -> None:
        super().fit(data, train, seed)
        data.classes[train] = 1.0


class SpoilsTheMask(Sound):
    def fit(self, data: Dataset, train: BoolArray, seed: int) -> None:
        super().fit(data, train, seed)
        train[:] = False


class SpoilsTheFeatures(Sound):
    def score(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> Float64Array:
        out = super().score(data, rows, symbols)
        data.market.features[rows, symbols] += 1.0
        return out


class SpoilsTheRows(Sound):
    def score(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> Float64Array:
        out = super().score(data, rows, symbols)
        rows.sort()
        return out


class FitsByChance(Sound):
    def fit(self, data: Dataset, train: BoolArray, seed: int) -> None:
        super().fit(data, train, seed if not train.any() else next(CALLS))


class WarmStarts(Sound):
    def fit(self, data: Dataset, train: BoolArray, seed: int) -> None:
        before = self.weights
        super().fit(data, train, seed)
        self.weights = self.weights + 0.5 * before if before.size else self.weights


class ReadsAllLabels(Sound):
    def fit(self, data: Dataset, train: BoolArray, seed: int) -> None:
        everything = np.ones_like(train) if train.any() else train
        super().fit(data, everything, seed)


class ScalesByAllBars(Sound):
    def fit(self, data: Dataset, train: BoolArray, seed: int) -> None:
        super().fit(data, train, seed)
        self.weights = self.weights / np.nanstd(data.market.features, axis=(0, 1))


class CannotVote(Sound):
    def votes(self, score: Float64Array) -> RawVotes:
        raise KeyError("rsi")


class FloatsOf32Bits(Sound):
    def votes(self, score: Float64Array) -> RawVotes:
        sound = super().votes(score)
        return RawVotes(sound.up.astype(np.float32), sound.down)


class GivesAColumn(Sound):
    def votes(self, score: Float64Array) -> RawVotes:
        sound = super().votes(score)
        return RawVotes(sound.up[:, None], sound.down)


class OneSideOnly(Sound):
    def votes(self, score: Float64Array) -> RawVotes:
        up = super().votes(score).up
        return RawVotes(up, np.full_like(up, np.nan))


class Infinite(Sound):
    def votes(self, score: Float64Array) -> RawVotes:
        with np.errstate(divide="ignore"):
            ratio = np.where(np.isnan(score), np.nan, np.divide(1.0, np.zeros_like(score)))
        return RawVotes(ratio, ratio)


class StatesOdds(Sound):
    def votes(self, score: Float64Array) -> RawVotes:
        return RawVotes(np.round(2.0 * np.exp(score), 6), super().votes(score).down)


class MinusZero(Sound):
    def votes(self, score: Float64Array) -> RawVotes:
        up = super().votes(score).up
        return RawVotes(up, np.where(np.isnan(up), np.nan, -0.0))


class Unrounded(Sound):
    def votes(self, score: Float64Array) -> RawVotes:
        up = 1.0 / (1.0 + np.exp(-score))
        return RawVotes(up, np.round(0.9 * (1.0 - up), 6))


class MoreThanAll(Sound):
    def votes(self, score: Float64Array) -> RawVotes:
        up = super().votes(score).up
        return RawVotes(up, np.round(1.00001 - up, 6))


class SaysNothing(Sound):
    def votes(self, score: Float64Array) -> RawVotes:
        return RawVotes(np.full(score.size, np.nan), np.full(score.size, np.nan))


class SaysOneThing(Sound):
    def votes(self, score: Float64Array) -> RawVotes:
        half = np.where(np.isnan(score), np.nan, 0.5)
        return RawVotes(half, half)


class DriftsAsItIsAsked(Sound):
    asked = 0

    def score(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> Float64Array:
        self.asked += 1
        return super().score(data, rows, symbols) + 0.01 * self.asked


class RanksItsBatch(Sound):
    def votes(self, score: Float64Array) -> RawVotes:
        return super().votes(score - np.nanmean(score) if score.size else score)


class RemembersTheFirst(Sound):
    def score(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> Float64Array:
        out = super().score(data, rows, symbols)
        return out + (0.01 if out.size > 1 and out[0] > out[-1] else 0.0)


class FillsWithZero(Sound):
    def score(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> Float64Array:
        market = replace(data.market, features=np.nan_to_num(data.market.features))
        return super().score(replace(data, market=market), rows, symbols)


class PadsTheStart(Sound):
    length = 3

    def score(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> Float64Array:
        out = super().score(data, np.maximum(rows, 1), symbols)
        return np.where(rows == 0, 0.3, out)


class LooksAhead(Sound):
    def score(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> Float64Array:
        ahead = np.minimum(rows + 1, data.market.n_bars - 1)
        return super().score(data, rows, symbols) + data.log_close[ahead, symbols]


class LooksFarBack(Sound):
    def score(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> Float64Array:
        back = np.maximum(rows - 5, 0)
        return super().score(data, rows, symbols) + data.log_close[back, symbols]


class TakesAnySchema(Sound):
    def predict(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> RawVotes:
        own = replace(data, market=replace(data.market, feature_hash=self.feature_hash or "none"))
        return super().predict(own, rows, symbols)


class WrapsAround(Sound):
    def predict(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> RawVotes:
        return super().predict(data, rows % data.market.n_bars, symbols)


class SavesNothing(Sound):
    def save(self, folder: Path) -> None:
        pass


class Pickles(Sound):
    file = "sound.pkl"

    def save(self, folder: Path) -> None:
        super().save(folder)
        (folder / self.file).write_bytes(pickle.dumps(self.weights))


class HidesAPickle(Sound):
    def save(self, folder: Path) -> None:
        super().save(folder)
        (folder / "more.safetensors").write_bytes(pickle.dumps(self.weights))


class SavesRounded(Sound):
    def save(self, folder: Path) -> None:
        whole, self.weights = self.weights, np.round(self.weights, 1)
        super().save(folder)
        self.weights = whole


class ForgetsItsVersion(Sound):
    def load(self, folder: Path, feature_hash: str) -> None:
        super().load(folder, feature_hash)
        self.version = "1"


class LoadsAnySchema(Sound):
    def load(self, folder: Path, feature_hash: str) -> None:
        found = json.loads((folder / "sound.json").read_text(encoding="utf-8"))["feature_hash"]
        super().load(folder, found)


class LoadsWhatIsLeft(Sound):
    def load(self, folder: Path, feature_hash: str) -> None:
        try:
            super().load(folder, feature_hash)
        except RefusedArtifact as error:
            if "checksum" not in str(error):
                raise


class LoadsWithoutItsFile(Sound):
    def load(self, folder: Path, feature_hash: str) -> None:
        if (folder / self.file).exists():
            super().load(folder, feature_hash)
