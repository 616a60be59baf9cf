"""Scenario 21 of the contract, and the feed at its best."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from envs.core.errors import FixInput
from envs.core.settings import CoreSettings
from runtime.adapters.ccxt_feed import CcxtFeed, FeedSettings
from runtime.exchange.fault_kinds import Fault
from runtime.exchange.fault_kinds import FaultKind as K
from runtime.exchange.hosting import HostedExchange
from runtime.exchange.session import ExchangeSession
from runtime.exchange.settings import ExchangeSettings
from runtime.port_errors import VenueUnavailable
from runtime.port_market import Bar, Mark
from tests.faults.adapter_rig import (
    OTHER,
    SYMBOL,
    Rig,
    eventually,
    make_venue,
    open_store,
    rig,
    run,
)  # fmt: skip
from tests.unit.runtime.exchange.cases import CALM, FLAT, market_of

HOUR_MS = 3_600_000
QUICK = FeedSettings(max_age_s=1.0, silence_s=1.0, poll_s=0.3, first_wait_s=0.05)


@asynccontextmanager
async def fed(
    folder: Path, speed: float = 7_200.0, settings: FeedSettings = QUICK, core: CoreSettings = CALM
) -> AsyncIterator[tuple[Rig, CcxtFeed]]:
    """Two bars a second."""
    async with rig(folder, speed=speed, tick_s=600.0, core=core) as r:
        feed = CcxtFeed(r.venue.link, settings)
        await feed.open([SYMBOL, OTHER], "1h")
        try:
            yield r, feed
        finally:
            await feed.close()


async def _take(feed: CcxtFeed, count: int) -> list[Bar]:
    """The next bars of the first contract."""
    bars: list[Bar] = []
    while len(bars) < count:
        assert await feed.wait(5.0)
        bars += [b for b in feed.take_bars() if b.symbol == SYMBOL]
    return bars


def test_many_contracts_are_heard_of_through_one_subscription(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A socket that asks more than ten times a second is closed by the venue."""
    names = [SYMBOL, OTHER, *(f"S{k:02d}USDT" for k in range(23))]

    async def scene() -> None:
        told = ExchangeSettings(
            symbols=tuple(names), port=0, speed=7_200.0, tick_s=600.0, core=CALM, limits="none"
        )
        bars = dict.fromkeys(names, [FLAT] * 400)
        market = market_of(bars, volume=1e6, core=CALM, tick_s=600.0)
        session = ExchangeSession.open(told, market=market)
        async with HostedExchange(told, session=session) as exchange, open_store(tmp_path) as store:
            venue = make_venue(exchange, store)
            await venue.open()
            feed = CcxtFeed(venue.link, replace(QUICK, poll_s=60.0, silence_s=20.0))
            await feed.open(names, "1h")
            heard: set[str] = set()
            async with asyncio.timeout(20.0):
                while heard != set(names):
                    assert await feed.wait(15.0), f"no bar of {sorted(set(names) - heard)}"
                    heard |= {bar.symbol for bar in feed.take_bars()}
            assert all(feed.last(name) == pytest.approx(100.0) for name in names)
            await feed.close()
            await venue.close()

    run(scene())
    assert "1008" not in caplog.text
    assert "connecting anew" not in caplog.text


def test_each_bar_is_told_once_when_it_has_closed(tmp_path: Path) -> None:
    async def scene() -> None:
        async with fed(tmp_path) as (r, feed):
            bars = await _take(feed, 4)
            opens = [b.open_ms for b in bars]
            assert opens == list(range(opens[0], opens[0] + 4 * HOUR_MS, HOUR_MS))
            assert bars[-1].close_ms <= r.exchange.session.now_ms
            history = await feed.history(SYMBOL, 3)
            assert [b.open_ms for b in history[1:]] == [b.close_ms for b in history[:-1]]
            assert set(bars) & set(history)
            mark, touch = feed.mark(SYMBOL), feed.touch(SYMBOL)
            assert mark is not None
            assert mark.price == pytest.approx(100.0)
            assert touch is not None
            assert touch.bid <= touch.ask
            assert feed.health(SYMBOL).usable
            assert not feed.health("XRPUSDT").usable

    run(scene())


def _is_past(r: Rig, market_ms: int) -> bool:
    return r.exchange.session.now_ms > market_ms


def _candle(bar: Bar, final: bool, **more: Any) -> dict[str, Any]:
    """A message of the candle stream."""
    told = {
        "t": bar.open_ms, "s": bar.symbol, "i": "1h", "o": bar.open, "h": bar.high, "l": bar.low,
        "c": bar.close, "v": bar.volume, "x": final,
    }  # fmt: skip
    return {"e": "kline", "E": bar.close_ms, "s": bar.symbol, "k": told | more}


