"""By the clock: looks, closes, comparisons, blocks and errors on an exchange that moves itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from envs.core.errors import FixSettings
from envs.core.instrument import Instrument
from envs.core.series import prepare
from envs.core.settings import CoreSettings
from runtime.adapters.ccxt_feed import CcxtFeed, FeedSettings
from runtime.driving.market_clock import MarketClock
from runtime.driving.timed import TimedDriver, TimedSettings, venue_settings
from runtime.exchange.clock import SystemClock
from runtime.exchange.fault_kinds import Fault, FaultKind
from runtime.exchange.hosting import HostedExchange
from runtime.exchange.market import ExchangeMarket
from runtime.exchange.session import ExchangeSession
from runtime.exchange.settings import ExchangeSettings
from runtime.kernel_ports import Quote
from runtime.port_market import Bar
from runtime.subsystems import stop_causes as why
from runtime.subsystems.emergency_stop import EmergencyStop
from tests.faults.adapter_rig import OTHER, SYMBOL, Rig, eventually, make_venue, open_store, rig
from tests.parity.faces import case_of, kernel_of
from tests.property.strategies import FIRST_ROW

HOUR_NS = 3_600_000_000_000
QUICK = FeedSettings(max_age_s=1.0, silence_s=5.0, poll_s=0.3, first_wait_s=0.05)
NAMES = (SYMBOL, OTHER)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 25.0))


@dataclass
class Listener:
    """Writes down what the driver calls; ``fails`` names the calls that raise."""

    venue: Any
    fails: str = ""
    looks: list[tuple[int, dict[str, Quote]]] = field(default_factory=list)
    closes: list[tuple[int, int]] = field(default_factory=list)
    compared: int = 0
    watched: int = 0
    asks_s: float = 0.0
    asking: list[float] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    blocks: dict[str, str] = field(default_factory=dict)

    async def monitor(self, now_ns: int, quotes: Mapping[str, Quote]) -> None:
        self.looks.append((now_ns, dict(quotes)))
        if "monitor" in self.fails:
            raise RuntimeError("on purpose")
        self.events += self.venue.take_events()

    async def on_close(
        self, close_ns: int, bars: Sequence[Bar], *, quotes: Mapping[str, Quote] | None = None
    ) -> None:
        assert quotes is not None
        assert {b.close_ms * 10**6 for b in bars} == {close_ns}
        self.closes.append((close_ns, len(bars)))
        if "on_close" in self.fails:
            raise RuntimeError("on purpose")
        if self.asks_s:
            self.asking.append(asyncio.get_running_loop().time())
            await asyncio.sleep(self.asks_s)
            self.asking.clear()

    async def watch(self) -> None:
        self.watched += 1
        if "watch" in self.fails:
            raise RuntimeError("on purpose")

    async def reconcile(self) -> None:
        self.compared += 1
        if "reconcile" in self.fails:
            raise RuntimeError("on purpose")

    def block_entries(self, symbol: str, reason: str) -> None:
        self.blocks[symbol] = reason


@dataclass
class Scene:
    """A driver on an accelerated exchange."""

    rig: Rig
    listener: Listener
    driver: TimedDriver
    stop: asyncio.Event
    watch: EmergencyStop
    task: asyncio.Task[None]


@asynccontextmanager
async def scene(
    folder: Path, *, speed: float = 7_200.0, fails: str = "", max_bars: int | None = None,
    to_the_end: bool = False, bars: int = 400, **more: Any,
) -> AsyncIterator[Scene]:  # fmt: skip
    async with rig(
        folder, settings=venue_settings(speed), speed=speed, tick_s=600.0, bars=bars
    ) as r:
        feed = CcxtFeed(r.venue.link, QUICK)
        await feed.open(NAMES, "1h")
        listener, stop = Listener(r.venue, fails), asyncio.Event()
        clock = MarketClock(r.venue.link, feed, wall=False)
        watch = EmergencyStop(CoreSettings(), 10_000.0, 0, lambda _: None)
        settings = TimedSettings(**({"speed": speed, "grace_s": 0.2, "max_age_s": 2.0} | more))
        last_ns = r.exchange.session.market.close_ns(bars - 1)
        over = (lambda: clock.now_ns() >= last_ns) if to_the_end else None
        driver = TimedDriver(
            listener, r.venue, feed, clock, NAMES, settings, stop, watch, max_bars, over,
            is_asking=lambda: bool(listener.asking),
        )  # fmt: skip
        task = asyncio.create_task(driver.run())
        try:
            yield Scene(r, listener, driver, stop, watch, task)
        finally:
            stop.set()
            await asyncio.wait_for(task, 5.0)
            await feed.close()


def test_it_looks_decides_and_compares_until_it_is_stopped(tmp_path: Path) -> None:
    async def work() -> None:
        async with scene(tmp_path) as s:
            heard = s.listener
            await eventually(lambda: len(heard.closes) >= 4 and heard.compared >= 3, 10.0)
            closes = [c for c, _ in heard.closes]
            assert closes == list(range(closes[0], closes[0] + len(closes) * HOUR_NS, HOUR_NS))
            assert {n for _, n in heard.closes} == {2}
            assert len(heard.looks) > 2 * len(heard.closes)
            times = [t for t, _ in heard.looks]
            assert times == sorted(times)
            assert times[-1] <= s.rig.exchange.session.now_ns
            quote = heard.looks[-1][1][SYMBOL]
            assert (quote.last_ticks, quote.mark_ticks) == (10_000, pytest.approx(10_000.0))
            s.stop.set()
            await asyncio.wait_for(s.task, 2.0)
            assert s.driver.errors == 0

    run(work())


def test_a_block_from_before_the_start_ends_with_its_reason(tmp_path: Path) -> None:
    async def work() -> None:
        async with scene(tmp_path) as s:
            s.listener.blocks |= {"": "CLOCK_SKEW", SYMBOL: "STATE_UNKNOWN"}
            await eventually(lambda: len(s.listener.looks) >= 2)
            assert s.listener.blocks == {"": "", SYMBOL: "", OTHER: ""}

    run(work())


def test_events_of_the_venue_wake_it_at_once(tmp_path: Path) -> None:
    async def work() -> None:
        async with scene(tmp_path, speed=1.0, monitor_s=60.0, cycle_s=300.0) as s:
            await eventually(lambda: len(s.listener.looks) >= 1)
            before = len(s.listener.looks)
            await s.rig.buy("e1")
            await eventually(lambda: any(hasattr(e, "fill") for e in s.listener.events), 2.0)
            assert len(s.listener.looks) > before

    run(work())


def test_a_close_that_waits_for_its_models_goes_before_what_only_the_clock_wants(
    tmp_path: Path,
) -> None:
    """What the venue tells is looked at meanwhile; the clock's own questions wait half a second."""

    async def work() -> None:
        async with scene(tmp_path, speed=600.0, monitor_s=30.0, watch_s=1.5) as s:
            await eventually(lambda: s.listener.watched > 0)
            s.listener.asks_s = 4.0
            await eventually(lambda: bool(s.listener.asking), 12.0)
            begun = s.listener.asking[0]
            looks, watched = len(s.listener.looks), s.listener.watched
            await asyncio.sleep(0.35)
            assert asyncio.get_running_loop().time() - begun < 0.5
            assert (len(s.listener.looks), s.listener.watched) == (looks, watched)
            await s.rig.buy("d1")
            await eventually(lambda: any("Filled" in type(e).__name__ for e in s.listener.events))
            await eventually(lambda: s.listener.watched > watched)
            assert len(s.listener.looks) > looks + 1
            assert s.listener.asking == [begun]

    run(work())


