"""The local exchange over loopback: latency through ccxt, throughput, a lockstep year, a soak."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import numpy as np

from benchmarks.data import SEED, real_folder
from benchmarks.exchange_process import Running, exchange, signed
from benchmarks.framework.metrics import Outcome, median_of
from benchmarks.framework.registry import Options, scenario

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
CLIENTS = 16


@scenario(
    "exchange/tick-to-ack", "a tick asked for, its order acknowledged, through ccxt; journal on"
)
def tick_to_ack(options: Options) -> Outcome:
    """From asking the control API for the next tick to the order's answer: watch, then create.

    The client's request for the tick is counted in, so the figures are above the tick's own.
    """
    n = 150 if options.quick else 600
    with exchange("--speed", "lockstep", journal=True) as running:
        times = asyncio.run(_ticks(running, n))
    ms = np.sort(np.asarray(times)) * 1e3
    metrics = {
        "p50_ms": median_of([float(np.percentile(ms, 50))], "ms", "lower"),
        "p99_ms": median_of([float(np.percentile(ms, 99))], "ms", "lower"),
    }
    return Outcome(metrics, (f"{n} ticks, market orders alternating in side",))


async def _ticks(running: Running, n: int) -> list[float]:
    import aiohttp

    from runtime.adapters.ccxt_factory import make_exchange

    client, out = make_exchange("local", url=running.url), []
    async with aiohttp.ClientSession() as control:
        try:
            await client.load_markets()
            await client.create_order(ETH, "limit", "buy", 1.0, 100.0)
            for k in range(n + 20):
                # A close is passed first: an order sent there waits for the open.
                heard = asyncio.ensure_future(client.watch_trades(BTC))
                await asyncio.sleep(0.002 if k else 0.5)
                start = time.perf_counter()
                asked = asyncio.ensure_future(_advance(control, running))
                await heard
                side = "buy" if k % 2 == 0 else "sell"
                await client.create_order(BTC, "market", side, 0.001)
                out.append(time.perf_counter() - start)
                await asked
        finally:
            await client.close()
    return out[20:]


async def _advance(control: Any, running: Running) -> Any:
    async with control.post(running.control + "/control/advance", json={"vertices": 1}) as reply:
        return await reply.json()


@scenario("exchange/orders", "orders a second into the server from concurrent clients, journal on")
def orders(options: Options) -> Outcome:
    """Market orders of small size, alternating, each client on a connection of its own."""
    n = 1_000 if options.quick else 6_000
    rates = []
    with exchange("--speed", "1", journal=True) as running:
        for k in range(options.repeats + 1):
            start = time.perf_counter()
            asyncio.run(_send(running, n, f"r{k}"))
            rates.append(n / (time.perf_counter() - start))
    metrics = {"orders_per_s": median_of(rates[1:], "1/s", "higher")}
    return Outcome(metrics, (f"{CLIENTS} connections, {n} orders a run",))


async def _send(running: Running, n: int, tag: str) -> None:
    import aiohttp

    url = f"{running.url}/fapi/v1/order"

    async def one(client: aiohttp.ClientSession, k: int) -> None:
        side = "BUY" if k % 2 else "SELL"
        body, headers = signed(
            symbol="ETHUSDT", side=side, type="MARKET", quantity="0.01",
            newClientOrderId=f"{tag}-{k}",
        )  # fmt: skip
        async with client.post(url, data=body, headers=headers) as answer:
            text = await answer.text()
            if answer.status != 200:
                raise RuntimeError(f"order {k}: {answer.status} {text}")

    await _in_parallel(n, one)


async def _in_parallel(n: int, one: Callable[[Any, int], Awaitable[None]]) -> None:
    import aiohttp

    connector = aiohttp.TCPConnector(limit=CLIENTS)
    async with aiohttp.ClientSession(connector=connector) as client:

        async def worker(first: int) -> None:
            for k in range(first, n, CLIENTS):
                await one(client, k)

        await asyncio.gather(*(worker(k) for k in range(CLIENTS)))


@scenario("exchange/messages", "market messages a second out to subscribers")
def messages(options: Options) -> Outcome:
    """Ticks as fast as the server makes them, trades and quotes of two symbols to four sockets."""
    seconds = 3.0 if options.quick else 8.0
    with exchange("--speed", "20000", "--tick-s", "10") as running:
        rate = asyncio.run(_listen(running, seconds))
        cut_off = running.ask("/control/state")["streams"]["cut_off"]
    metrics = {
        "messages_per_s": median_of([rate], "1/s", "higher"),
        "cut_off": median_of([float(cut_off)], "clients", "lower"),
    }
    return Outcome(metrics, ("four sockets, each subscribed to four streams",))


async def _listen(running: Running, seconds: float) -> float:
    import aiohttp

    streams = [f"{s}@{kind}" for s in ("btcusdt", "ethusdt") for kind in ("trade", "bookTicker")]
    heard = [0, 0, 0, 0]

    async def listen(client: aiohttp.ClientSession, k: int) -> None:
        url = running.url.replace("http", "ws") + f"/public/ws/{k}"
        async with client.ws_connect(url) as socket:
            await socket.send_json({"method": "SUBSCRIBE", "params": streams, "id": 1})
            async for _ in socket:
                heard[k] += 1

    async with aiohttp.ClientSession() as client:
        tasks = [asyncio.ensure_future(listen(client, k)) for k in range(4)]
        await asyncio.sleep(1.0)
        before, start = sum(heard), time.perf_counter()
        await asyncio.sleep(seconds)
        rate = (sum(heard) - before) / (time.perf_counter() - start)
        for task in tasks:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks)
    return rate


@scenario(
    "exchange/lockstep-year", "a lockstep year of hourly bars, four symbols, a trading client"
)
def lockstep_year(options: Options) -> Outcome:
    """At every close it may enter with a stop and a target; flat, it goes from close to close."""
    symbols = "BTCUSDT,ETHUSDT,LTCUSDT,XRPUSDT"
    bars = 800 if options.quick else 8_760
    data = ("--data", str(real_folder()), "--symbols", symbols, "--start", "2023-01-01")
    with exchange("--speed", "lockstep", *data, journal=True) as running:
        start = time.perf_counter()
        sent = asyncio.run(_year(running, bars, symbols.split(",")))
        took = time.perf_counter() - start
    metrics = {"seconds": median_of([took], "s", "lower")}
    return Outcome(metrics, (f"{bars} bars, {sent} orders",))


async def _year(running: Running, bars: int, symbols: list[str]) -> int:
    import aiohttp

    rng, sent = np.random.default_rng(SEED), 0
    async with aiohttp.ClientSession() as client:

        async def post(path: str, **fields: object) -> None:
            nonlocal sent
            body, headers = signed(**fields)
            async with client.post(running.url + path, data=body, headers=headers) as answer:
                await answer.read()
                sent += 1

        guarded: set[str] = set()
        for _ in range(bars):
            while True:
                now = await _advance(client, running)
                held = {p["s"]: p for p in now["positions"]}
                for name in set(held) - guarded:
                    await _guard(post, held[name], float(now["prices"][name]["last"]))
                    guarded.add(name)
                guarded &= set(held)
                if now["vertex"] == "close":
                    break
            for name in symbols:
                if name not in held and rng.random() < 0.05:
                    side = "BUY" if rng.random() < 0.5 else "SELL"
                    quantity = 200 if name == "XRPUSDT" else 1 if name != "BTCUSDT" else 0.01
                    await post(
                        "/fapi/v1/order", symbol=name, side=side, type="MARKET", quantity=quantity
                    )
    return sent


async def _guard(post: Callable[..., Awaitable[None]], held: Any, last: float) -> None:
    amount = float(held["pa"])
    side, sign = ("SELL", 1) if amount > 0 else ("BUY", -1)
    digits = 4 if held["s"] == "XRPUSDT" else 1
    for kind, away in (("STOP_MARKET", -0.02), ("TAKE_PROFIT_MARKET", 0.03)):
        await post(
            "/fapi/v1/algoOrder", algoType="CONDITIONAL", symbol=held["s"], side=side,
            type=kind, quantity=abs(amount), triggerPrice=round(last * (1 + sign * away), digits),
            reduceOnly="true",
        )  # fmt: skip


@scenario("exchange/soak", "8 accelerated hours, 100,000 orders: memory and books", slow=True)
def soak(options: Options) -> Outcome:
    """Memory growth from the first tenth of the orders to the end, and the wallet to the unit."""
    n = 5_000 if options.quick else 100_000
    with exchange("--speed", "240", journal=True) as running:
        began = running.ask("/control/state")["now"]
        asyncio.run(_send(running, n // 10, "a"))
        first = running.rss_mib()
        asyncio.run(_send(running, n - n // 10, "b"))
        while running.ask("/control/state")["now"] - began < 8 * 3_600_000:
            time.sleep(1.0)
        last, end = running.rss_mib(), running.ask("/control/state")
    units = [round(float(end[k]) * 1e8) for k in ("wallet", "start_wallet", "booked")]
    metrics = {
        "growth_mib": median_of([last - first], "MiB", "lower"),
        "unbalanced_units": median_of(
            [float(abs(units[0] - units[1] - units[2]))], "1e-8", "lower"
        ),
        "orders": median_of([float(end["counts"]["orders"])], "1", "higher"),
        "market_hours": median_of([(end["now"] - began) / 3.6e6], "h", "higher"),
    }
    return Outcome(metrics, ())
