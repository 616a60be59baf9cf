from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from envs.core.errors import DamagedArtifact, RefusedArtifact
from runtime.exchange import commands as c
from runtime.exchange.errors import VenueError
from runtime.exchange.events import OrderEvent, VenueEvent
from runtime.exchange.market import Point
from runtime.exchange.moving import MarketMove
from runtime.exchange.orders import BUY, SELL
from runtime.exchange.session import ExchangeSession
from tests.unit.runtime.exchange.cases import (
    ManualClock,
    digest,
    limit_order,
    market_order,
    stop_order,
)
from tests.unit.runtime.exchange.session_cases import LOCKSTEP, TIMED, played, swinging, until


def test_a_refusal_changes_nothing_and_is_not_journalled(tmp_path: Path) -> None:
    async def work() -> None:
        session = ExchangeSession.open(LOCKSTEP, tmp_path / "j", market=swinging())
        size = (tmp_path / "j").stat().st_size
        for command, code in (
            (c.Place(market_order(BUY, 10, symbol="Z")), -1121),
            (c.Place(market_order(SELL, 10, reduce_only=True)), -2022),
            (c.Cancel("A", 7), -2011),
            (c.CancelAlgo(7), -2011),
            (c.Countdown("Z", 1), -1121),
        ):
            with pytest.raises(VenueError) as caught:
                await session.submit(command)
            assert caught.value.code == code
        assert (tmp_path / "j").stat().st_size == size
        await session.close()

    played(work)


def test_a_resumed_market_never_runs_backwards(tmp_path: Path) -> None:
    async def work() -> None:
        path = tmp_path / "j"
        session = ExchangeSession.open(TIMED, path, market=swinging(30), clock=ManualClock())
        seen = 0

        def watch(move: MarketMove) -> None:
            nonlocal seen
            seen = max(seen, move.now_ns)

        session.on_market(watch)
        task = asyncio.create_task(session.run())
        for k in range(12):
            goal = session.market.open_ns(1) + k * 7_000 * 10**9
            await until(lambda goal=goal: seen >= goal)
            if k % 3 == 0:
                await session.submit(c.Place(limit_order(BUY, 10, 9_800, f"n{k}")))
            shutil.copy(path, tmp_path / "copy")
            told = seen
            again = ExchangeSession.open(TIMED, tmp_path / "copy", market=swinging(30))
            assert again.resumed
            assert again.now_ns >= told
            await again.close()
        task.cancel()
        await session.close()

    played(work)


def test_the_market_never_goes_beyond_what_is_written(tmp_path: Path) -> None:
    async def work() -> None:
        path, clock = tmp_path / "j", ManualClock()
        market = swinging(30)
        session = ExchangeSession.open(TIMED, path, market=market, clock=clock)
        last, beyond = 0, []

        def watch(move: MarketMove) -> None:
            nonlocal last
            lines = path.read_bytes().splitlines()[1:]
            reserved = [Point(*json.loads(line[9:])["at"]) for line in lines]
            if move.number > max(market.number(p) for p in reserved):
                beyond.append(move.point)
            last = move.number

        session.on_market(watch)
        task = asyncio.create_task(session.run())
        for _ in range(6):
            before = last
            clock.now_s += 4.5
            await until(lambda before=before: last > before + 40)
        assert beyond == []
        task.cancel()
        await session.close()

    played(work)


def test_a_resumed_venue_is_the_one_that_was_left(tmp_path: Path) -> None:
    async def work() -> None:
        path = tmp_path / "j"
        session = ExchangeSession.open(LOCKSTEP, path, market=swinging())
        await session.submit(c.SetLeverage("A", 5))
        await session.submit(c.SetMarginType("A", False))
        await session.submit(c.SetPositionMode(True))
        await session.submit(c.SetPositionMode(False))
        await session.submit(c.Place(market_order(BUY, 10)))
        await session.advance(2)
        await session.submit(c.PlaceAlgo(stop_order(SELL, 10, 9_600)))
        await session.advance(1)
        await session.submit(c.Place(limit_order(SELL, 4, 10_450, "l")))
        await session.submit(c.Amend("A", None, "l", 5, 10_480))
        await session.advance(6)
        await session.submit(c.CloseExternally("A"))
        await session.advance(1)
        await session.close()
        again = ExchangeSession.open(LOCKSTEP, path, market=swinging())
        assert digest(again.state) == digest(session.state)
        assert (again.point, again.modes) == (session.point, session.modes)
        assert again.state.quotes == session.state.quotes
        assert again.engine.at_close == session.engine.at_close
        await again.close()

    played(work)