@pytest.mark.parametrize("fails", ["monitor", "on_close"])
def test_a_step_that_fails_is_counted_and_ends_nothing(tmp_path: Path, fails: str) -> None:
    async def work() -> None:
        async with scene(tmp_path, fails=fails) as s:
            await eventually(lambda: s.driver.errors >= 3, 10.0)
            assert len(s.listener.looks) < 200, "an error is no reason to run hot"
            s.listener.fails = ""
            seen = len(s.listener.closes)
            await eventually(lambda: len(s.listener.closes) > seen + 1, 10.0)
            assert s.watch.active

    run(work())


def test_too_many_errors_in_a_row_stop_entries(tmp_path: Path) -> None:
    async def work() -> None:
        async with scene(tmp_path, fails="monitor", speed=1.0, monitor_s=0.2, cycle_s=300.0) as s:
            assert s.watch.active
            await eventually(lambda: not s.watch.active, 15.0)
            assert s.driver.errors == s.watch.live.ess_max_engine_errors

    run(work())


def test_a_look_that_always_fails_stops_entries_whatever_else_succeeds(tmp_path: Path) -> None:
    async def work() -> None:
        times: dict[str, Any] = {"speed": 1.0, "monitor_s": 0.3, "cycle_s": 0.2}
        async with scene(tmp_path, fails="monitor", **times) as s:
            await eventually(lambda: not s.watch.active, 15.0)
            assert s.driver.errors == s.watch.live.ess_max_engine_errors
            assert s.listener.compared > 2
            s.listener.fails = ""
            await eventually(lambda: not s.watch.causes.stands(why.ENGINE), 5.0)

    run(work())


