"""The last 24 hours equal what the candles say, at every point."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.exchange.day import DayStats
from runtime.exchange.klines import Klines
from runtime.exchange.market import Point
from tests.unit.runtime.exchange.cases import Bar, market_of


def bars_of(n: int) -> list[Bar | None]:
    """Wandering bars with gaps, of a seed."""
    rng = np.random.default_rng(3)
    out: list[Bar | None] = []
    price = 10_000
    for i in range(n):
        open_, close = price, price + int(rng.integers(-50, 51))
        high, low = max(open_, close) + 20, min(open_, close) - 30
        out.append(None if i % 11 == 7 else (open_, high, low, close))
        price = close
    return out


@pytest.mark.parametrize("vertex", [0, 1, 3])
def test_day_equals_its_candles(vertex: int) -> None:
    market = market_of({"A": bars_of(60)}, first_row=0)
    klines = Klines(market)
    days = DayStats(klines)
    for row in range(60):
        at = Point(row, vertex)
        now_ns = market.time_of(at)
        start_ns = market.open_ns(row) - 23 * market.interval_ns
        rows = klines.between("A", "1h", at, start_ns, now_ns - (vertex == 3), 24)
        day = days.of("A", at)
        assert day is not None
        assert day.open == rows[0].open
        assert day.high == max(k.high for k in rows)
        assert day.low == min(k.low for k in rows)
        assert day.last == rows[-1].close
        assert day.volume == pytest.approx(sum(k.volume for k in rows))


def test_no_candle_no_day() -> None:
    market = market_of({"A": [None, *bars_of(3)], "B": bars_of(4)}, first_row=1)
    assert DayStats(Klines(market)).of("A", Point(0, 3)) is None