def test_a_journal_of_another_market_or_of_other_rules_is_refused(tmp_path: Path) -> None:
    async def work() -> None:
        path = tmp_path / "j"
        await ExchangeSession.open(LOCKSTEP, path, market=swinging()).close()
        with pytest.raises(RefusedArtifact, match="written on other data"):
            ExchangeSession.open(LOCKSTEP, path, market=swinging(9))
        for settings, name in (
            (replace(LOCKSTEP, start_quote=5.0), "start_quote = 10000.0, now 5.0"),
            (replace(LOCKSTEP, speed=60.0), "lockstep = True, now False"),
        ):
            with pytest.raises(RefusedArtifact, match=name):
                ExchangeSession.open(settings, path, market=swinging())
        # The keys and the ports may change.
        other = replace(LOCKSTEP, api_key="x", port=1)
        await ExchangeSession.open(other, path, market=swinging()).close()

    played(work)


def test_a_command_that_now_leads_elsewhere_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        path = tmp_path / "j"
        session = ExchangeSession.open(LOCKSTEP, path, market=swinging())
        await session.submit(c.Place(market_order(BUY, 10)))
        await session.advance()
        await session.submit(c.Place(market_order(SELL, 10)))
        await session.close()
        monkeypatch.setattr("runtime.exchange.liquidity.WholeFills.take", lambda *a: [])
        with pytest.raises(DamagedArtifact, match="line 4 gives another result"):
            ExchangeSession.open(LOCKSTEP, path, market=swinging())

    played(work)


def test_nothing_is_acknowledged_when_the_disk_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        session = ExchangeSession.open(LOCKSTEP, tmp_path / "j", market=swinging())
        heard: list[VenueEvent] = []
        session.listen(heard.extend)

        def broken(fd: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("runtime.exchange.journal._SYNC", broken)
        for _ in range(2):
            with pytest.raises(VenueError) as caught:
                await session.submit(c.Place(limit_order(BUY, 1, 5_000)))
            assert (caught.value.code, caught.value.http) == (-1001, 503)
        with pytest.raises(VenueError):
            await session.advance()
        assert heard == []

    played(work)


def test_a_cancelled_request_still_has_its_events_told(tmp_path: Path) -> None:
    async def work() -> None:
        session = ExchangeSession.open(LOCKSTEP, tmp_path / "j", market=swinging())
        heard: list[VenueEvent] = []
        session.listen(heard.extend)
        task = asyncio.create_task(session.submit(c.Place(limit_order(BUY, 1, 5_000))))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await until(lambda: heard)
        await session.close()
        again = ExchangeSession.open(LOCKSTEP, tmp_path / "j", market=swinging())
        assert len(again.state.open_orders()) == 1
        await again.close()

    played(work)


def test_events_keep_the_order_of_their_commands(tmp_path: Path) -> None:
    async def work() -> None:
        session = ExchangeSession.open(LOCKSTEP, tmp_path / "j", market=swinging())
        heard: list[VenueEvent] = []
        session.listen(heard.extend)
        await asyncio.gather(
            *(session.submit(c.Place(limit_order(BUY, 1, 5_000, f"n{i}"))) for i in range(50))
        )
        ids = [e.order.order_id for e in heard if isinstance(e, OrderEvent)]
        assert ids == list(range(1, 51))
        await session.close()

    played(work)


def test_a_countdown_cancels_orders_but_never_stops(tmp_path: Path) -> None:
    async def work() -> None:
        clock = ManualClock()
        session = ExchangeSession.open(LOCKSTEP, tmp_path / "j", market=swinging(), clock=clock)
        await session.submit(c.Place(limit_order(BUY, 1, 5_000)))
        await session.submit(c.PlaceAlgo(stop_order(SELL, 1, 9_000)))
        await session.submit(c.Countdown("A", clock.now_ms() + 500))
        await until(lambda: not session.state.open_orders())
        assert clock.now_s == pytest.approx(1_000.5)
        assert len(session.state.open_algos()) == 1
        assert session.modes.deadlines_ms == {}
        await session.submit(c.Place(limit_order(BUY, 1, 5_000)))
        await session.submit(c.Countdown("A", clock.now_ms() + 500))
        await session.submit(c.Countdown("A", 0))
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(session.state.open_orders()) == 1
        await session.close()

    played(work)


def test_a_countdown_outlives_a_restart(tmp_path: Path) -> None:
    async def work() -> None:
        clock = ManualClock()
        path = tmp_path / "j"
        session = ExchangeSession.open(LOCKSTEP, path, market=swinging(), clock=clock)
        await session.submit(c.Place(limit_order(BUY, 1, 5_000)))
        await session.submit(c.Countdown("A", clock.now_ms() + 60_000))
        await session.close()
        assert session.state.open_orders()
        later = ManualClock(clock.now_s + 120.0)
        again = ExchangeSession.open(LOCKSTEP, path, market=swinging(), clock=later)
        await again.start()
        await until(lambda: not again.state.open_orders())
        await again.close()

    played(work)
