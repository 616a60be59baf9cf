from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import sqrt

import numpy as np
import pytest

from envs.core.series import prepare
from envs.core.settings import CoreSettings, CostSettings
from envs.core.tape import EvLine
from envs.core.types import NS_PER_DAY, BoolArray, ExitStrategy, Float64Array, Int64Array
from envs.defaults import uniform_tape
from envs.kernel.signal import exits_of
from envs.market.labels import triple_barrier
from envs.market.lines import fit_exit_slope, fit_line
from envs.market.planted import (
    ACCURACY,
    SyntheticMarket,
    calibrate,
    planted_models,
    synthetic_market,
    views_of,
)
from envs.market.planted_calibration import PlantedModel
from envs.market.synthetic import EDGES, SyntheticSettings, ar1

COSTS = CostSettings()


@lru_cache(maxsize=4)
def made(edge: str, claimed: float | None = None) -> SyntheticMarket:
    """A market the planted models were not calibrated on."""
    settings = SyntheticSettings(n_bars=40_000, edge=EDGES[edge], seed=3)
    return synthetic_market(settings, claimed_edge=claimed)


def known(m: SyntheticMarket) -> BoolArray:
    return np.asarray(m.market.complete & np.isfinite(m.votes.y_long))


def weeks_of(m: SyntheticMarket, rows: BoolArray) -> Int64Array:
    return np.broadcast_to((m.market.close_ns // (7 * NS_PER_DAY))[:, None], rows.shape)[rows]


def block_z(values: Float64Array, weeks: Int64Array) -> float:
    """Mean over its standard error from blocks of weeks."""
    _, block = np.unique(weeks, return_inverse=True)
    sums = np.bincount(block, weights=values - values.mean())
    return float(values.mean() * values.size / sqrt(float(sums @ sums)))


def deciles(p: Float64Array) -> Int64Array:
    return np.digitize(p, np.quantile(p, np.linspace(0, 1, 11)[1:-1]))


def test_views_have_the_stated_accuracy() -> None:
    signal = ar1(np.random.default_rng(1), (60_000, 2), 0.9)
    views = views_of(signal, np.random.default_rng(2))
    for i, accuracy in enumerate(ACCURACY):
        for s in range(2):
            assert abs(np.corrcoef(views[:, s, i], signal[:, s])[0, 1] - accuracy) < 0.03
        assert abs(views[:, :, i].std() - 1.0) < 0.05


def test_votes_are_stated_where_features_are_complete_and_rounded() -> None:
    m = made("strong")
    votes, complete = m.votes, m.market.complete
    assert votes.origin == "planted"
    assert (votes.valid == complete[:, :, None]).all()
    for p in (votes.p_up, votes.p_down):
        assert np.isnan(p[~complete]).all()
        stated = p[complete]
        assert ((stated > 0.0) & (stated < 1.0)).all()
        np.testing.assert_array_equal(stated, np.round(stated, 6))
    assert (votes.ev[~complete] == 0.0).all()


def test_labels_are_the_triple_barrier_of_the_market() -> None:
    m = made("strong")
    labels = triple_barrier(m.market, 8, COSTS)
    np.testing.assert_array_equal(m.votes.y_long, labels.y_long)
    np.testing.assert_array_equal(m.votes.y_short, labels.y_short)
    np.testing.assert_array_equal(m.votes.gross, labels.gross)
    np.testing.assert_array_equal(m.votes.label_end, labels.end)


@pytest.mark.parametrize("side", ["up", "down"])
def test_votes_are_calibrated_on_a_market_they_never_saw(side: str) -> None:
    m = made("strong")
    rows = known(m)
    weeks = weeks_of(m, rows)
    truth = (m.votes.y_long if side == "up" else m.votes.y_short)[rows]
    for i in range(len(ACCURACY)):
        p = (m.votes.p_up if side == "up" else m.votes.p_down)[rows][:, i]
        place = deciles(p)
        gaps = []
        for k in range(10):
            here = place == k
            assert abs(block_z((truth - p)[here], weeks[here])) < 3.5
            gaps.append(abs(float((truth - p)[here].mean())))
        assert np.mean(gaps) < 0.012
        base = truth.mean() * (1.0 - truth.mean())
        assert np.mean((p - truth) ** 2) < base


def test_better_models_rank_outcomes_better() -> None:
    m = made("strong")
    rows = known(m)
    strength = m.votes.ev[rows] / m.market.atr_frac[rows][:, None]
    order = [np.corrcoef(strength[:, i], m.votes.gross[rows])[0, 1] for i in range(len(ACCURACY))]
    assert order == sorted(order, reverse=True)
    pooled = np.corrcoef(strength.mean(axis=1), m.votes.gross[rows])[0, 1]
    assert pooled > order[0] > 0.1


def test_expected_values_are_honest() -> None:
    """A regression of outcomes on what was expected has slope 1, for each model and the pool."""
    m = made("strong")
    rows = known(m)
    gross, when = m.votes.gross[rows], np.broadcast_to(m.market.close_ns[:, None], rows.shape)[rows]
    strength = m.votes.ev[rows] / m.market.atr_frac[rows][:, None]
    for i in range(len(ACCURACY)):
        line = fit_line(strength[:, i], gross, when)
        assert line is not None
        assert abs(line.b - 1.0) < 3.0 * line.se + 0.1
    score = np.mean(m.votes.p_up[rows] - m.votes.p_down[rows], axis=1)
    pool = fit_line(score, gross, when)
    assert pool is not None
    assert abs(pool.b - m.pool_line.b) < 3.0 * (pool.se + m.pool_line.se)


def test_models_depend_on_the_law_of_the_market_not_on_its_draw() -> None:
    base = SyntheticSettings()
    first = planted_models(base, 0.12, COSTS, 8)
    same = SyntheticSettings(seed=9, n_bars=77, symbols=("X",), correlation=0.1, start_ns=0)
    assert planted_models(same, 0.12, COSTS, 8) is first
    assert planted_models(base, 0.06, COSTS, 8) != first
    assert planted_models(base, 0.12, COSTS, 4) != first
    slopes = [m.curve[1] for m in first[0]]
    assert slopes == sorted(slopes, reverse=True)


def test_without_edge_votes_claim_one_that_outcomes_refute() -> None:
    m = made("zero")
    rows = known(m)
    strength = m.votes.ev[rows] / m.market.atr_frac[rows][:, None]
    assert strength.std(axis=0).min() > 0.03
    tape = uniform_tape(m.market, m.votes, m.pool_line)
    assert tape.candidate.sum() > 0.2 * m.market.complete.sum()
    line = fit_line(
        strength.mean(axis=1),
        m.votes.gross[rows],
        np.broadcast_to(m.market.close_ns[:, None], rows.shape)[rows],
    )
    assert line is not None
    assert abs(line.b) < 3.0 * line.se
    assert line.b + 2.0 * line.se < 1.0


def test_an_honest_claim_of_no_edge_leaves_no_candidate() -> None:
    m = made("zero", 0.0)
    assert all(line.b == 0.0 for line in (*m.model_lines, m.pool_line))
    assert not m.votes.ev.any()
    assert not uniform_tape(m.market, m.votes, m.pool_line).candidate.any()
    rows = known(m)
    for p, y in ((m.votes.p_up, m.votes.y_long), (m.votes.p_down, m.votes.y_short)):
        assert p[rows].std(axis=0).max() < 1e-6
        for i in range(len(ACCURACY)):
            assert abs(block_z(y[rows] - p[rows][:, i], weeks_of(m, rows))) < 3.5


def test_signal_follows_the_market_order_of_symbols() -> None:
    m = synthetic_market(SyntheticSettings(symbols=("ZED", "ETHUSDT", "BTCUSDT"), n_bars=8_000))
    assert m.market.symbols == ("BTCUSDT", "ETHUSDT", "ZED")
    move = np.log(m.market.close_ticks[1:] / m.market.open_ticks[1:])
    for s in range(3):
        found = [np.corrcoef(m.signal[:-1, k], move[:, s])[0, 1] for k in range(3)]
        assert int(np.argmax(found)) == s
        assert found[s] > 0.07


@pytest.mark.parametrize("exit_", list(ExitStrategy), ids=lambda e: e.name.lower())
def test_exit_slopes_are_those_of_a_fresh_market(exit_: ExitStrategy) -> None:
    m = made("strong")
    tape = uniform_tape(m.market, m.votes, m.pool_line)
    data, last = prepare(m.market, CoreSettings()), m.market.n_bars - 1
    parts = []
    for s in range(m.market.n_symbols):
        rows = np.flatnonzero(tape.candidate[:, s]).astype(np.int64)
        rows = rows[rows < last - 100]
        gross, _ = exits_of(data, CoreSettings(), s, rows, tape.side[rows, s], last, False)
        strength = np.abs(tape.ev[rows, s]) / m.market.atr_frac[rows, s]
        parts.append((strength, gross[:, exit_], m.market.close_ns[rows]))
    found = fit_exit_slope(*(np.concatenate(c) for c in zip(*parts, strict=True)))
    planted = m.exit_slopes[exit_]
    assert found is not None
    assert abs(found.b - planted.b) < 3.0 * (found.se + planted.se)
    assert abs(found.q / planted.q - 1.0) < 0.1


@pytest.mark.parametrize("name", ["weak", "strong"])
def test_the_kept_calibration_is_what_fitting_gives(name: str) -> None:
    kept = planted_models(SyntheticSettings(), EDGES[name], CostSettings(), 8)
    law = replace(
        SyntheticSettings(), symbols=tuple(f"PATH{i}" for i in range(6)), n_bars=20_000, seed=0,
        edge=EDGES[name], correlation=0.0, warmup_bars=0, start_ns=0,
    )  # fmt: skip
    fitted = calibrate(law, CostSettings(), 8)
    assert _numbers(kept) == pytest.approx(_numbers(fitted), rel=1e-9), fitted


def _numbers(calibration: tuple[tuple[PlantedModel, ...], EvLine]) -> list[float]:
    models, pool = calibration
    lines = [m.line for m in models] + [pool]
    curves = [x for m in models for x in (m.accuracy, *m.curve)]
    return curves + [x for line in lines for x in (line.b, line.s_mean, line.se, line.n)]
