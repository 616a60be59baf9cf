"""One exchange process: addresses, taken ports, rude clients and a clean end."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import numpy as np
import pytest

from envs.core.errors import FixInput
from runtime.exchange.commands import SetLeverage
from runtime.exchange.hosting import HostedExchange
from tests.unit.runtime.exchange.cases import digest
from tests.unit.runtime.exchange.live import SMALL, http, live, run, state_file

UPGRADE = (
    b"GET /ws/btcusdt@trade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
UNFINISHED = b"POST /control/faults HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\nabc"


async def throw(base: str, data: bytes) -> None:
    """Send bytes and hang up."""
    _, writer = await asyncio.open_connection("127.0.0.1", int(base.rsplit(":", 1)[1]))
    writer.write(data)
    await writer.drain()
    await asyncio.sleep(0.02)
    writer.close()


def test_rude_clients_are_no_defect(caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(1)

    async def work() -> None:
        async with live(speed="lockstep") as exchange:
            before = digest(exchange.session.state)
            rude = [rng.bytes(2_000), UPGRADE[:60], UNFINISHED, UPGRADE + rng.bytes(500)]
            rude += [b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", UPGRADE + b"\x81\xfe\x10"]
            rude += [UNFINISHED.replace(b"/control/faults", b"/fapi/v1/order"), b"\x00" * 10]
            for data in rude:
                await throw(exchange.addresses.rest, data)
                await throw(exchange.addresses.control, data)
            async with http(exchange.addresses.rest) as client, client.get("/fapi/v1/ping") as ok:
                assert ok.status == 200
            assert digest(exchange.session.state) == before

    with caplog.at_level(logging.WARNING):
        run(work())
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == []


def test_a_taken_port_ends_it_cleanly() -> None:
    async def work() -> None:
        async with live(speed="lockstep") as first:
            port = int(first.addresses.rest.rsplit(":", 1)[1])
            with pytest.raises(FixInput, match=f"--control-port {port}: .* is taken"):
                async with live(speed="lockstep", control_port=port):
                    pass
            with pytest.raises(FixInput, match=f"--port {port}: .* is taken"):
                async with live(speed="lockstep", port=port):
                    pass

    run(work())


def test_a_host_of_another_machine_is_refused() -> None:
    async def work() -> None:
        with pytest.raises(FixInput, match="cannot be used"):
            async with HostedExchange(SMALL, "203.0.113.1"):
                pass

    run(work())


def test_what_was_done_is_there_at_the_next_start(tmp_path: Path) -> None:
    async def work() -> None:
        state = state_file(tmp_path)
        async with live(speed="lockstep", state=state) as exchange:
            await exchange.session.submit(SetLeverage("BTCUSDT", 7))
            await exchange.session.advance(3)
            number = exchange.session.market.number(exchange.session.point)
        async with live(speed="lockstep", state=state) as exchange:
            assert exchange.session.resumed
            assert exchange.session.state.leverage["BTCUSDT"] == 7
            assert exchange.session.market.number(exchange.session.point) == number

    run(work())
