"""``ports.MarketFeed`` through ccxt: sockets tell final candles, REST what they left out.

A bar is handed out when a socket says that it is closed and it follows the last one. Where one is
missing, or the next begins without that word, the venue is asked; it is asked now and then anyway,
and what it says then shows whether a bar was revised.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from envs.core.errors import FixInput, FixSettings
from runtime.adapters.bars import BarTape, UnreadableBar, bar_of
from runtime.adapters.ccxt_link import CallFailed, CcxtLink
from runtime.adapters.market_stream import CANDLE, MARK, TOUCH, MarketStream, SocketSettings
from runtime.port_errors import VenueUnavailable
from runtime.port_market import Bar, FeedHealth, Mark, Touch

_LOG = logging.getLogger(__name__)
PAGE = 1_000
_WEIGHTS = ((100, 1), (500, 2), (1_000, 5))
_SHORT = 20
_CANDLE_COLUMNS = ("t", "o", "h", "l", "c", "v")


@dataclass(frozen=True)
class FeedSettings:
    """Times of the feed, wall seconds; ``math.inf`` where a lockstep market may stand still.

    ``max_age_s`` without news of a contract makes its data stale; ``silence_s`` makes a socket be
    opened anew; ``poll_s`` between two looks by REST, whatever the sockets say. Without
    ``sockets`` bars are had through ``collect`` alone, and no marks or best prices at all.
    """

    max_age_s: float = 10.0
    silence_s: float = 30.0
    poll_s: float = 5.0
    first_wait_s: float = 0.25
    most_wait_s: float = 30.0
    sockets: bool = True

    def __post_init__(self) -> None:
        if min(self.max_age_s, self.silence_s, self.poll_s, self.first_wait_s) <= 0.0:
            raise FixSettings(f"feed settings: every time must be > 0, got {self}")


class CcxtFeed:
    """Bars, mark prices and best prices of some contracts.

    The exchange may be the venue's own client: the sockets of market data are others.
    """

    def __init__(self, link: CcxtLink, settings: FeedSettings | None = None) -> None:
        self.link = link
        self.settings = settings or FeedSettings()
        self._interval, self._span_ms = "", 0
        self._tapes: dict[str, BarTape] = {}
        self._marks: dict[str, Mark] = {}
        self._touches: dict[str, Touch] = {}
        self._lasts: dict[str, float] = {}
        self._heard_s: dict[str, float] = {}
        self._problems: dict[str, str] = {}
        self._looks: dict[str, asyncio.Event] = {}
        self._bars: deque[Bar] = deque()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stream = MarketStream(
            link,
            {CANDLE: self._on_candle, MARK: self._on_mark, TOUCH: self._on_touch},
            SocketSettings(
                self.settings.silence_s, self.settings.first_wait_s, self.settings.most_wait_s
            ),
        )

    @property
    def symbols(self) -> tuple[str, ...]:
        """Contracts it was opened for."""
        return tuple(self._tapes)

    async def open(self, symbols: Sequence[str], interval: str) -> None:
        """Begin to receive; the last bar closed so far counts as known.

        Raises:
            VenueUnavailable: The venue did not answer.
            FixInput: No contract, or an interval that is not known.
        """
        if not symbols:
            raise FixInput("feed: at least one contract is needed")
        exchange = self.link.exchange
        if interval not in exchange.timeframes:
            raise FixInput(f"feed: interval {interval!r} is not one of {list(exchange.timeframes)}")
        self._interval = interval
        self._span_ms = int(exchange.parse_timeframe(interval)) * 1_000
        try:
            await exchange.load_markets()
        except Exception as error:
            raise VenueUnavailable(f"feed: contracts not loaded: {error}") from error
        for symbol in symbols:
            self._unified(symbol)
        for symbol in symbols:
            tape = BarTape(symbol, self._span_ms)
            tape.begin((await self.history(symbol, 1))[-1:])
            self._tapes[symbol], self._looks[symbol] = tape, asyncio.Event()
            self._heard_s[symbol] = self.link.clock.monotonic_s()
        if not self.settings.sockets:
            return
        self._stream.start([self._unified(s) for s in symbols], interval)
        # Evenly over the time between two looks: fifty answers at once would hold a close up.
        self._tasks = [
            asyncio.create_task(self._collect(s, k / len(symbols))) for k, s in enumerate(symbols)
        ]

    async def close(self) -> None:
        """Stop receiving; the client itself stays open."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self._stream.close()

    async def history(self, symbol: str, bars: int) -> tuple[Bar, ...]:
        """The last closed bars, oldest first.

        Raises:
            VenueUnavailable: The venue did not answer, or with something that is no bar.
        """
        if bars < 1:
            raise FixInput(f"history: at least one bar, got {bars}")
        found: list[Bar] = []
        ends_ms: int | None = None
        while len(found) < bars + 1:
            page = await self._klines(symbol, min(PAGE, bars + 1 - len(found)), end_ms=ends_ms)
            page = [b for b in page if ends_ms is None or b.open_ms <= ends_ms]
            if not page:
                break
            found = page + found
            ends_ms = page[0].open_ms - 1
        return tuple(found[:-1][-bars:])

    async def wait(self, timeout_s: float) -> bool:
        """Wait until there is a bar to take."""
        if self._bars:
            return True
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            return False
        return True

    def look(self) -> None:
        """Ask now whether bars have closed: for a market that moves only when it is told to."""
        for look in self._looks.values():
            look.set()

    async def collect(self, until_ms: int) -> None:
        """Ask for the bars that close by a market time that has come; they can then be taken.

        For a market that is told to move: at a close the next bar, by whose beginning a bar is
        known to be closed, has not begun yet.

        Raises:
            VenueUnavailable: The venue did not answer.
        """
        await asyncio.gather(*(self._collect_until(s, until_ms) for s in self._tapes))

    def take_bars(self) -> tuple[Bar, ...]:
        """Bars closed since the last call."""
        taken = tuple(sorted(self._bars, key=lambda b: (b.close_ms, b.symbol)))
        self._bars.clear()
        self._wake.clear()
        return taken

    def mark(self, symbol: str) -> Mark | None:
        """Last mark price and funding."""
        return self._marks.get(symbol)

    def touch(self, symbol: str) -> Touch | None:
        """Last best bid and ask."""
        return self._touches.get(symbol)

    def last(self, symbol: str) -> float | None:
        """Last price, of the candle that forms; None before the first."""
        return self._lasts.get(symbol)

    def health(self, symbol: str) -> FeedHealth:
        """Whether this contract's data may be traded on."""
        tape = self._tapes.get(symbol)
        if tape is None:
            return FeedHealth(symbol, math.inf, True, problem="not subscribed")
        age_s = self.link.clock.monotonic_s() - self._heard_s[symbol]
        touch = self._touches.get(symbol)
        problem = self._problems.get(symbol, "")
        if not problem and tape.revised and tape.last and tape.revised[-1] == tape.last.open_ms:
            problem = f"the bar of {tape.revised[-1]} was revised after it had closed"
        return FeedHealth(
            symbol, age_s, age_s > self.settings.max_age_s, tape.missing,
            touch is not None and touch.is_crossed, problem,
        )  # fmt: skip

    def _on_candle(self, message: dict[str, Any]) -> None:
        """Take in a candle as it forms, or as it ended."""
        told = message["k"]
        symbol = str(told["s"])
        tape = self._tapes.get(symbol)
        if tape is None or told["i"] != self._interval:
            return
        self._heard(symbol)
        self._lasts[symbol] = float(told["c"])
        if told.get("x") is not True:
            if tape.begins(int(told["t"])):
                self._looks[symbol].set()
            return
        try:
            bar = bar_of([told[name] for name in _CANDLE_COLUMNS], symbol, self._span_ms)
        except UnreadableBar as error:
            _LOG.warning("feed: final candle: %s", error)
            new = None
        else:
            new = tape.take_final(bar)
        if new is None:
            self._looks[symbol].set()
        else:
            self._hand_out(new)

    async def _collect(self, symbol: str, phase: float) -> None:
        """Ask for closed bars where one must be there, and now and then anyway."""
        look, tape = self._looks[symbol], self._tapes[symbol]
        while True:
            wait_s = _until_turn(self.link.clock.monotonic_s(), self.settings.poll_s, phase)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if math.isinf(wait_s) else wait_s):
                    await look.wait()
            look.clear()
            begun_ms = tape.forming_ms
            try:
                rows = await self._since(symbol, tape.since_ms)
            except VenueUnavailable as error:
                self._problems[symbol] = str(error)
                _LOG.warning("feed: %s", error)
                await self.link.clock.sleep(self.settings.first_wait_s)
                continue
            self._problems.pop(symbol, None)
            if new := tape.take(rows, begun_ms):
                self._hand_out(new)
                self._heard(symbol)
            elif tape.begins(tape.forming_ms) and not tape.missing:
                # The next bar has begun but REST does not show the closed one yet.
                await self.link.clock.sleep(self.settings.first_wait_s)
                look.set()

    def _hand_out(self, bars: Sequence[Bar]) -> None:
        if bars:
            self._bars.extend(bars)
            self._wake.set()

    async def _collect_until(self, symbol: str, until_ms: int) -> None:
        tape = self._tapes[symbol]
        rows = await self._since(symbol, tape.since_ms)
        # Not before the answer is there: those who look beside this would wait for it too.
        # Within a bar nothing has closed but the bars before it.
        self._hand_out(tape.take(rows, until_ms - until_ms % self._span_ms))

    async def _since(self, symbol: str, since_ms: int | None) -> list[Bar]:
        if since_ms is None:
            return await self._klines(symbol, _SHORT)
        found: list[Bar] = []
        while True:
            limit = PAGE if found else _SHORT
            page = await self._klines(symbol, limit, start_ms=since_ms)
            found += page
            if len(page) < limit:
                return found
            since_ms = page[-1].open_ms + self._span_ms

    async def _klines(
        self, symbol: str, limit: int, *, start_ms: int | None = None, end_ms: int | None = None
    ) -> list[Bar]:
        params: dict[str, Any] = {"symbol": symbol, "interval": self._interval, "limit": limit}
        if start_ms is not None:
            params["startTime"] = start_ms
        if end_ms is not None:
            params["endTime"] = end_ms
        weight = next(w for most, w in _WEIGHTS if limit <= most)
        try:
            rows = await self.link.call(
                "fapiPublicGetKlines", params, weight=weight, kind=list, patience_s=30.0
            )
            bars = [bar_of(row, symbol, self._span_ms) for row in rows]
        except CallFailed as error:
            raise VenueUnavailable(f"klines {symbol}: {error}") from error
        except UnreadableBar as error:
            raise VenueUnavailable(f"klines: {error}") from error
        return sorted({b.open_ms: b for b in bars}.values(), key=lambda b: b.open_ms)

    def _on_mark(self, raw: dict[str, Any]) -> None:
        symbol = str(raw["s"])
        if symbol in self._tapes:
            self._heard(symbol)
            self._marks[symbol] = Mark(
                symbol, float(raw["p"]), float(raw.get("i") or raw["p"]),
                float(raw.get("r") or 0.0), int(raw.get("T") or 0), int(raw["E"]),
            )  # fmt: skip

    def _on_touch(self, raw: dict[str, Any]) -> None:
        symbol = str(raw["s"])
        if symbol in self._tapes:
            self._heard(symbol)
            self._touches[symbol] = Touch(
                symbol, float(raw["b"]), float(raw["B"]), float(raw["a"]), float(raw["A"]),
                int(raw.get("E") or 0),
            )  # fmt: skip

    def _heard(self, symbol: str) -> None:
        self._heard_s[symbol] = self.link.clock.monotonic_s()

    def _unified(self, symbol: str) -> str:
        found = self.link.exchange.markets_by_id.get(symbol)
        if not found:
            raise FixInput(f"feed: contract {symbol!r} is not listed")
        return str(found[0]["symbol"])


def _until_turn(now_s: float, every_s: float, phase: float) -> float:
    """Seconds until the next turn of somebody whose turns come at a phase (0 to 1) of a time."""
    if math.isinf(every_s):
        return math.inf
    return every_s - (now_s - phase * every_s) % every_s
