"""``python -m runtime exchange``: options, the start-up panel and a clean end."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from envs.core.errors import FixInput, FixSettings
from runtime.exchange.settings import LOCKSTEP, ExchangeSettings
from runtime.settings_cli import add_arguments as add_settings
from runtime.settings_cli import refuse, settings_of

if TYPE_CHECKING:
    from rich.console import Console

    from runtime.exchange.hosting import HostedExchange

HELP = "a local exchange in the Binance USDT-M dialect: REST, streams, faults, control"
_SETTINGS = ("data", "symbols", "timeframe", "funding", "seed")
_NS_PER_S = 1e9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the exchange; each says its unit and default."""
    d = ExchangeSettings()
    add_settings(parser, only=_SETTINGS)
    group = parser.add_argument_group("exchange")
    group.add_argument(
        "--speed", metavar="X|lockstep", default=str(d.speed),
        help="market seconds per wall second, or lockstep: the market moves when told through "
        f"the control API [default {d.speed:g}]",
    )  # fmt: skip
    group.add_argument(
        "--tick-s", metavar="S", type=float, default=d.tick_s,
        help=f"market seconds between two ticks [default {d.tick_s:g}]",
    )  # fmt: skip
    group.add_argument(
        "--book", choices=("none", "depth"), default=d.book,
        help=f"none: whole fills at the core's price; depth: a synthetic book [default {d.book}]",
    )  # fmt: skip
    group.add_argument(
        "--limits", choices=("vendor", "none"), default=d.limits,
        help="vendor: request weights and order counts as on the exchange, 429 and 418 beyond; "
        f"none: for load tests and long replays [default {d.limits}]",
    )  # fmt: skip
    group.add_argument(
        "--start", metavar="DATE", dest="market_start",
        help="UTC date or time of the market at the first start [default: 1,600 bars after the "
        "first bar]",
    )  # fmt: skip
    group.add_argument(
        "--end", metavar="DATE", dest="market_end",
        help="UTC date or time at which the market ends; orders then fill at the last close "
        "[default: with the data]",
    )  # fmt: skip
    group.add_argument(
        "--start-quote", metavar="Q", type=float, default=d.start_quote,
        help=f"wallet at the first start, quote [default {d.start_quote:g}]",
    )  # fmt: skip
    group.add_argument(
        "--port", metavar="N", type=int, default=d.port,
        help=f"REST and WebSocket; 0 takes a free one [default {d.port}]",
    )  # fmt: skip
    group.add_argument(
        "--control-port", metavar="N", type=int, default=None,
        help="control API [default: --port + 1]",
    )  # fmt: skip
    group.add_argument(
        "--host", metavar="ADDRESS", default="127.0.0.1",
        help="address to listen on; beyond loopback anyone who reaches it controls the exchange "
        "[default 127.0.0.1]",
    )  # fmt: skip
    group.add_argument(
        "--state", metavar="FILE", default=None,
        help="journal; an existing one is resumed, --start is then ignored [default: none, the "
        "account is forgotten at the end]",
    )  # fmt: skip
    group.add_argument("--api-key", metavar="KEY", default=d.api_key, help="[default local]")
    group.add_argument("--api-secret", metavar="KEY", default=d.api_secret, help="[default local]")


def exchange_settings(args: argparse.Namespace) -> ExchangeSettings:
    """Settings of a parsed command line.

    Raises:
        FixSettings: A value is out of range.
    """
    tree = settings_of(args)
    run = tree.run
    return replace(
        ExchangeSettings(),
        data=run.data, symbols=run.symbols, timeframe=run.timeframe, seed=run.seed,
        funding_default=run.funding == "default", speed=_speed(args.speed), tick_s=args.tick_s,
        book=args.book, start=_moment("--start", args.market_start),
        end=_moment("--end", args.market_end), port=args.port,
        control_port=args.control_port, state=None if args.state is None else Path(args.state),
        api_key=args.api_key, api_secret=args.api_secret, start_quote=args.start_quote,
        limits=args.limits, core=tree.core,
    )  # fmt: skip


def main(args: argparse.Namespace) -> int:
    """Run an exchange until it is asked to stop; 0 then, 2 for what must be mended."""
    from rich.console import Console

    try:
        settings = exchange_settings(args)
        return asyncio.run(_serve(settings, args.host, Console()))
    except FixInput as error:
        refuse(error)


async def _serve(settings: ExchangeSettings, host: str, console: Console) -> int:
    from runtime.exchange.hosting import HostedExchange

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
        except NotImplementedError:
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    exchange = HostedExchange(settings, host)
    async with exchange:
        _show(exchange, console)
        code = await _until(stop, exchange, console)
    where = f"state is in {settings.state}" if settings.state else "no --state: nothing is kept"
    console.print(f"stopped at {_utc(exchange.session.now_ns)} of the market; {where}")
    return code


async def _until(stop: asyncio.Event, exchange: HostedExchange, console: Console) -> int:
    """Wait for the end; a market that ends or cannot move is said, requests go on at its end."""
    waiting = asyncio.create_task(stop.wait())
    moving = exchange.moving
    if moving is not None:
        await asyncio.wait({waiting, moving}, return_when=asyncio.FIRST_COMPLETED)
        if moving.done() and not waiting.done():
            error = moving.exception()
            if error is not None:
                waiting.cancel()
                sys.stderr.write(f"error: the market stopped: {error}\n")
                return 1
            console.print("the data ends here; the market stands still, requests are answered")
    await waiting
    return 0


def _show(exchange: HostedExchange, console: Console) -> None:
    """The start-up panel: where to connect, which market, how fast."""
    from rich.panel import Panel
    from rich.table import Table

    session, settings, at = exchange.session, exchange.settings, exchange.addresses
    market = session.market
    table = Table.grid(padding=(0, 2))
    speed = "lockstep: POST /control/advance moves it"
    if not settings.lockstep:
        speed = f"{settings.rate:g} market seconds a second, ticks of {settings.tick_s:g} s"
    state = "none, the account is forgotten at the end"
    if settings.state is not None:
        state = f"{settings.state}{' (resumed)' if session.resumed else ''}"
    rows = (
        ("REST", f"{at.rest}/fapi/v1"),
        ("streams", f"{at.streams}/ws"),
        ("control", f"{at.control}/control/state"),
        ("market", f"{', '.join(market.symbols)}  {session.klines.base} bars of {settings.data}"),
        ("now", f"{_utc(session.now_ns)}, until {_utc(market.close_ns(market.last_row))}"),
        ("speed", speed),
        ("fills", "whole, at the core's price" if settings.book == "none" else "synthetic book"),
        ("state", state),
    )
    for name, text in rows:
        table.add_row(f"[bold]{name}[/bold]", text)
    console.print(Panel(table, title="local exchange", subtitle="Ctrl-C stops it", expand=False))
    if not _is_loopback(exchange.host):
        console.print(f"[bold]warning[/bold]: {exchange.host} is reachable from other machines")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _speed(text: str) -> float | Literal["lockstep"]:
    if text == LOCKSTEP:
        return LOCKSTEP
    try:
        return float(text)
    except ValueError:
        raise FixSettings(f"--speed: lockstep or a number, got {text!r}") from None


def _moment(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise FixSettings(f"{option}: a date such as 2024-01-31, got {text!r}") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _utc(ns: int) -> str:
    return datetime.fromtimestamp(ns / _NS_PER_S, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
