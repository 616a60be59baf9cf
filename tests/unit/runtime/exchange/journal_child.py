"""A venue that is killed and started again: plays a fixed script, one line of output a step.

    python -m tests.unit.runtime.exchange.journal_child STATE_FILE [crowd]

With ``crowd`` a timed venue takes orders of many clients at once and tells each one acknowledged.

Every step places one order and advances one vertex; what a step does follows from its number alone,
and which steps are done is read from the journal.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from runtime.exchange import commands as c
from runtime.exchange.market import ExchangeMarket
from runtime.exchange.orders import BUY, SELL, OrderType
from runtime.exchange.session import ExchangeSession
from runtime.exchange.settings import ExchangeSettings
from tests.unit.runtime.exchange.cases import (
    CALM,
    digest,
    limit_order,
    market_of,
    market_order,
    stop_order,
)

STEPS = 90


def market() -> ExchangeMarket:
    """Two symbols that swing, with funding every eighth bar."""
    a = [(10_000 + 40 * (t % 5), 10_300, 9_700, 10_000 + 30 * (t % 7)) for t in range(60)]
    b = [(5_000 - 10 * (t % 3), 5_200, 4_800, 5_000 + 15 * (t % 4)) for t in range(60)]
    return market_of({"A": a, "B": b}, stamps={t: 0.001 for t in range(0, 60, 8)})


def settings() -> ExchangeSettings:
    """Lockstep on both symbols."""
    return ExchangeSettings(symbols=("A", "B"), speed="lockstep", core=CALM)


def commands_of(step: int, session: ExchangeSession) -> list[c.Command]:
    """What a step asks, at prices around the present one."""
    symbol = "AB"[step % 2]
    last = session.state.quotes[symbol].last_ticks
    name = f"k{step}"
    if step == 0:
        return [c.Place(limit_order(BUY, 1, 1, name))]
    if step % 5 == 1:
        return [c.Place(market_order(BUY if step % 3 else SELL, 50, name, symbol))]
    if step % 5 == 2:
        side = SELL if step % 2 else BUY
        level = last - side * last // 50
        kind = OrderType.TAKE_PROFIT_MARKET
        return [c.PlaceAlgo(stop_order(side, 20, level, f"s{step}", symbol, kind, False)),
                c.Place(limit_order(BUY, 1, 2, name))]  # fmt: skip
    if step % 5 == 3:
        return [c.Place(limit_order(BUY, 30, last - 50, name, symbol))]
    if step % 5 == 4:
        return [c.Place(limit_order(BUY, 1, 1, name)), c.Cancel("A", client_id=name)]
    return [c.Place(limit_order(SELL, 10, last + 60, name, symbol))]


async def play(path: Path | None, tell: bool = False) -> str:
    """Play all steps that are not done yet; returns the digest of the account."""
    world = market()
    session = ExchangeSession.open(settings(), path, market=world)
    known = {o.client_id for o in session.state.orders.values()}
    known |= {a.client_id for a in session.state.algos.values()}
    row, vertex, _ = session.point
    for step in range((row * 4 + vertex) - 3, STEPS):
        for command in commands_of(step, session):
            if isinstance(command, c.Cancel):
                order = session.state.find_order("A", None, command.client_id)
                if not order.is_open:
                    continue
            elif getattr(command, "request").client_id in known:  # noqa: B009
                continue
            await session.submit(command)
        await session.advance()
        if tell:
            sys.stdout.write(f"{step}\n")
            sys.stdout.flush()
    found = digest(session.state)
    await session.close()
    return found


def timed() -> ExchangeSettings:
    """A market that moves by itself."""
    return ExchangeSettings(symbols=("A", "B"), speed=600.0, core=CALM)


async def crowd(path: Path) -> None:
    """Many clients at once; each name is told when its order is acknowledged."""
    session = ExchangeSession.open(timed(), path, market=market())
    mover = asyncio.create_task(session.run())
    before = session.state.next_order_id()

    async def client(n: int) -> None:
        for k in range(10_000):
            name = f"{before}-{n}-{k}"
            order = await session.submit(c.Place(limit_order(BUY, 1, 1, name)))
            sys.stdout.write(f"{name} {session.now_ns}\n")
            sys.stdout.flush()
            await session.submit(c.Cancel("A", order.order_id))

    await asyncio.gather(*(client(n) for n in range(20)))
    mover.cancel()


if __name__ == "__main__":
    if sys.argv[2:] == ["crowd"]:
        asyncio.run(crowd(Path(sys.argv[1])))
    result = asyncio.run(play(Path(sys.argv[1]), tell=True))
    sys.stdout.write(f"digest {result}\n")
