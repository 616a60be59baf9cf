from __future__ import annotations

import numpy as np
import pytest

from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.rewards import TradeResult
from agents.reinforcement.settings import ReinforcementSettings
from envs.core.errors import FixSettings
from envs.core.trade import ResolvedLabel

UP = np.array([0.7, 0.6, np.nan, 0.5])
DOWN = np.array([0.2, 0.3, np.nan, 0.5])


def label(bar: int, y_long: int = 1) -> ResolvedLabel:
    return ResolvedLabel("A", bar, bar + 8, UP, DOWN, y_long, 1 - y_long)


def manager(algorithm: str, **changes: float) -> ReinforcementManager:
    return ReinforcementManager(ReinforcementSettings(algorithm=algorithm, **changes), 8)  # type: ignore[arg-type]


def test_golden_trade_and_contributions() -> None:
    m = manager("exponential", z_scale=50.0, pull=0.0)
    trade = TradeResult("A", 0, 45.5, 5_000.0, 0.0)
    got = m.learn_trade("t", trade, (1, 1, -1, 1), (0.72, 0.68, 0.55, 0.65))
    assert got.contributions == pytest.approx((0.5045, 0.4765, -0.3854, 0.4555), abs=1e-4)
    assert m.weights == pytest.approx((0.255181, 0.255181, 0.285495, 0.204144), abs=1e-6)


def test_each_unit_is_learned_once() -> None:
    m = manager("aa")
    trade = TradeResult("A", 0, 10.0, 1_000.0, 0.5)
    first = m.learn_trade("t", trade, (1, 0, 0, -1), (0.6,) * 4)
    assert m.learn_trade("t", trade, (1, 0, 0, -1), (0.6,) * 4) is first
    m.learn_labels([label(1)])
    posterior = m.pool.posterior.copy()
    m.learn_labels([label(1)])
    assert np.array_equal(posterior, m.pool.posterior)
    assert m.trades == 1


def test_absent_models_share_is_redistributed_and_they_are_not_judged() -> None:
    for algorithm in ("aa", "exponential", "uniform"):
        m = manager(algorithm)
        m.learn_labels([label(k) for k in range(3)])
        up, down, weights = m.predict(UP, DOWN)
        assert weights[2] == 0.0
        assert weights.sum() == pytest.approx(1.0)
        assert up > down
        assert m.calibration.samples == [3, 3, 0, 0]


def test_a_hold_vote_changes_no_calibration_number() -> None:
    m = manager("aa")
    m.learn_labels([label(0)])
    assert m.calibration.brier[3] == 0.25


def test_resets_and_diagnostics() -> None:
    m = manager("aa")
    for k in range(50):
        m.learn_labels([label(k, 0)])
    assert m.get_confidence_scaler("xgboost") < 1.0
    m.reset_calibration()
    m.reset_weights()
    assert m.get_confidence_scaler("xgboost") == 1.0
    assert np.ptp(m.pool.posterior) == 0.0
    assert set(m.get_diagnostics()["model_weights"]) == {"xgboost", "lightgbm", "nhits", "patchtst"}


def test_unknown_algorithm_is_refused() -> None:
    with pytest.raises(FixSettings, match="auto"):
        manager("auto")