def test_what_fails_does_not_keep_positions_waiting(tmp_path: Path) -> None:
    async def work() -> None:
        fails = "monitor on_close watch reconcile"
        async with scene(tmp_path, fails=fails) as s:
            await eventually(lambda: min(s.listener.watched, s.listener.compared) >= 4, 20.0)
            heard, s.listener.fails = s.listener, fails
            looks, others = len(heard.looks), heard.watched + heard.compared + len(heard.closes)
            await asyncio.sleep(2.0)
            assert len(heard.looks) >= looks + 8
            now = heard.watched + heard.compared + len(heard.closes)
            assert now <= others + 8, "what fails is tried less and less often"

    run(work())


def test_what_was_told_and_cannot_be_taken_is_no_reason_to_run_hot(tmp_path: Path) -> None:
    async def work() -> None:
        times: dict[str, Any] = {"speed": 1.0, "monitor_s": 60.0, "cycle_s": 300.0}
        async with scene(tmp_path, fails="monitor", **times) as s:
            await eventually(lambda: s.driver.errors >= 1)
            rounds, health = 0, s.rig.venue.health

            def counted() -> Any:
                nonlocal rounds
                rounds += 1
                return health()

            s.rig.venue.health = counted  # type: ignore[method-assign]
            await s.rig.buy("e1")
            await asyncio.sleep(1.5)
            assert 2 <= len(s.listener.looks) <= 8
            assert rounds < 60
            s.listener.fails = ""
            await eventually(lambda: any(hasattr(e, "fill") for e in s.listener.events), 5.0)

    run(work())


def test_data_that_stand_still_block_entries_until_they_move(tmp_path: Path) -> None:
    async def work() -> None:
        async with scene(tmp_path, max_age_s=0.5) as s:
            await eventually(lambda: len(s.listener.closes) >= 1, 5.0)
            assert s.listener.blocks.get(SYMBOL, "") == ""
            hour = s.rig.exchange.session.now_ms // 3_600_000 * 3_600_000
            faults = s.rig.exchange.faults
            faults.arm(Fault(FaultKind.MUTE, stream="*", seconds=30.0))
            for name in NAMES:
                options = {"open_ms": hour}
                faults.arm(Fault(FaultKind.STALE_KLINE, symbol=name, options=options))
            await eventually(lambda: s.listener.blocks.get(SYMBOL) == "FEED_STALE", 5.0)
            await eventually(lambda: s.listener.looks[-1][1] == {}, 5.0)
            faults.disarm()
            await eventually(lambda: s.listener.blocks[SYMBOL] == "", 5.0)

    run(work())


def test_a_lost_stream_blocks_all_entries(tmp_path: Path) -> None:
    async def work() -> None:
        async with scene(tmp_path) as s:
            await eventually(lambda: len(s.listener.looks) >= 2)
            s.rig.exchange.faults.arm(
                Fault(FaultKind.REFUSE, "POST /fapi/v1/listenKey", count=3, code=-1001, status=503)
            )
            await s.rig.act(FaultKind.CLOSE_SOCKET, stream="user:*")
            await s.rig.act(FaultKind.CLOSE_SOCKET, stream="*")
            await eventually(lambda: s.listener.blocks.get("") == "STREAM_DOWN", 5.0)
            await eventually(lambda: s.listener.blocks[""] == "", 10.0)

    run(work())


