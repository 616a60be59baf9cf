from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from envs.core.errors import FixData
from envs.core.settings import CoreSettings
from envs.core.types import NS_PER_HOUR
from envs.market.planted import synthetic_market
from envs.market.synthetic import SyntheticSettings
from runtime.exchange.market import ExchangeMarket, Point, open_market
from runtime.exchange.settings import START_BARS, ExchangeSettings
from tests.unit.runtime.exchange.cases import FLAT, START_NS, market_of

UP = (10_000, 10_400, 9_700, 10_100)
DOWN = (10_100, 10_400, 9_700, 10_000)


@pytest.fixture(scope="module")
def built_in() -> ExchangeMarket:
    return open_market(ExchangeSettings(synthetic_bars=2_000, seed=3))


def test_the_built_in_market_is_the_one_of_the_training_programs(built_in: ExchangeMarket) -> None:
    made = synthetic_market(SyntheticSettings(n_bars=2_000, seed=3))
    assert built_in.fingerprint == made.report.fingerprint
    assert built_in.first == Point(START_BARS - 1, 3)
    assert built_in.time_of(built_in.first) == built_in.open_ns(0) + START_BARS * NS_PER_HOUR


def test_a_start_is_the_close_at_or_after_it(built_in: ExchangeMarket) -> None:
    open_ns = built_in.open_ns(1_700)
    start = datetime.fromtimestamp(open_ns // 10**9, UTC)
    for moment, row in ((start, 1_699), (start + timedelta(seconds=1), 1_700)):
        settings = ExchangeSettings(synthetic_bars=2_000, seed=3, start=moment)
        assert open_market(settings).first == Point(row, 3)


def test_a_start_beyond_the_data_is_refused() -> None:
    late = ExchangeSettings(synthetic_bars=2_000, start=datetime(2030, 1, 1, tzinfo=UTC))
    with pytest.raises(FixData, match="at least one bar must follow"):
        open_market(late)


def test_a_symbol_without_a_bar_before_the_start_is_refused() -> None:
    with pytest.raises(FixData, match="B has no bar before the start"):
        market_of({"A": [FLAT] * 3, "B": [None, FLAT, FLAT]})


@pytest.mark.real_data
def test_a_folder_of_real_bars_opens(real_data_dir: Path) -> None:
    market = open_market(
        ExchangeSettings(
            data=str(real_data_dir),
            symbols=("ETHUSDT", "BTCUSDT"),
            start=datetime(2024, 5, 1, tzinfo=UTC),
        )
    )
    assert market.symbols == ("BTCUSDT", "ETHUSDT")
    assert market.listings()["BTCUSDT"].instrument.step.denominator == 1_000
    stamp = market.next_funding("BTCUSDT", market.first.row)
    assert stamp is not None
    assert stamp.time_ns % (8 * NS_PER_HOUR) == 0


def test_vertices_follow_the_path_rule_at_thirds_of_the_bar() -> None:
    market = market_of({"A": [UP, DOWN]})
    assert [market.vertex("A", 0, v)[0] for v in range(4)] == [10_000, 9_700, 10_400, 10_100]
    assert [market.vertex("A", 1, v)[0] for v in range(4)] == [10_100, 10_400, 9_700, 10_000]
    times = [market.vertex_time(1, v) - market.open_ns(1) for v in range(4)]
    assert times == [0, NS_PER_HOUR // 3, 2 * NS_PER_HOUR // 3, NS_PER_HOUR]


def test_the_mark_has_its_own_extremes() -> None:
    market = market_of({"A": [UP, UP]}, mark={1: (10_010, 10_500, 9_600, 10_110)})
    marks = [round(market.vertex("A", 1, v)[1], 6) for v in range(4)]
    assert marks == [10_010, 9_600, 10_500, 10_110]


@pytest.mark.parametrize("tick_s", [1.0, 7.0, 600.0, 1_200.0, 5_000.0])
def test_ticks_cut_the_pieces_without_missing_a_vertex(tick_s: float) -> None:
    market = market_of({"A": [FLAT, UP, DOWN]}, tick_s=tick_s)
    point, points = Point(0, 3), []
    while not market.is_last(point):
        following = market.next_tick(point)
        assert market.number(following) > market.number(point)
        assert market.before(following, lockstep=False) == point
        assert market.time_of(following) >= market.time_of(point)
        point = following
        points.append(point)
    assert [p for p in points if p.tick == 0] == [Point(r, v) for r in (1, 2) for v in range(4)]
    per_piece = -(-1_200 // int(tick_s))
    assert len(points) == 2 * (1 + 3 * per_piece)


def test_pieces_join_and_prices_are_linear_between_vertices() -> None:
    market = market_of({"A": [FLAT, UP]}, tick_s=300.0)
    point, at = Point(1, 0), 10_000
    prices = []
    while point != Point(1, 3):
        following = market.next_tick(point)
        piece = market.piece("A", point, following, market.time_of(following))
        assert (piece.at_open, piece.a) == (False, at)
        assert piece.now_ns == market.time_of(following)
        at, point = piece.b, following
        prices.append(at)
    assert prices == [9_925, 9_850, 9_775, 9_700, 9_875, 10_050, 10_225, 10_400, 10_325, 10_250,
                      10_175, 10_100]  # fmt: skip
    opened = market.piece("A", Point(0, 3), Point(1, 0), market.time_of(Point(1, 0)))
    assert (opened.at_open, opened.a, opened.b) == (True, 10_000, 10_000)


@pytest.mark.parametrize("seconds", [0.5, 1, 1_199.5, 1_200, 1_800, 3_599, 3_600, 3_601, 10**6])
def test_a_time_has_its_point(seconds: float) -> None:
    market = market_of({"A": [FLAT, UP, DOWN]}, tick_s=7.0)
    time_ns = market.open_ns(1) + int(seconds * 10**9)
    point = market.point_at(time_ns)
    if time_ns > market.close_ns(2):
        assert market.is_last(point)
        return
    assert market.time_of(point) >= time_ns
    assert market.time_of(market.before(point, lockstep=False)) < time_ns


def test_funding_is_told_by_bar_and_ahead() -> None:
    market = market_of({"A": [FLAT] * 6}, stamps={1: 0.001, 4: -0.002})
    assert market.funding_at("A", 0) is None
    found = market.funding_at("A", 1)
    assert found is not None
    assert (found.time_ns, found.rate, found.mark_ticks) == (START_NS + NS_PER_HOUR, 0.001, 10_000)
    ahead = market.next_funding("A", 1)
    assert ahead is not None
    assert ahead.rate == -0.002
    assert market.next_funding("A", 4) is None


def test_a_gap_has_no_bar_and_no_funding() -> None:
    market = market_of({"A": [FLAT, None, FLAT]}, stamps={1: 0.001})
    assert not market.trades_in("A", 1)
    assert not market.trades_in("A", 3)
    assert market.funding_at("A", 1) is None
    assert market.last_traded_row("A", 1) == 0


def test_slippage_is_the_one_known_before_the_bar() -> None:
    market = market_of({"A": [FLAT] * 3}, core=CoreSettings())
    assert market.slip("A", 1) == market.series.slip_next[0][0]


@pytest.mark.real_data
def test_the_default_start_waits_for_the_symbol_listed_last(real_data_dir: Path) -> None:
    market = open_market(ExchangeSettings(data=str(real_data_dir), symbols=("BTCUSDT", "ETHUSDT")))
    listed = [int(one.valid.argmax()) for one in market.series.series]
    assert len(set(listed)) == 2
    assert market.first == Point(max(listed) + START_BARS - 1, 3)
