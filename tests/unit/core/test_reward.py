"""Rewards at their floors and bounds."""

from __future__ import annotations

import math

import pytest

from envs.core.rules.reward import (
    LOG_GROWTH,
    R_MULTIPLE,
    SHAPED,
    decision_reward,
    log_growth,
    r_multiple,
    shaped_reward,
    step_reward,
)


def test_ruin_pays_the_floor() -> None:
    assert step_reward(100.0, 0.0) == step_reward(100.0, -5.0) == pytest.approx(math.log(1e-6))
    assert log_growth(-200.0, 100.0) == pytest.approx(math.log(1e-6))
    assert step_reward(7.0, 7.0) == log_growth(0.0, 100.0) == 0.0


def test_no_risk_no_multiple() -> None:
    assert r_multiple(5.0, 0.0) == 0.0
    assert r_multiple(5.0, 2.0) == 2.5


def test_shaped() -> None:
    assert shaped_reward(0.02, 0.03, 0.0, 0.0) == pytest.approx(0.023)
    assert shaped_reward(0.001, 0.03, 0.0, 0.0) == pytest.approx(0.002)
    assert shaped_reward(-0.01, 0.03, 24.0, 0.02) == pytest.approx(-0.03)


def test_kinds() -> None:
    args = (5.0, 100.0, 2.0, 50.0, 0.03, 0.0, 0.0)
    assert decision_reward(LOG_GROWTH, *args) == math.log(1.05)
    assert decision_reward(R_MULTIPLE, *args) == 2.5
    assert decision_reward(SHAPED, *args) == shaped_reward(0.1, 0.03, 0.0, 0.0)
    assert decision_reward(SHAPED, 5.0, 100.0, 2.0, 0.0, 0.03, 0.0, 0.0) == 0.0