def test_it_ends_with_the_market_or_after_the_bars_asked_for(tmp_path: Path) -> None:
    async def work(more: dict[str, Any], folder: Path) -> list[tuple[int, int]]:
        async with scene(folder, **more) as s:
            await asyncio.wait_for(s.task, 10.0)
            last = s.rig.exchange.session.market.close_ns(more.get("bars", 400) - 1)
            assert (s.listener.closes[-1][0] == last) == ("to_the_end" in more)
            return s.listener.closes

    assert len(run(work({"max_bars": 2}, tmp_path))) == 2
    other = tmp_path / "other"
    other.mkdir()
    assert len(run(work({"to_the_end": True, "bars": 8}, other))) >= 4


def test_settings_out_of_range_are_refused() -> None:
    for wrong in ({"monitor_s": 0.0}, {"speed": -1.0}, {"grace_s": -0.1}, {"skew_ms": 0}):
        with pytest.raises(FixSettings, match="timed driver"):
            TimedSettings(**wrong)  # type: ignore[arg-type]
    quick = TimedSettings(monitor_s=5.0, cycle_s=30.0, speed=3_600.0)
    assert quick.monitor_wall_s == quick.least_s
    assert TimedSettings(speed=10.0).cycle_wall_s == 3.0
    assert venue_settings(1.0).stream.put_s == 1_200.0
    assert venue_settings(60.0).stream.put_s == venue_settings(36_000.0).stream.put_s == 20.0


def test_the_kernel_rides_by_the_clock_and_its_books_are_the_venues(tmp_path: Path) -> None:
    case = case_of(11, n=90, symbols=2, shock=0.02, eager=False)
    instruments = tuple(Instrument.of(n, "0.01", "0.001") for n in NAMES)
    case = replace(case, market=replace(case.market, symbols=NAMES, instruments=instruments))
    data = prepare(case.market, case.settings)
    settings = ExchangeSettings(
        symbols=NAMES, port=0, speed=7_200.0, tick_s=300.0, core=case.settings, limits="none",
        start_quote=case.settings.start_equity_quote,
    )  # fmt: skip

    async def work() -> None:
        market = ExchangeMarket(data, FIRST_ROW, settings.tick_s)
        session = ExchangeSession(settings, market, SystemClock(), None)
        async with (
            HostedExchange(settings, session=session) as exchange,
            open_store(tmp_path) as store,
        ):
            venue = make_venue(exchange, store, venue_settings(settings.rate))
            venue.link.exchange.streaming["keepAlive"] = 5_000
            feed = CcxtFeed(venue.link, QUICK)
            await venue.open()
            await eventually(lambda: venue.health().stream_up)
            await feed.open(NAMES, "1h")
            kernel = kernel_of(case, data, SimpleNamespace(session=session, venue=venue))
            signals: Any = kernel.parts.signals

            def receive(close_ns: int, bars: Sequence[Bar]) -> tuple[Any, ...]:
                # The market went on while everything was opened: rows are found by time.
                signals.row = data.market.row_at(close_ns)
                return ()

            signals.receive = receive
            await kernel.start()
            stop = asyncio.Event()
            clock = MarketClock(venue.link, feed, wall=False, start_ns=session.now_ns)
            driver = TimedDriver(
                kernel, venue, feed, clock, NAMES,
                TimedSettings(speed=settings.rate, grace_s=0.5), stop, kernel.parts.stop,
                max_bars=18,
            )  # fmt: skip
            await driver.run()
            await kernel.reconcile()
            assert await kernel.stop(flatten=True) == ()
            assert driver.errors == 0
            assert kernel.trades
            account = kernel.context.books.account
            assert session.state.ledger.wallet_units == account.cash_units
            assert not session.state.holdings
            await feed.close()
            await venue.close()

    run(work())
