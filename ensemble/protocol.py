"""What every forecaster is: fitted on a dataset, asked for votes, saved in a safe format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from envs.core.market_data import MarketData
from envs.core.types import BoolArray, Float64Array, Int64Array


@dataclass(frozen=True)
class Dataset:
    """Market columns and labels a forecaster reads.

    ``classes`` (T, S) 2 LONG, 1 HOLD, 0 SHORT, NaN unknown. ``cost`` (T, S) round-trip cost of a
    market entry as a fraction. ``log_close`` (T, S) natural log of the close, NaN where invalid.
    """

    market: MarketData
    classes: Float64Array
    cost: Float64Array
    log_close: Float64Array
    horizon: int


@dataclass(frozen=True)
class RawVotes:
    """Uncalibrated probabilities (N,) that the long and the short side are net profitable.

    NaN where the forecaster abstains.
    """

    up: Float64Array
    down: Float64Array


@runtime_checkable
class Forecaster(Protocol):
    """One of the four models. ``predict`` never looks beyond the rows it is asked about.

    ``length`` is how many bars up to and including a row it reads for a vote; ``version`` names
    the saved model by the digest of its weights, empty as long as it was neither saved nor loaded.
    ``ensemble.checks.check_forecaster`` checks all that is asked of one.
    """

    name: str
    length: int
    version: str

    def fit(self, data: Dataset, train: BoolArray, seed: int) -> None:
        """Fit anew on the rows (T, S) marked in ``train``, reading the labels of those alone.

        Raises:
            FixInput: None of them is usable.
        """
        ...

    def predict(self, data: Dataset, rows: Int64Array, symbols: Int64Array) -> RawVotes:
        """Vote on N rows of N symbols, rounded to 1e-6; a NaN in a required column abstains.

        Raises:
            RefusedArtifact: Not fitted, or on other features.
            FixInput: A row or symbol outside the market.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write the fitted model in its library's own safe format."""
        ...

    def load(self, folder: Path, feature_hash: str) -> None:
        """Read what ``save`` wrote.

        Raises:
            RefusedArtifact: Missing or damaged file, or a model fitted on other features.
        """
        ...


def dataset_of(
    market: MarketData, classes: Float64Array, horizon: int, taker: float, slip: Float64Array
) -> Dataset:
    """Assemble a dataset; ``slip`` (T, S) is the slippage fraction known at each close."""
    ticks = np.array([float(i.tick) for i in market.instruments])
    price = np.where(market.valid, market.close_ticks, 1) * ticks
    log_close = np.where(market.valid, np.log(price), np.nan)
    return Dataset(market, classes, 2.0 * (taker + slip), log_close, horizon)


@dataclass(frozen=True)
class ModelVote:
    """One model's calibrated vote on one bar (spec 5.1).

    ``action`` +1, -1 or 0 by the model's EV line; probabilities in [0, 1], NaN where not
    ``valid``; ``reason`` OK or why it abstains; ``ts`` the bar's close in ns.
    """

    action: int
    p_up: float
    p_down: float
    p_hold: float
    confidence: float
    valid: bool
    reason: str
    model_version: str
    schema_hash: str
    ts: int
