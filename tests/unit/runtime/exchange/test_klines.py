from __future__ import annotations

import pytest

from envs.core.errors import FixData
from envs.core.types import NS_PER_DAY, NS_PER_HOUR
from runtime.exchange.klines import Kline, Klines, kline_interval_ns
from runtime.exchange.market import ExchangeMarket, Point
from tests.unit.runtime.exchange.cases import START_NS, Bar, market_of


def bars(n: int) -> list[Bar | None]:
    return [(10_000 + t, 10_100 + t, 9_900 + t, 10_050 + t) for t in range(n)]


def asked(
    market: ExchangeMarket, interval: str, at: Point, limit: int = 500,
    start: int | None = None, end: int | None = None, mark: bool = False,
) -> list[Kline]:  # fmt: skip
    return Klines(market).between("A", interval, at, start, end, limit, mark)


def test_closed_bars_are_served_and_nothing_beyond_the_point() -> None:
    market = market_of({"A": bars(10)})
    found = asked(market, "1h", Point(4, 3))
    assert [k.open for k in found] == [10_000 + t for t in range(5)]
    assert all(k.closed for k in found)
    assert found[-1].close_ns == market.close_ns(4)
    assert found[0].volume == 1_000.0
    assert found[0].quote_volume == pytest.approx(1_000.0 * 100.125)


def test_the_forming_bar_shows_only_what_has_happened() -> None:
    market = market_of({"A": bars(3)}, tick_s=600.0)
    opened = asked(market, "1h", Point(1, 0))[-1]
    assert (opened.open, opened.high, opened.low, opened.close) == (10_001,) * 4
    assert (opened.closed, opened.volume) == (False, 0.0)
    on_the_way = asked(market, "1h", Point(1, 0, 1))[-1]
    assert (on_the_way.high, on_the_way.low, on_the_way.close) == (10_001, 9_951, 9_951)
    low = asked(market, "1h", Point(1, 1))[-1]
    assert (low.high, low.low, low.close) == (10_001, 9_901, 9_901)
    assert low.volume == pytest.approx(1_000.0 / 3)
    assert asked(market, "1h", Point(1, 3))[-1].closed


def test_larger_intervals_are_made_of_the_bars() -> None:
    market = market_of({"A": bars(9)})
    found = asked(market, "4h", Point(8, 1))
    assert [k.open_ns for k in found] == [START_NS, START_NS + 4 * NS_PER_HOUR,
                                          START_NS + 8 * NS_PER_HOUR]  # fmt: skip
    assert (found[0].open, found[0].close) == (10_000, 10_053)
    assert (found[0].high, found[0].low) == (10_103, 9_900)
    assert found[0].volume == 4_000.0
    assert [k.closed for k in found] == [True, True, False]
    assert (found[2].open, found[2].low) == (10_008, 9_908)


def test_an_unfinished_larger_candle_is_not_closed_between_its_bars() -> None:
    market = market_of({"A": bars(9)})
    assert not asked(market, "4h", Point(2, 3))[-1].closed
    assert asked(market, "4h", Point(3, 3))[-1].closed
    assert len(asked(market, "4h", Point(3, 3))) == 1


def test_weeks_begin_on_monday_and_days_at_midnight() -> None:
    market = market_of({"A": bars(9)})
    week = asked(market, "1w", Point(8, 3))[0]
    assert (week.open_ns - 4 * NS_PER_DAY) % (7 * NS_PER_DAY) == 0
    assert week.open_ns <= START_NS < week.close_ns
    assert asked(market, "1d", Point(8, 3))[0].open_ns % NS_PER_DAY == 0


def test_limits_count_from_the_start_or_from_the_end() -> None:
    market = market_of({"A": bars(10)})
    at = Point(7, 3)
    assert [k.open for k in asked(market, "1h", at, 3)] == [10_005, 10_006, 10_007]
    start = START_NS + 2 * NS_PER_HOUR
    assert [k.open for k in asked(market, "1h", at, 2, start)] == [10_002, 10_003]
    assert [k.open for k in asked(market, "1h", at, 2, start - 1)] == [10_002, 10_003]
    end = START_NS + 3 * NS_PER_HOUR
    assert [k.open for k in asked(market, "1h", at, 2, None, end)] == [10_002, 10_003]
    assert asked(market, "1h", at, 0) == []
    assert asked(market, "1h", at, 5, start, start - NS_PER_HOUR) == []
    assert asked(market, "1h", at, 5, START_NS + 20 * NS_PER_HOUR) == []


def test_gaps_have_no_candle() -> None:
    market = market_of({"A": [*bars(2), None, *bars(2)]})
    assert len(asked(market, "1h", Point(4, 3))) == 4
    assert len(asked(market, "1h", Point(2, 3))) == 2
    assert Klines(market).closed_at("A", 2) is None


def test_marks_have_candles_without_volume() -> None:
    market = market_of({"A": bars(3)}, mark={1: (9_000, 9_200, 8_800, 9_100)})
    found = asked(market, "1h", Point(1, 3), mark=True)[1]
    assert [round(x, 6) for x in (found.open, found.high, found.low, found.close)] == [
        9_000, 9_200, 8_800, 9_100,
    ]  # fmt: skip
    assert (found.volume, found.quote_volume, found.trades) == (0.0, 0.0, 0)


def test_intervals_below_the_bars_or_unknown_are_refused() -> None:
    market = market_of({"A": bars(3)})
    for interval in ("1m", "30m", "2x"):
        assert not Klines(market).serves(interval)
        with pytest.raises(FixData, match="no multiple"):
            asked(market, interval, Point(1, 3))
    with pytest.raises(FixData, match="none of"):
        kline_interval_ns("2x")


def test_the_closing_candle_is_the_one_served_later() -> None:
    market = market_of({"A": bars(5)})
    klines = Klines(market)
    assert klines.base == "1h"
    closing = klines.closed_at("A", 2)
    assert closing == asked(market, "1h", Point(4, 3))[2]
    assert klines.forming("A", "1h", Point(2, 3)) == closing
    assert klines.forming("A", "1h", Point(3, 0)) == asked(market, "1h", Point(3, 0))[-1]