def _count_questions(feed: CcxtFeed) -> list[str]:
    """Symbols whose candles are asked for from now on."""
    asked: list[str] = []
    call = feed.link.call

    async def counted(method: str, params: Mapping[str, Any], **more: Any) -> Any:
        if method == "fapiPublicGetKlines":
            asked.append(params["symbol"])
        return await call(method, params, **more)

    feed.link.call = counted  # type: ignore[method-assign, assignment]
    return asked


def test_final_candles_of_the_socket_need_no_question(tmp_path: Path) -> None:
    async def scene() -> None:
        async with fed(tmp_path, settings=replace(QUICK, poll_s=math.inf)) as (_, feed):
            asked = _count_questions(feed)
            bars = await _take(feed, 4)
            assert asked == []
            feed.link.call = type(feed.link).call.__get__(feed.link)  # type: ignore[method-assign]
            history = await feed.history(SYMBOL, 8)
            assert set(bars) <= set(history)
            assert feed.health(SYMBOL).usable

    run(scene())


def test_a_feed_that_was_closed_can_be_opened_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with fed(tmp_path, settings=replace(QUICK, poll_s=math.inf)) as (_, feed):
            await _take(feed, 1)
            await feed.close()
            await feed.open([SYMBOL], "1h")
            asked = _count_questions(feed)
            before = feed.mark(SYMBOL)
            await _take(feed, 2)
            assert feed.mark(SYMBOL) != before
            assert asked == []

    run(scene())


def test_messages_with_the_name_of_their_stream_around_them_are_read(tmp_path: Path) -> None:
    async def scene() -> None:
        async with fed(tmp_path) as (_, feed):
            await eventually(lambda: feed.mark(SYMBOL) is not None)
            told = {"e": "markPriceUpdate", "E": 7, "s": SYMBOL, "p": "123.5", "T": 9}
            message = {"stream": "btcusdt@markPrice@1s", "data": told}
            feed.link.exchange.handle_message(None, message)
            assert feed.mark(SYMBOL) == Mark(SYMBOL, 123.5, 123.5, 0.0, 9, 7)

    run(scene())


def test_what_the_socket_leaves_in_doubt_is_asked_for(tmp_path: Path) -> None:
    """A final candle that is none, one after a gap, a next bar without a final one before it."""
    lazy = replace(QUICK, poll_s=math.inf, max_age_s=60.0, silence_s=math.inf)

    async def scene() -> None:
        async with fed(tmp_path, settings=lazy) as (r, feed):
            r.exchange.faults.arm(Fault(K.MUTE, stream="*", seconds=60.0))
            await asyncio.sleep(0.1)
            feed.take_bars()
            asked = _count_questions(feed)
            for doubt in ("unreadable", "gap", "begins"):
                last = (await feed.history(SYMBOL, 1))[-1]
                following = replace(last, open_ms=last.close_ms, close_ms=last.close_ms + HOUR_MS)
                await eventually(partial(_is_past, r, following.close_ms + 2 * HOUR_MS))
                messages = {
                    "unreadable": _candle(following, True, v="much"),
                    "gap": _candle(replace(
                        following, open_ms=following.close_ms,
                        close_ms=following.close_ms + HOUR_MS,
                    ), True),
                    "begins": _candle(replace(
                        following, open_ms=following.close_ms,
                        close_ms=following.close_ms + HOUR_MS,
                    ), False),
                }  # fmt: skip
                asked.clear()
                feed.link.exchange.handle_message(None, messages[doubt])
                assert feed.take_bars() == ()
                bars = await _take(feed, 1)
                assert SYMBOL in asked, doubt
                assert {b.open_ms for b in bars} >= {following.open_ms}, doubt

    run(scene())


def test_a_bar_left_out_is_missed_and_told_when_it_comes(tmp_path: Path) -> None:
    async def scene() -> None:
        async with fed(tmp_path) as (r, feed):
            last = (await _take(feed, 1))[-1]
            gap = last.open_ms + 2 * HOUR_MS
            armed = r.exchange.faults.arm(
                Fault(K.MISSING_KLINE, symbol=SYMBOL, options={"open_ms": gap})
            )
            await eventually(lambda: feed.health(SYMBOL).missing == (gap,))
            assert not feed.health(SYMBOL).usable
            assert feed.health(OTHER).usable
            feed.take_bars()
            r.exchange.faults.disarm(armed.id)
            await eventually(lambda: feed.health(SYMBOL).missing == ())
            assert gap in [b.open_ms for b in feed.take_bars()]

    run(scene())


