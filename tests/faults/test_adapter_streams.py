"""Scenarios 16, 17 and 18 of the contract: whatever the stream does, each fill counts once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runtime.adapters.user_stream import StreamSettings
from runtime.exchange.commands import Place
from runtime.exchange.fault_kinds import FaultKind as K
from runtime.exchange.listen_keys import LIFE_MS
from runtime.exchange.orders import OrderRequest, OrderType
from runtime.port_events import Filled, StreamChanged
from tests.faults.adapter_rig import FAST, SYMBOL, Rig, entry, eventually, rig, run


async def _all_told_once(r: Rig, ups: int) -> None:
    """The stream is up again and every fill of the venue was told once, with its true amounts."""

    def settled() -> bool:
        return r.ups() >= ups and r.venue.health().stream_up and sorted(r.fills()) == r.trades

    await eventually(settled)
    told = sorted((e.fill for e in r.hear() if isinstance(e, Filled)), key=lambda f: f.trade_id)
    ledger = r.exchange.session.state.ledger.trades
    amounts = [(t.fee_units, t.quote_units, t.qty_steps, t.price_ticks) for t in ledger]
    assert [(f.fee_units, f.quote_units, f.qty_steps, f.price_ticks) for f in told] == amounts
    assert list(await r.store.fills(SYMBOL)) == told


def _direct(name: str, side: int = 1, steps: int = 100) -> Place:
    """An order that this adapter hears of by the venue alone."""
    return Place(OrderRequest(name, SYMBOL, side, OrderType.MARKET, steps))


@pytest.mark.parametrize("code", [1006, 1001])
def test_fills_while_the_socket_is_gone_are_told_after_it_is_back(
    code: int, tmp_path: Path
) -> None:
    slow = replace(FAST, stream=replace(FAST.stream, first_wait_s=0.4))

    async def scene() -> None:
        async with rig(tmp_path, settings=slow) as r:
            await r.buy("before")
            await r.act(K.CLOSE_SOCKET, stream="user", code=code)
            await eventually(lambda: not r.venue.health().stream_up)
            await r.exchange.session.submit(_direct("web_1"))
            await r.buy("within")
            assert len(r.trades) == 3
            await _all_told_once(r, ups=2)
            lost = [e for e in r.hear() if isinstance(e, StreamChanged) and not e.up]
            assert len(lost) == 1

    run(scene())


@pytest.mark.parametrize("variant", ["json", "no_fee", "unknown_asset"])
def test_poison(variant: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            r.arm(K.POISON, stream="user:ORDER_TRADE_UPDATE", count=3,
                  options={"variant": variant})  # fmt: skip
            for i in range(4):
                await r.buy(f"d{i}")
            await _all_told_once(r, ups=1)

    run(scene())


@pytest.mark.parametrize("body", ["{}", "[]", "null", "17", '"text"', '{"e":"ORDER_TRADE_UPDATE"}',
    '{"e":"ORDER_TRADE_UPDATE","o":{"s":"NEWUSDT"}}', '{"e":"ALGO_UPDATE","o":7}',
    '{"e":"ACCOUNT_UPDATE","a":{"P":[{"s":"?"}]}}', "\\u0000", '{"e":"TRADE_LITE","s":"BTCUSDT"}',
])  # fmt: skip
def test_nonsense(body: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            r.arm(K.POISON, stream="user", count=2, body=body)
            await r.buy("d0")
            await r.buy("d1")
            await _all_told_once(r, ups=1)

    run(scene())


def test_an_expired_listen_key(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.act(K.EXPIRE_LISTEN_KEY)
            await r.buy("d")
            await _all_told_once(r, ups=2)

    run(scene())


def test_a_half_open_socket(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path, settings=replace(FAST, told_s=30.0)) as r:
            await r.act(K.HALF_OPEN, stream="user")
            await r.buy("d")
            await _all_told_once(r, ups=2)

    run(scene())


def test_a_mute_socket(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            r.arm(K.MUTE, stream="user", seconds=0.3)
            await r.buy("d")
            await _all_told_once(r, ups=2)

    run(scene())


def test_single_messages_lost_without_a_trace(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path, settings=replace(FAST, reconcile_s=0.3)) as r:
            r.arm(K.MUTE, stream="user:ORDER_TRADE_UPDATE", count=2)
            await r.exchange.session.submit(_direct("web_1"))
            await _all_told_once(r, ups=1)

    run(scene())


@pytest.mark.parametrize(
    ("kind", "more"), [(K.DUPLICATE, {}), (K.REORDER, {}), (K.DELAY_MESSAGE, {"seconds": 0.2})]
)
def test_repeated_reordered_and_late(kind: K, more: dict[str, Any], tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path) as r:
            r.arm(kind, stream="user:ORDER_TRADE_UPDATE", count=4, **more)
            for i in range(4):
                await r.buy(f"d{i}")
            await _all_told_once(r, ups=1)
            for i in range(4):
                states = r.states(entry(f"d{i}"))
                assert states[-1] == "FILLED"
                assert len(states) == len(set(states))

    run(scene())


def test_the_key_is_kept_alive_for_longer_than_it_lives(tmp_path: Path) -> None:
    """At 3,600 market seconds a second an hour of market time is one second."""
    kept = replace(FAST, stream=replace(FAST.stream, put_s=0.25))

    async def scene() -> None:
        async with rig(tmp_path, settings=kept, speed=3_600.0, tick_s=60.0) as r:
            _let_keys_live_an_hour(r)
            await asyncio.sleep(3.0)
            await r.buy("d")
            await _all_told_once(r, ups=1)
            assert r.ups() == 1

    run(scene())


def test_without_renewals_the_stream_comes_back_with_a_new_key(tmp_path: Path) -> None:
    lazy = replace(FAST, stream=StreamSettings(first_wait_s=0.05))

    async def scene() -> None:
        async with rig(tmp_path, settings=lazy, speed=3_600.0, tick_s=60.0) as r:
            _let_keys_live_an_hour(r)
            await eventually(lambda: r.ups() >= 2)
            await r.buy("d")
            await _all_told_once(r, ups=2)

    run(scene())


def _let_keys_live_an_hour(r: Rig) -> None:
    """The local exchange lets them live for a wall minute at least; a real one does not."""
    r.exchange.keys.life_ms = LIFE_MS
    r.exchange.keys.keep()


def test_a_storm(tmp_path: Path) -> None:
    async def scene() -> None:
        async with rig(tmp_path, settings=replace(FAST, reconcile_s=0.3)) as r:
            for kind, p in ((K.DUPLICATE, 0.3), (K.REORDER, 0.2), (K.POISON, 0.1), (K.MUTE, 0.1)):
                r.arm(kind, stream="user", count=None, probability=p)
            for i in range(12):
                await r.buy(f"d{i}")
                await asyncio.sleep(0.02)
            r.exchange.faults.disarm()
            await _all_told_once(r, ups=1)
            assert len(r.trades) == 12

    run(scene())


def test_a_fill_whose_writing_was_interrupted_is_told(tmp_path: Path) -> None:
    """A reconnection cancels the comparison while its fill is on the way to the disk."""

    async def scene() -> None:
        async with rig(tmp_path) as r:
            await r.exchange.session.submit(_direct("web_1"))
            await _all_told_once(r, ups=1)
            lost = next(e.fill for e in r.told if isinstance(e, Filled))
            intake = r.venue._intake
            late = replace(lost, trade_id=lost.trade_id + 1)
            await r.store.add_fill(late)
            assert await intake.fill(late)
            assert not await intake.fill(late)
            assert r.fills() == [1, 2]

    run(scene())
