from __future__ import annotations

import math

import pytest

from runtime.display.words import money, price, sparkline, thinned, utc


def test_times_and_money() -> None:
    assert utc(1_593_826_200 * 10**9) == "2020-07-04 01:30"
    assert utc(0) == "-"
    assert money(-1234.5) == "-1,234.50"
    assert money(0.0) == "+0.00"


@pytest.mark.parametrize(
    ("value", "text"),
    [(34_630.891, "34,630.89"), (100.0, "100.00"), (0.5123456, "0.512346"), (0.0, "-"),
     (-3.0, "-"), (math.nan, "-")],
)  # fmt: skip
def test_prices_have_the_places_their_size_asks_for(value: float, text: str) -> None:
    assert price(value) == text


def test_a_sparkline_spans_its_range() -> None:
    assert sparkline([1.0, 2.0, 3.0], 10) == "▁▅█"
    assert sparkline([5.0, 5.0], 10) == "▁▁"
    assert sparkline([1.0, math.nan, 3.0], 10) == "▁█"
    assert sparkline([], 10) == ""
    assert len(sparkline([float(i) for i in range(100)], 7)) == 7


def test_thinning_keeps_both_ends() -> None:
    values = [float(i) for i in range(1_000)]
    found = thinned(values, 60)
    assert (len(found), found[0], found[-1]) == (60, 0.0, 999.0)
    assert thinned([1.0, 2.0], 60) == [1.0, 2.0]
