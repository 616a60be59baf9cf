"""Sizing: every mask reason, every cap alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from envs.core.rules import sizing
from envs.core.rules.sizing import Contract, Funds, Sized, SizeRules, largest_leverage, size_order

CONTRACT = Contract(1, 100, 1, 1000, 5.0)
BRACKETS = np.array([[math.inf, 0.004, 0.0]])
RULES = SizeRules(0.02, 0.10, False, 2.0, 0.15, 0.02, 0.10, 5.0, 5, 10.0)
RICH = Funds(10_000.0, 10_000.0, 0.0, 0.0, 1.0)


def sized(
    funds: Funds = RICH, atr: float = 0.02, trip: float = 0.001, size: float = 1.0, lev: int = 2
) -> Sized:
    return size_order(
        funds, RULES, CONTRACT, BRACKETS, 1, 10_000, atr, trip, size, lev, 1.5
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (sized(RICH._replace(equity=math.nan)), sizing.INVALID_INPUT),
        (sized(RICH._replace(equity=0.0)), sizing.INVALID_INPUT),
        (sized(RICH._replace(equity=-1.0)), sizing.INVALID_INPUT),
        (sized(atr=math.nan), sizing.INVALID_INPUT),
        (sized(atr=0.0), sizing.INVALID_INPUT),
        (sized(trip=0.0101), sizing.STOP_INSIDE_COST),
        (sized(lev=6), sizing.LEVERAGE_TOO_HIGH),
        (sized(atr=0.07, lev=5), sizing.LIQUIDATION_TOO_NEAR),
        (sized(size=0.004), sizing.BELOW_MIN_NOTIONAL),
        (sized(RICH._replace(free_margin=-5.0)), sizing.BELOW_MIN_NOTIONAL),
        (sized(RICH._replace(gross_notional=50_000.0)), sizing.BELOW_MIN_NOTIONAL),
        (sized(RICH._replace(total_risk=1_000.0)), sizing.BELOW_MIN_NOTIONAL),
    ],
)
def test_masked(found: Sized, reason: int) -> None:
    assert (found.qty_steps, found.notional, found.mask_reason) == (0, 0.0, reason)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", Funds._fields)
def test_an_account_that_is_not_known_sizes_nothing(name: str, bad: float) -> None:
    assert sized(RICH._replace(**{name: bad})) == Sized(0, 0.0, False, sizing.INVALID_INPUT)


@pytest.mark.parametrize("trip", [math.nan, math.inf, -0.001])
def test_a_cost_that_is_not_known_sizes_nothing(trip: float) -> None:
    assert sized(trip=trip).mask_reason == sizing.INVALID_INPUT


def test_a_price_of_nothing_sizes_nothing() -> None:
    got = size_order(RICH, RULES, CONTRACT, BRACKETS, 1, 0, 0.02, 0.001, 1.0, 2, 1.5)
    assert got == Sized(0, 0.0, False, sizing.INVALID_INPUT)


def test_uncapped_is_margin_times_leverage() -> None:
    assert sized() == Sized(20_000, 2_000.0, False, sizing.OK)


@pytest.mark.parametrize(
    ("found", "notional"),
    [
        (sized(size=2.0), 3_000.0),
        (sized(RICH._replace(gross_notional=49_000.0)), 1_000.0),
        (sized(RICH._replace(total_risk=970.0)), 1_000.0),
        (sized(lev=5, size=1.5), 200.0 / 0.031),
    ],
)
def test_each_cap_cuts_and_says_so(found: Sized, notional: float) -> None:
    assert found.clamped
    assert found.notional == pytest.approx(notional, abs=0.11)
    assert found.notional <= notional + 1e-9


def test_largest_leverage() -> None:
    assert largest_leverage(1, 0.03, 0.004, 5, 2.0) == 5
    assert largest_leverage(1, 0.6, 0.004, 5, 2.0) == 0
