"""One running exchange: the market moves, commands are applied where it stands, both are kept.

Everything happens on one event loop. A command is applied at once; its result and its events leave
the session only when its journal line is on disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envs.core.errors import FixInput
from envs.core.series import fees_of
from runtime.exchange.applying import AccountModes, apply
from runtime.exchange.clock import SystemClock, WallClock
from runtime.exchange.commands import Command, Countdown, FireCountdown, Place
from runtime.exchange.depth import SyntheticBook
from runtime.exchange.engine import Engine
from runtime.exchange.errors import VenueError
from runtime.exchange.events import VenueEvent
from runtime.exchange.holdings import Holding
from runtime.exchange.journal import Journal
from runtime.exchange.klines import Kline, Klines
from runtime.exchange.market import CLOSE, ExchangeMarket, Point, open_market
from runtime.exchange.moving import VERTEX_NAMES, MarketMove, MarketWalk
from runtime.exchange.outbox import EventListener, MarketListener, Outbox
from runtime.exchange.resuming import check_header, command_entry, header_of, market_entry, replay
from runtime.exchange.settings import ExchangeSettings
from runtime.exchange.state import VenueState

_RESERVE_S = 2.0
_SLICE_S = 0.002
_MAX_LAG_S = 5.0
_NEVER = 2**63 - 1
NO_JOURNAL = "Internal error; unable to process your request. Please try again."


@dataclass(frozen=True)
class Advance:
    """What an advance came to: where the market stands, and all that happened on the way.

    ``vertex`` is open, first, second or close; ``positions`` by symbol, as they now are.
    """

    point: Point
    vertex: str
    now_ns: int
    moves: tuple[MarketMove, ...]
    klines: tuple[Kline, ...]
    events: tuple[VenueEvent, ...]
    positions: dict[str, Holding]
    ended: bool


class ExchangeSession:
    """The venue's account, its market and its journal.

    Attributes:
        settings, market, clock: as opened.
        state, engine: the account; read them freely, change them through ``submit`` only.
        modes: hedge mode and countdowns.
        resumed: whether a journal was there.
        book: the synthetic book, shown whether or not orders fill from it.
    """

    def __init__(
        self, settings: ExchangeSettings, market: ExchangeMarket, clock: WallClock,
        journal: Journal | None,
    ) -> None:  # fmt: skip
        self.settings, self.market, self.clock, self._journal = settings, market, clock, journal
        self.state = VenueState(market.listings(), fees_of(settings.core), settings.start_quote)
        self.book = SyntheticBook(market, settings.seed)
        self.engine = Engine(self.state, self.book if settings.book == "depth" else None)
        self.modes = AccountModes()
        self._walk = MarketWalk(self.engine, market, settings.lockstep)
        self._outbox = Outbox()
        self._timer: asyncio.Task[None] | None = None
        self.resumed = journal is not None and journal.resumed
        self._command_line = 0
        if journal is not None:
            journal.on_durable = self._deliver
            replay(journal, self._walk, self.modes)
        self._reserved_ns = self.now_ns

    @classmethod
    def open(
        cls, settings: ExchangeSettings, state_file: Path | None = None, *,
        clock: WallClock | None = None, market: ExchangeMarket | None = None,
    ) -> ExchangeSession:  # fmt: skip
        """Load the market and begin, or go on where an existing state file ends.

        Raises:
            FixData, FixSettings: Unusable data or settings.
            RefusedArtifact: The state file belongs to other data or settings, or is damaged.
        """
        market = market or open_market(settings)
        path = state_file or settings.state
        if path is None:
            return cls(settings, market, clock or SystemClock(), None)
        header = header_of(settings, market)
        journal = Journal(path, header)
        try:
            check_header(journal, header)
            market.first = Point(int(journal.header["first_row"]), CLOSE)
            return cls(settings, market, clock or SystemClock(), journal)
        except BaseException:
            journal.abandon()
            raise

    @property
    def point(self) -> Point:
        """Where the market stands."""
        return self._walk.point

    @property
    def klines(self) -> Klines:
        """Candles of the market; ask them with ``point``."""
        return self._walk.klines

    @property
    def now_ns(self) -> int:
        """Market time."""
        return self._walk.now_ns

    @property
    def now_ms(self) -> int:
        """Market time in milliseconds."""
        return self.now_ns // 1_000_000

    @property
    def ended(self) -> bool:
        """Whether the data is used up; requests are still answered."""
        return self._walk.ended

    def listen(self, callback: EventListener) -> Callable[[], None]:
        """Hear of account events in order; returns what ends it."""
        return self._outbox.listen(callback)

    def on_market(self, callback: MarketListener) -> Callable[[], None]:
        """Hear of every step of the market, before the events it led to; returns what ends it."""
        return self._outbox.on_market(callback)

    async def start(self) -> None:
        """Arm the countdowns of a resumed journal."""
        if self._timer is None and self.modes.deadlines_ms:
            self._timer = asyncio.create_task(self._watch_countdowns())

    async def submit(self, command: Command) -> Any:
        """Apply a command where the market stands; returns when it is on disk and published.

        Raises:
            VenueError: Refused, nothing has changed; or -1001, the journal cannot be written.
        """
        self._refuse_when_broken()
        if isinstance(command, Place):
            self._refuse_in_gap(command.request.symbol)
        result = apply(command, self.engine, self.modes, self.now_ns)
        events = self.state.take_events()
        if self._journal is not None:
            self._command_line = self._append(
                command_entry(command, self.point, self.clock.now_ms(), self.state)
            )
        self._outbox.put(self._command_line, None, events)
        await self._sync(self._command_line)
        self._deliver()
        if isinstance(command, Countdown):
            await self._rearm()
        return result

    async def advance(self, n_vertices: int = 1) -> Advance:
        """Lockstep: go on by vertices; from close to close while nothing is open.

        Raises:
            FixInput: The exchange does not run in lockstep.
        """
        if not self.settings.lockstep:
            raise FixInput("advance: the market moves by itself; start with --speed lockstep")
        self._refuse_when_broken()
        moves: list[MarketMove] = []
        events: list[VenueEvent] = []
        for _ in range(n_vertices):
            if self.ended:
                break
            idle = not self.state.has_business()
            moves.append(self._walk.skip_to_close() if idle else self._walk.step())
            events += self._ship(moves[-1])
        if moves:
            self._append(market_entry(self.point, self.clock.now_ms()))
            await self._sync(self._command_line)
        return Advance(
            self.point, VERTEX_NAMES[self.point.vertex], self.now_ns, tuple(moves),
            tuple(k for m in moves for k in m.klines), tuple(events), dict(self.state.holdings),
            self.ended,
        )  # fmt: skip

    def glide(self) -> None:
        """``advance`` by one vertex without its report, for a trader in this process.

        Raises:
            FixInput: Not in lockstep, with a journal, or the market has ended.
        """
        walk, outbox = self._walk, self._outbox
        if walk.ended or self._journal is not None or not walk.lockstep:
            why = "the market has ended" if walk.ended else "lockstep without a journal is needed"
            raise FixInput(f"glide: {why}")
        if self.state.has_business():
            walk.go()
        else:
            walk.leap()
        events = self.state.take_events()
        if events or outbox.is_watched:
            outbox.put(0, walk.report() if outbox.is_watched else None, events)
            outbox.deliver(0)

    async def run(self) -> None:
        """Timed mode: move the market with the wall clock until the data ends.

        A machine too slow for the speed asked for gets a slower market, never a jump.

        Raises:
            FixInput: The exchange runs in lockstep.
            VenueError: The journal cannot be written.
        """
        if self.settings.lockstep:
            raise FixInput("run: in lockstep the market waits for advance")
        await self.start()
        rate_ns = self.settings.rate * 1e9
        began_s, began_ns = self.clock.monotonic_s(), self.now_ns
        while not self.ended:
            now_s = self.clock.monotonic_s()
            due_ns = began_ns + int((now_s - began_s) * rate_ns)
            wait_ns = self._following_ns - due_ns
            if wait_ns > 0:
                await self.clock.sleep(wait_ns / rate_ns)
                continue
            if -wait_ns > _MAX_LAG_S * rate_ns:
                began_s, began_ns = now_s, self._following_ns
                due_ns = began_ns
            await self._reserve()
            self._tick_until(due_ns, now_s + _SLICE_S)
            await self.clock.sleep(0)

    async def close(self) -> None:
        """Stop the timers and bring the journal to disk."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._journal is not None:
            await self._journal.close()

    @property
    def _following_ns(self) -> int:
        return self.market.time_of(self._walk.next_point)

    def _tick_until(self, due_ns: int, until_s: float) -> None:
        """Move by ticks that are due and reserved, for a slice of wall time at most."""
        self._refuse_when_broken()
        end_ns = min(due_ns, self._reserved_ns)
        while not self.ended and self._following_ns <= end_ns:
            self._ship(self._walk.step())
            if self.clock.monotonic_s() >= until_s:
                break

    async def _reserve(self) -> None:
        """Write down how far the market may go, so that no restart begins before that."""
        if self._journal is None:
            self._reserved_ns = _NEVER
        following_ns = self._following_ns
        if following_ns > self._reserved_ns:
            ahead_ns = following_ns + int(_RESERVE_S * self.settings.rate * 1e9)
            target = self.market.point_at(ahead_ns)
            await self._sync(self._append(market_entry(target, self.clock.now_ms())))
            self._reserved_ns = self.market.time_of(target)

    def _ship(self, move: MarketMove) -> list[VenueEvent]:
        events = self.state.take_events()
        self._outbox.put(self._command_line, move, events)
        self._deliver()
        return events

    def _deliver(self) -> None:
        self._outbox.deliver(0 if self._journal is None else self._journal.durable)

    def _append(self, entry: dict[str, Any]) -> int:
        """Journal line number, 0 without a journal."""
        if self._journal is None:
            return 0
        try:
            return self._journal.append(entry)
        except OSError as error:
            self._journal.failure = error
            raise VenueError(-1001, NO_JOURNAL, 503) from error

    async def _sync(self, line: int) -> None:
        if self._journal is None:
            return
        try:
            await self._journal.sync(line)
        except OSError as error:
            raise VenueError(-1001, NO_JOURNAL, 503) from error

    def _refuse_when_broken(self) -> None:
        if self._journal is not None and self._journal.failure is not None:
            raise VenueError(-1001, NO_JOURNAL, 503)

    def _refuse_in_gap(self, symbol: str) -> None:
        """A bar that is missing trades nothing; an order sent at a close may wait for one.

        When the data has ended there is nothing to wait for: orders fill at the last price.
        """
        self.state.listing(symbol)
        if self.engine.at_close or self.ended:
            return
        if not self.market.trades_in(symbol, self.point.row):
            text = "Symbol is on delivering or delivered or settling or closed or pre-trading."
            raise VenueError(-4108, text)

    async def _rearm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self.start()

    async def _watch_countdowns(self) -> None:
        """Cancel a symbol's orders when its deadline passes."""
        while self.modes.deadlines_ms:
            symbol, deadline = min(self.modes.deadlines_ms.items(), key=lambda x: (x[1], x[0]))
            left_ms = deadline - self.clock.now_ms()
            if left_ms > 0:
                await self.clock.sleep(left_ms / 1e3)
                continue
            await self.submit(FireCountdown(symbol))
        self._timer = None
