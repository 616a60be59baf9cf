from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from envs.core.errors import FixInput
from runtime.exchange import commands as c
from runtime.exchange.errors import VenueError
from runtime.exchange.events import OrderEvent, VenueEvent
from runtime.exchange.market import Point
from runtime.exchange.moving import MarketMove
from runtime.exchange.orders import BUY, SELL, OrderStatus
from runtime.exchange.session import ExchangeSession
from tests.unit.runtime.exchange.cases import (
    FLAT,
    ManualClock,
    limit_order,
    market_of,
    market_order,
    stop_order,
)
from tests.unit.runtime.exchange.session_cases import (
    LOCKSTEP,
    SWING,
    TIMED,
    played,
    swinging,
    until,
)


def test_an_idle_market_goes_from_close_to_close() -> None:
    async def work() -> None:
        session = ExchangeSession.open(LOCKSTEP, market=swinging())
        assert session.point == Point(0, 3)
        assert session.engine.at_close
        step = await session.advance()
        assert (step.vertex, step.point) == ("close", Point(1, 3))
        assert [k.close for k in step.klines] == [10_100]
        assert session.now_ns == session.market.close_ns(1)
        two = await session.advance(2)
        assert two.point == Point(3, 3)
        assert len(two.klines) == len(two.moves) == 2

    played(work)


def test_with_an_order_it_goes_vertex_by_vertex_and_tells_all() -> None:
    async def work() -> None:
        session = ExchangeSession.open(LOCKSTEP, market=swinging())
        heard: list[VenueEvent] = []
        session.listen(heard.extend)
        order = await session.submit(c.Place(market_order(BUY, 10)))
        assert order.status is OrderStatus.NEW
        assert [type(e) for e in heard] == [OrderEvent]
        opened = await session.advance()
        assert opened.vertex == "open"
        assert not session.engine.at_close
        assert session.state.orders[order.order_id].status is OrderStatus.FILLED
        assert opened.positions["A"].book.qty == 10
        assert list(opened.events) == heard[1:]
        vertices = [(await session.advance()).vertex for _ in range(3)]
        assert vertices == ["first", "second", "close"]
        assert session.state.quotes["A"].last_ticks == 10_100

    played(work)


def test_the_market_is_heard_before_what_it_led_to() -> None:
    async def work() -> None:
        session = ExchangeSession.open(LOCKSTEP, market=swinging())
        order: list[str] = []
        session.on_market(lambda move: order.append(f"market {move.point.vertex}"))
        end = session.listen(lambda events: order.append(f"events {len(events)}"))
        await session.submit(c.Place(market_order(BUY, 10)))
        await session.advance()
        assert order == ["events 1", "market 0", "events 2"]
        end()
        await session.submit(c.Place(market_order(SELL, 10)))
        assert order == ["events 1", "market 0", "events 2"]

    played(work)


def test_a_listener_that_fails_harms_itself_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        session = ExchangeSession.open(LOCKSTEP, market=swinging())
        heard: list[VenueEvent] = []

        def broken(events: object) -> None:
            raise RuntimeError("mine")

        session.listen(broken)
        session.listen(heard.extend)
        await session.submit(c.Place(limit_order(BUY, 1, 5_000)))
        assert len(heard) == 1

    played(work)
    assert "a listener of the exchange failed" in caplog.text


def test_the_end_of_the_data_stands_still_and_still_answers() -> None:
    async def work() -> None:
        session = ExchangeSession.open(LOCKSTEP, market=swinging(3))
        step = await session.advance(10)
        assert step.ended
        assert session.ended
        assert (await session.advance()).moves == ()
        await session.submit(c.Place(limit_order(BUY, 1, 5_000)))

    played(work)


def test_each_mode_refuses_the_others_calls() -> None:
    async def work() -> None:
        with pytest.raises(FixInput, match="--speed lockstep"):
            await ExchangeSession.open(TIMED, market=swinging()).advance()
        with pytest.raises(FixInput, match="waits for advance"):
            await ExchangeSession.open(LOCKSTEP, market=swinging()).run()

    played(work)


def test_a_gap_trades_nothing_but_an_order_at_a_close_waits_for_the_next_open() -> None:
    async def work() -> None:
        market = market_of({"A": [FLAT, None, SWING, SWING], "B": [FLAT] * 4})
        session = ExchangeSession.open(replace(LOCKSTEP, symbols=("A", "B")), market=market)
        await session.submit(c.Place(market_order(BUY, 10, "a")))
        step = await session.advance()
        assert [m.symbol for m in step.moves[0].moves] == ["B"]
        with pytest.raises(VenueError, match="pre-trading") as caught:
            await session.submit(c.Place(market_order(BUY, 10, "b")))
        assert caught.value.code == -4108
        await session.advance(4)
        assert session.point == Point(2, 0)
        assert session.state.holdings["A"].entry == 10_000

    played(work)


def test_timed_mode_follows_the_wall_clock_and_ends_with_the_data() -> None:
    async def work() -> None:
        clock = ManualClock()
        session = ExchangeSession.open(TIMED, market=swinging(4), clock=clock)
        moves: list[MarketMove] = []
        session.on_market(moves.append)
        began = clock.now_s
        await session.run()
        assert session.ended
        assert clock.now_s - began == pytest.approx(3 * 3600 / 600.0)
        assert [m.number for m in moves] == sorted({m.number for m in moves})
        assert len(moves) == 3 * 61
        assert sum(len(m.klines) for m in moves) == 3
        assert not session.engine.at_close

    played(work)


def test_a_level_fires_at_its_own_price_between_two_ticks() -> None:
    async def work() -> None:
        session = ExchangeSession.open(
            replace(TIMED, tick_s=600.0), market=swinging(tick_s=600.0), clock=ManualClock()
        )
        await session.submit(c.Place(market_order(BUY, 10)))
        await session.submit(c.PlaceAlgo(stop_order(SELL, 10, 9_787)))
        await session.run()
        assert [t.price_ticks for t in session.state.ledger.trades] == [10_000, 9_787]

    played(work)


def test_a_slow_machine_gets_a_slower_market_not_a_jump() -> None:
    async def work() -> None:
        clock = ManualClock()
        session = ExchangeSession.open(TIMED, market=swinging(40), clock=clock)
        moves: list[MarketMove] = []
        session.on_market(moves.append)
        task = asyncio.create_task(session.run())
        await until(lambda: len(moves) >= 5)
        clock.now_s += 120.0
        before = len(moves)
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        assert len(moves) - before < 20, "the market jumped after a pause"

    played(work)