def test_data_that_stands_still_is_stale(tmp_path: Path) -> None:
    async def scene() -> None:
        lazy = replace(QUICK, silence_s=math.inf)
        async with fed(tmp_path, settings=lazy) as (r, feed):
            await _take(feed, 1)
            r.exchange.faults.arm(Fault(K.MUTE, stream="*", seconds=30.0))
            r.exchange.faults.arm(Fault(K.STALE_KLINE, symbol=SYMBOL, options={
                "open_ms": r.exchange.session.now_ms // HOUR_MS * HOUR_MS}))  # fmt: skip
            await eventually(lambda: feed.health(SYMBOL).stale)
            r.exchange.faults.disarm()
            await eventually(lambda: feed.health(SYMBOL).usable)

    run(scene())


def test_mute_sockets_are_opened_anew_and_polling_goes_on(tmp_path: Path) -> None:
    async def scene() -> None:
        async with fed(tmp_path) as (r, feed):
            await _take(feed, 1)
            r.exchange.faults.arm(Fault(K.MUTE, stream="*", seconds=2.0))
            bars = await _take(feed, 3)
            assert bars[2].open_ms - bars[0].open_ms == 2 * HOUR_MS
            await asyncio.sleep(1.0)
            await eventually(lambda: feed.health(SYMBOL).usable)

    run(scene())


@pytest.mark.parametrize("act", [K.CLOSE_SOCKET, K.HALF_OPEN])
def test_lost_sockets_come_back(act: K, tmp_path: Path) -> None:
    async def scene() -> None:
        async with fed(tmp_path) as (r, feed):
            await _take(feed, 1)
            await r.act(act, stream="market")
            before = feed.mark(SYMBOL)
            await _take(feed, 3)
            await eventually(lambda: feed.mark(SYMBOL) != before)
            assert r.venue.health().stream_up

    run(scene())


def test_poison_on_a_market_stream(tmp_path: Path) -> None:
    async def scene() -> None:
        async with fed(tmp_path) as (r, feed):
            r.arm(K.POISON, stream="btcusdt@*", count=5)
            await _take(feed, 3)
            await eventually(lambda: feed.health(SYMBOL).usable)

    run(scene())


def test_a_crossed_book_is_not_traded_on(tmp_path: Path) -> None:
    async def scene() -> None:
        async with fed(tmp_path, core=CoreSettings()) as (r, feed):
            r.arm(K.CROSSED_BOOK, symbol=SYMBOL)
            await eventually(lambda: feed.health(SYMBOL).crossed)
            assert not feed.health(SYMBOL).usable
            r.exchange.faults.disarm()
            await eventually(lambda: feed.health(SYMBOL).usable)

    run(scene())


def test_a_revised_bar_is_noticed_until_the_next(tmp_path: Path) -> None:
    async def scene() -> None:
        async with fed(tmp_path, speed=1_800.0) as (r, feed):
            last = (await _take(feed, 1))[-1]
            r.exchange.faults.arm(Fault(K.REVISED_KLINE, symbol=SYMBOL, value=0.01,
                                        options={"open_ms": last.open_ms}))  # fmt: skip
            await eventually(lambda: "revised" in feed.health(SYMBOL).problem)
            await _take(feed, 1)
            await eventually(lambda: feed.health(SYMBOL).usable)

    run(scene())


def test_no_answer_and_nonsense_are_told(tmp_path: Path) -> None:
    async def scene() -> None:
        async with fed(tmp_path) as (r, feed):
            for body in ("{}", '[["x"]]', "[[1,2,3,4,5,6]]"):
                r.arm(K.EMPTY, "GET /fapi/v1/klines", body=body, count=None)
                with pytest.raises(VenueUnavailable, match="klines"):
                    await feed.history(SYMBOL, 5)
                await eventually(lambda: bool(feed.health(SYMBOL).problem))
                r.exchange.faults.disarm()
            await eventually(lambda: feed.health(SYMBOL).usable)
            with pytest.raises(FixInput, match="interval"):
                await CcxtFeed(r.venue.link).open([SYMBOL], "7s")
            with pytest.raises(FixInput, match="not listed"):
                await CcxtFeed(r.venue.link).open(["NONE"], "1h")

    run(scene())


def test_in_lockstep_bars_and_fills_come_as_the_market_is_told_to_move(tmp_path: Path) -> None:
    still = FeedSettings(
        max_age_s=math.inf, silence_s=math.inf, poll_s=math.inf, first_wait_s=0.05
    )  # fmt: skip

    async def scene() -> None:
        async with rig(tmp_path, speed="lockstep") as r:
            feed = CcxtFeed(r.venue.link, still)
            await feed.open([SYMBOL], "1h")
            await r.exchange.session.advance()
            told: list[Bar] = []
            for i in range(5):
                placed = await r.buy(f"d{i}")
                assert placed.view.status.value == "NEW"
                await r.exchange.session.advance(4)
                feed.look()
                assert await feed.wait(3.0)
                told += feed.take_bars()
                await eventually(lambda i=i: len(r.fills()) == i + 1)
            opens = [b.open_ms for b in told]
            assert opens == list(range(opens[0], opens[0] + len(told) * HOUR_MS, HOUR_MS))
            assert len(told) >= 5
            assert feed.health(SYMBOL).usable
            await feed.close()

    run(scene())
