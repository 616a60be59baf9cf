from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from agents.settings import SizingSettings
from agents.sizing.ev_kelly import EvKelly, half_kelly_point
from agents.sizing.prior import exit_moments
from envs.core.actions import preset
from envs.core.trade import SizingContext
from envs.core.types import ExitStrategy

FULL = preset("full")
EV = 0.2 / 3.0 * 0.8 * 0.02  # row 52: .00106667
NO_LINE = (np.nan, np.nan, np.nan)


def context(*slopes: tuple[float, float, float], **changes: object) -> SizingContext:
    notional = np.array([0.1 * a.size * a.leverage for a in FULL.actions])
    plain = SizingContext(
        0, np.ones(76, dtype=np.bool_), notional, np.zeros(76, dtype=np.bool_), EV, 0.68, 0.00156,
        0.02, np.array(slopes),
    )  # fmt: skip
    return replace(plain, **changes)


def test_row_53_moments_and_half_kelly_point() -> None:
    seen = context(NO_LINE, NO_LINE, (4.2, 1.6, 4.0))
    mu, m2, known = exit_moments(seen, 0.5)
    assert known.tolist() == [False, False, True]
    assert mu[2] == pytest.approx(0.00206667, rel=2e-6)
    assert m2[2] == pytest.approx(0.0016, rel=1e-12)
    assert half_kelly_point(mu[2], m2[2], 0.5) == pytest.approx(0.645833, rel=2e-6)
    assert (mu[:2] == 0.0).all()


def test_row_53_chooses_nearest_to_the_point() -> None:
    agent = EvKelly(FULL, SizingSettings())
    choice = agent.decide(context(NO_LINE, NO_LINE, (4.2, 1.6, 4.0)), None)
    action = FULL.actions[choice.index]
    assert action.exit is ExitStrategy.AGGRESSIVE
    grid = [0.1 * a.size * a.leverage for a in FULL.without_skip()]
    nearest = min(grid, key=lambda f: abs(f - 0.645833))
    assert 0.1 * action.size * action.leverage == pytest.approx(nearest)


def test_row_53_small_slope_is_a_skip() -> None:
    agent = EvKelly(FULL, SizingSettings())
    assert agent.decide(context(NO_LINE, (1.9, 0.9, 4.0), NO_LINE), None).index == 0


@pytest.mark.parametrize("slope", [(0.8, 1.6, 4.0), (-2.0, 0.1, 4.0), (0.5, 1.01, 4.0)])
def test_a_slope_within_its_error_always_skips(slope: tuple[float, float, float]) -> None:
    agent = EvKelly(FULL, SizingSettings())
    for ev in (0.0, 0.01, 1.0):
        seen = context(slope, slope, slope, ev=ev, round_trip=1e-9)
        assert agent.decide(seen, None).index == 0


def test_without_lines_there_is_no_trade() -> None:
    agent = EvKelly(FULL, SizingSettings())
    assert agent.decide(context(NO_LINE, NO_LINE, NO_LINE, ev=0.5), None).index == 0


def test_scores_are_the_half_kelly_utility() -> None:
    agent = EvKelly(FULL, SizingSettings(kelly_fraction=0.25))
    seen = context((3.0, 0.4, 2.0), NO_LINE, (4.2, 1.6, 4.0), ev=0.004)
    scores = agent.scores(seen)
    a = FULL.index_of(1.0, 3, ExitStrategy.CONSERVATIVE)
    mu = 2.8 * 0.004 - 0.00156
    assert scores[a] == pytest.approx(0.3 * mu - 0.09 * 2.0 * 0.0004 / 0.5)
    assert np.isneginf(scores[FULL.index_of(1.0, 3, ExitStrategy.BALANCED)])
    assert scores[0] == 0.0


def test_the_mask_is_kept() -> None:
    agent = EvKelly(FULL, SizingSettings())
    mask = np.ones(76, dtype=np.bool_)
    seen = context(*[(4.2, 0.1, 2.0)] * 3, ev=0.01, mask=mask)
    best = agent.decide(seen, None).index
    mask[best] = False
    assert agent.decide(seen, None).index not in (0, best)
    assert half_kelly_point(-0.1, 0.1, 0.5) == half_kelly_point(0.1, 0.0, 0.5) == 0.0


def test_what_is_not_a_number_is_a_skip() -> None:
    agent = EvKelly(FULL, SizingSettings())
    seen = context((4.2, 0.1, 4.0), (4.2, 0.1, 4.0), (4.2, 0.1, 4.0))
    assert agent.decide(seen, None).index != 0
    for name in ("ev", "round_trip", "atr_frac"):
        assert agent.decide(replace(seen, **{name: np.nan}), None).index == 0


def test_ties_go_to_the_smaller_notional_at_risk() -> None:
    """Equal scores at equal notional: the nearer stop, not the nearer place in the grid."""
    agent = EvKelly(FULL, SizingSettings())
    far = FULL.index_of(0.5, 2, ExitStrategy.AGGRESSIVE)
    near = FULL.index_of(1.0, 1, ExitStrategy.CONSERVATIVE)
    assert far < near
    line = (4.2, 0.1, 2.0)
    mask = np.zeros(76, dtype=np.bool_)
    mask[[0, far, near]] = True
    seen = context(line, line, line, ev=0.01, mask=mask)
    scores = agent.scores(seen)
    assert scores[far] == scores[near] > 0.0
    assert agent.decide(seen, None).index == near
