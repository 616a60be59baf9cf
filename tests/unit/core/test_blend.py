"""The weighted mean of stated probabilities: absent models, scalers, online Platt."""

from __future__ import annotations

import math

import numpy as np
import pytest

from envs.core.rules.blend import blend
from envs.core.rules.pool import logit, sigmoid

NAN = math.nan
PLATT = np.tile([1.0, 0.0], (4, 1))
ONES = (1.0,) * 4


def test_absent_models_leave_their_weight_to_the_others() -> None:
    weights = (0.25, 0.25, 0.30, 0.20)
    whole = blend((0.6, 0.5, 0.4, 0.3), PLATT, False, weights, ONES)
    assert whole == pytest.approx(0.6 * 0.25 + 0.5 * 0.25 + 0.4 * 0.30 + 0.3 * 0.20)
    part = blend((0.6, NAN, 0.4, NAN), PLATT, False, weights, ONES)
    assert part == pytest.approx((0.6 * 0.25 + 0.4 * 0.30) / 0.55)


def test_nothing_to_blend_is_not_a_number() -> None:
    assert math.isnan(blend((NAN,) * 4, PLATT, True, ONES, ONES))
    assert math.isnan(blend((0.5, NAN, NAN, NAN), PLATT, False, (0.0, 1.0, 1.0, 1.0), ONES))


def test_scalers_and_online_platt_apply_where_asked() -> None:
    p, uniform = (0.6, 0.6, 0.6, 0.6), (0.25,) * 4
    assert blend(p, PLATT, False, uniform, (1.0, 0.5, 1.0, 1.5)) == pytest.approx(0.6)
    assert blend(p, PLATT, False, uniform, (0.5,) * 4) == pytest.approx(0.3)
    platt = np.tile([2.0, 0.1], (4, 1))
    assert blend(p, platt, True, uniform, ONES) == pytest.approx(sigmoid(2.0 * logit(0.6) + 0.1))
    assert blend(p, platt, False, uniform, ONES) == pytest.approx(0.6)
