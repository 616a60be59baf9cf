"""A local exchange whose market leaps to the next close when it is told, and stands still else.

``python -m benchmarks.close_exchange`` takes the options of ``exchange_process``, says its
addresses on standard output, begins the next bar for every line on standard input and ends with it.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys

from runtime.exchange.clock import SystemClock
from runtime.exchange.hosting import HostedExchange
from runtime.exchange.market import CLOSE
from runtime.exchange.session import ExchangeSession
from runtime.wiring.exchange_process import settings_from

REST_S = 1.0


class LeapingClock(SystemClock):
    """Time goes from tick to tick as soon as it may; it rests before each close and a tick after.

    Attributes:
        session: the market; given once it is open.
        mover: the task that moves it; given once it runs.
    """

    def __init__(self) -> None:
        self.session: ExchangeSession | None = None
        self.mover: asyncio.Task[None] | None = None
        self._leapt_s, self._begun = 0.0, -1
        self._go = asyncio.Event()

    def go(self) -> None:
        """Let the market pass its next close."""
        self._go.set()

    def monotonic_s(self) -> float:
        """The machine's, and what was leapt over."""
        return super().monotonic_s() + self._leapt_s

    async def sleep(self, seconds: float) -> None:
        """Give the market that time when it may have it."""
        session = self.session
        if session is None or asyncio.current_task() is not self.mover:
            # Others of the exchange sleep too.
            await super().sleep(0.01 if self.mover is None else seconds)
            return
        point = session.point
        if point.vertex == 0 and point.tick and point.row != self._begun:
            # A candle of the next bar was told, by which everybody knows that the last has closed.
            self._begun = point.row
            self._go.clear()
        await self._go.wait()
        following = session.market.next_tick(session.point)
        if following.vertex == CLOSE and seconds > 0.0:
            await super().sleep(REST_S)
        self._leapt_s += seconds
        await super().sleep(0)


async def serve(argv: list[str]) -> None:
    """Serve until standard input ends."""
    loop, settings, clock = asyncio.get_running_loop(), settings_from(argv), LeapingClock()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    clock.session = session = ExchangeSession.open(settings, clock=clock)
    async with HostedExchange(settings, session=session) as exchange:
        # An hour of this market is no hour of the client's.
        exchange.keys.life_ms = 10**15
        clock.mover = exchange.moving
        at = exchange.addresses
        sys.stdout.write(json.dumps({"rest": at.rest, "now_ns": session.now_ns}) + "\n")
        sys.stdout.flush()
        while await reader.readline():
            clock.go()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(serve(sys.argv[1:]))
