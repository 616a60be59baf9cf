"""Pool of experts: sleepers, edges and mass."""

from __future__ import annotations

import math

import numpy as np
import pytest

from envs.core.rules.pool import (
    CONSTANT,
    LOG_POOL,
    MEAN,
    aggregate,
    fill_experts,
    logit,
    platt_step,
    reweigh,
    shown_weights,
)

NAN = math.nan
SAME = np.tile([1.0, 0.0], (4, 1))


def test_logit_is_cut_at_the_edges() -> None:
    assert logit(0.0) == logit(1e-6)
    assert logit(1.0) == logit(1.0 - 1e-6)


def test_abstaining_models_sleep() -> None:
    out = np.zeros(7)
    fill_experts([0.6, NAN, 0.8, NAN], SAME, out)
    assert np.isnan(out).tolist() == [False, True, False, True, False, False, False]
    assert out[MEAN] == pytest.approx(0.7)
    assert out[CONSTANT] == 0.5
    fill_experts([NAN] * 4, SAME, out)
    assert np.isnan(out[[MEAN, LOG_POOL]]).all()
    assert aggregate(out, np.full(7, 1 / 7), 2.0) == pytest.approx(0.5)


def test_sleepers_keep_their_mass() -> None:
    weights = np.full(7, 1 / 7)
    losses = np.array([0.1, NAN, 0.4, NAN, 0.2, 0.2, 0.2])
    reweigh(weights, losses, 2.0, 0.0)
    assert weights[1] == weights[3] == 1 / 7
    assert weights.sum() == pytest.approx(1.0)
    assert weights[0] > weights[4] > weights[2]


def test_platt_stays_in_bounds_and_shown_weights_sum_to_one() -> None:
    platt = SAME.copy()
    platt_step(platt, 0, 1e9, 1e9, 1.0, 1.0)
    platt_step(platt, 1, -1e9, -1e9, 1.0, 1.0)
    assert platt[0].tolist() == [0.05, -3.0]
    assert platt[1].tolist() == [5.0, 3.0]
    out = np.zeros(4)
    shown_weights(np.full(7, 1 / 7), np.full(7, 1 / 7), out)
    assert out == pytest.approx([0.25] * 4)
