from __future__ import annotations

import math

import numpy as np
import pytest

from agents.settings import KellySettings
from agents.sizing.kelly import (
    bet_shrinkage,
    drawdown_fraction,
    kelly_fraction,
    kelly_growth,
    kelly_used,
    shrunk_probability,
)

DEFAULTS = KellySettings()


@pytest.mark.parametrize(
    ("p", "b", "f", "growth"),
    [
        (0.6, 1.0, 0.20, 0.0201355),
        (0.55, 1.0, 0.10, 0.0050084),
        (0.6, 2.0, 0.40, 0.1483417),
        (0.5, 2.0, 0.25, 0.0588915),
        (0.35, 3.0, 0.133333, None),
    ],
)
def test_rows_1_and_2(p: float, b: float, f: float, growth: float | None) -> None:
    assert kelly_fraction(p, b) == pytest.approx(f, rel=3e-6)
    if growth is not None:
        assert kelly_growth(p, b, f) == pytest.approx(growth, abs=5e-8)
    best = kelly_growth(p, b, kelly_fraction(p, b))
    assert all(kelly_growth(p, b, x) <= best + 1e-15 for x in np.linspace(0.0, 0.99, 100))


def test_row_4_posterior_mean() -> None:
    # Beta(7, 5) is a uniform prior, two even outcomes, and 6 wins of 10.
    p = shrunk_probability(6, 10, 1.0, 2.0)
    assert p == pytest.approx(7 / 12)
    assert kelly_fraction(p, 1.0) == pytest.approx(1 / 6)


@pytest.mark.parametrize(
    ("sharpe", "n", "factor"), [(0.1, 100, 0.5), (0.1, 25, 0.2), (0.05, 400, 0.5), (0.1, 0, 0.0)]
)
def test_row_5_bet_shrinkage(sharpe: float, n: float, factor: float) -> None:
    assert bet_shrinkage(sharpe, n) == pytest.approx(factor)


@pytest.mark.parametrize(
    ("n", "wins", "p", "f"),
    [(20, 12, 0.466667, 0.20), (100, 60, 0.555556, 0.333333), (20, 6, None, -0.025)],
)
def test_row_40_shrunk(n: int, wins: int, p: float | None, f: float) -> None:
    shrunk = shrunk_probability(wins, n, 2.0, 20.0)
    if p is not None:
        assert shrunk == pytest.approx(p, rel=2e-6)
    assert kelly_fraction(shrunk, 2.0) == pytest.approx(f, rel=2e-6)


def record(n: int, wins: int, b: float = 2.0) -> list[float]:
    return [b] * wins + [-1.0] * (n - wins)


def test_row_40_used() -> None:
    assert kelly_used(record(20, 12), DEFAULTS) == pytest.approx(0.10)
    assert kelly_used(record(100, 60), DEFAULTS) == pytest.approx(0.333333 / 2, rel=2e-6)
    assert kelly_used(record(20, 6), DEFAULTS) == 0.0


def test_19_trades_are_too_few() -> None:
    assert kelly_used(record(19, 12), DEFAULTS) is None
    assert kelly_used([], DEFAULTS) is None


def test_the_largest_kelly_binds() -> None:
    assert kelly_used(record(100, 95), DEFAULTS) == 0.25
    assert kelly_used([1.0] * 30, DEFAULTS) == 0.25
    assert kelly_used([-1.0] * 30, DEFAULTS) == 0.0
    assert kelly_used([0.0] * 30, DEFAULTS) == 0.0


def test_without_a_loss_the_odds_are_endless_and_the_chance_stays_shrunk() -> None:
    """The limit b -> inf: p0 = 0, f = p, fraction and constraint as ever."""
    careful = KellySettings(fraction=0.25, largest=1.0)
    for losses, wins in (([], 30), ([0.0] * 10, 20)):
        limit = kelly_used([1.0] * wins + [-1e-9] * len(losses), careful)
        found = kelly_used([1.0] * wins + losses, careful)
        assert found == pytest.approx(0.25 * wins / 50, rel=1e-12)
        assert found == pytest.approx(limit, rel=1e-6)
    assert kelly_used([1.0], KellySettings(min_trades=1)) == pytest.approx(0.5 / 21)


def test_growth_of_ruinous_bets() -> None:
    assert kelly_growth(0.6, 1.0, 1.0) == -math.inf
    assert kelly_growth(0.6, 1.0, -1.0) == -math.inf
    assert kelly_fraction(0.9, 0.0) == kelly_fraction(0.9, -1.0) == 0.0


def test_drawdown_constraint() -> None:
    power = math.log(0.1) / math.log(0.7)
    assert power == pytest.approx(6.455696, rel=1e-6)
    won = record(40, 24, 1.0)
    f = drawdown_fraction(won, 0.7, 0.1)
    assert 0.0 < f < kelly_fraction(0.6, 1.0)
    assert np.mean([(1 + f * r) ** -power for r in won]) == pytest.approx(1.0, abs=1e-9)
    assert np.mean([(1 + (f + 1e-3) * r) ** -power for r in won]) > 1.0
    assert drawdown_fraction([0.5] * 30, 0.7, 0.1) == 1.0
    assert drawdown_fraction(record(40, 16, 1.0), 0.7, 0.1) == pytest.approx(0.0, abs=1e-9)


def test_drawdown_constraint_lowers_kelly_and_keeps_its_promise() -> None:
    tight = KellySettings(dd_constraint=True, prior_trades=0.0, fraction=1.0, largest=1.0)
    loose = KellySettings(prior_trades=0.0, fraction=1.0, largest=1.0)
    won = record(100, 60, 1.0)
    f, free = kelly_used(won, tight), kelly_used(won, loose)
    assert f is not None
    assert free == pytest.approx(0.2)
    assert f < 0.2
    rng = np.random.default_rng(0)
    wealth = np.cumsum(np.log1p(f * rng.choice(won, (4000, 800))), axis=1)
    fell = float((wealth.min(axis=1) < math.log(0.7)).mean())
    assert fell < 0.1 + 3 * math.sqrt(0.09 / 4000)
