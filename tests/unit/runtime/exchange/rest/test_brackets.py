from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from envs.core.instrument import Bracket, Instrument
from envs.core.rules.sizing import Contract
from envs.core.series import brackets_of
from runtime.exchange.rest.brackets import bracket_rows, leverage_of, most_notional_text
from runtime.exchange.state import Listing

TIERS = (
    Bracket(50_000.0, 0.004, 0.0),
    Bracket(600_000.0, 0.005, 50.0),
    Bracket(float("inf"), 0.01, 3_050.0),
)
ONE = Instrument("BTCUSDT", Fraction("0.1"), Fraction("0.001"), 5.0, TIERS)
LISTING = Listing(ONE, Contract(1, 10, 1, 1_000, 5.0), brackets_of(ONE))


def test_rows_join_without_a_gap() -> None:
    rows = bracket_rows(LISTING)
    assert [r["initialLeverage"] for r in rows] == [125, 100, 50]
    assert [r["notionalFloor"] for r in rows] == [0, 50_000, 600_000]
    assert [r["notionalCap"] for r in rows] == [50_000, 600_000, 10**15]
    assert [r["cum"] for r in rows] == [0.0, 50.0, 3_050.0]


@pytest.mark.parametrize(
    ("leverage", "most"), [(125, "50000"), (101, "50000"), (100, "600000"), (50, str(10**15))]
)
def test_what_may_be_held_at_a_leverage(leverage: int, most: str) -> None:
    assert most_notional_text(LISTING, leverage) == most


def test_the_listing_caps_what_the_rates_would_allow() -> None:
    assert leverage_of(replace(LISTING, max_leverage=20), 0.004) == 20
    assert leverage_of(LISTING, 0.0) == 125
    assert leverage_of(LISTING, 0.9) == 1
