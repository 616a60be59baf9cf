"""Without edge and cost no exit earns anything: the bars give no free profit (spec 2, e)."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

import envs.market.synthetic as synthetic
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from envs.core.types import NS_PER_DAY, ExitStrategy, Float64Array
from envs.kernel.signal import exits_of
from envs.market.build import build_market

SETTINGS = CoreSettings()
EVERY = 3


def outcomes(settings: synthetic.SyntheticSettings) -> tuple[Float64Array, Float64Array, int]:
    """Mean gross outcome (ATRs) of each exit and its standard error; number of trades each.

    Both sides of every third bar are traded over their whole lifecycle; what they share through
    the price is left to the error, which comes from blocks of calendar weeks.
    """
    drawn = synthetic.generate(settings)
    market, _ = build_market(drawn.series, drawn.instruments)
    data = prepare(market, SETTINGS)
    both, weeks = [], []
    for s in range(market.n_symbols):
        rows = np.flatnonzero(market.complete[:, s])[:-200:EVERY].astype(np.int64)
        sides = [
            exits_of(
                data, SETTINGS, s, rows, np.full(rows.size, side, np.int8), market.n_bars - 1, False
            )[0]
            for side in (1, -1)
        ]  # fmt: skip
        both.append(0.5 * (sides[0] + sides[1]))
        weeks.append(market.close_ns[rows] // (7 * NS_PER_DAY))
    gross = np.concatenate(both)
    mean = gross.mean(axis=0)
    _, block = np.unique(np.concatenate(weeks), return_inverse=True)
    sums = np.stack([np.bincount(block, weights=gross[:, e] - mean[e]) for e in ExitStrategy])
    return mean, np.sqrt((sums**2).sum(axis=1)) / gross.shape[0], 2 * gross.shape[0]


def test_mean_gross_outcome_of_every_exit_is_zero() -> None:
    mean, error, n = outcomes(synthetic.SyntheticSettings(n_bars=40_000, edge=0.0, seed=0))
    assert n >= 20_000
    assert (error < 0.015).all(), error
    assert (np.abs(mean) <= 2.0 * error).all(), (mean, error)


def test_bars_of_four_sub_steps_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A walk seen at four points a bar gives every exit a free profit; the check above sees it."""

    def coarse(
        rng: np.random.Generator, steps: Float64Array, variance: Float64Array
    ) -> tuple[Float64Array, Float64Array, Float64Array]:
        four = np.cumsum(steps, axis=1)[:, 3::4]
        return four[:, -1], np.maximum(four.max(axis=1), 0), np.minimum(four.min(axis=1), 0)

    monkeypatch.setattr(synthetic, "path_extremes", coarse)
    mean, error, _ = outcomes(synthetic.SyntheticSettings(n_bars=40_000, edge=0.0, seed=0))
    assert (mean > 3.0 * error).any(), (mean, error)


def test_the_edge_pays_whoever_knows_the_signal() -> None:
    """The same walk with the strong edge, traded on the latent signal's side, is no martingale."""
    drawn = synthetic.generate(synthetic.SyntheticSettings(n_bars=10_000, seed=0))
    market, _ = build_market(drawn.series, drawn.instruments)
    data = prepare(market, SETTINGS)
    for s in range(market.n_symbols):
        rows = np.flatnonzero(market.complete[:, s])[:-200:4].astype(np.int64)
        side = np.sign(drawn.signal[rows, s]).astype(np.int8)
        gross, _ = exits_of(data, SETTINGS, s, rows, side, market.n_bars - 1, False)
        mean, error = gross.mean(axis=0), gross.std(axis=0) / sqrt(rows.size)
        assert (mean > 5.0 * error).all(), (mean, error)
