"""``ports.MarketFeed`` through ccxt: sockets say when to look, REST says what a bar was.

ccxt drops the flag that a candle is closed and coalesces updates, so a bar counts as closed when
the next one begins, and its values are then asked for by REST.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from envs.core.errors import FixInput, FixSettings
from runtime.adapters.bars import BarTape, UnreadableBar, bar_of
from runtime.adapters.ccxt_link import CallFailed, CcxtLink
from runtime.adapters.ccxt_poison import PoisonWatch
from runtime.port_errors import VenueUnavailable
from runtime.port_market import Bar, FeedHealth, Mark, Touch

_LOG = logging.getLogger(__name__)
PAGE = 1_000
_WEIGHTS = ((100, 1), (500, 2), (1_000, 5))
_SHORT = 20
_PRIVATE = "listenKey"


@dataclass(frozen=True)
class FeedSettings:
    """Times of the feed, wall seconds; ``math.inf`` where a lockstep market may stand still.

    ``max_age_s`` without news of a contract makes its data stale; ``silence_s`` makes a socket be
    opened anew; ``poll_s`` between two looks by REST while the sockets say nothing. Without
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
        self._candles: dict[str, tuple[Any, ...]] = {}
        self._heard_s: dict[str, float] = {}
        self._problems: dict[str, str] = {}
        self._looks: dict[str, asyncio.Event] = {}
        self._bars: deque[Bar] = deque()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._poison = PoisonWatch()

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
        names = {s: self._unified(s) for s in symbols}
        for symbol in symbols:
            tape = BarTape(symbol, self._span_ms)
            tape.begin((await self.history(symbol, 1))[-1:])
            self._tapes[symbol], self._looks[symbol] = tape, asyncio.Event()
            self._heard_s[symbol] = self.link.clock.monotonic_s()
        if not self.settings.sockets:
            return
        self._poison.start()
        many = list(names.values())
        works: list[Callable[[], Awaitable[None]]] = [
            lambda: self._pump(lambda: exchange.watch_mark_prices(many), self._on_marks),
            lambda: self._pump(lambda: exchange.watch_bids_asks(many), self._on_touches),
            # One subscription: the venue closes a socket that asks more than ten times a second.
            lambda: self._pump(
                lambda: exchange.watch_ohlcv_for_symbols([[n, interval] for n in many]),
                lambda _: self._on_candles(names),
            ),
        ]
        self._tasks = [asyncio.ensure_future(_run(work)) for work in works]
        self._tasks += [asyncio.create_task(self._collect(symbol)) for symbol in names]

    async def close(self) -> None:
        """Stop receiving; the client itself stays open."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        self._poison.stop()
        await self._drop_sockets()

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

    def _on_candles(self, names: Mapping[str, str]) -> None:
        """Take in the candles that form: many may have come since the last time."""
        for symbol, name in names.items():
            rows = self.link.exchange.ohlcvs.get(name, {}).get(self._interval)
            told = tuple(rows[-1]) if rows else ()
            if not told or told == self._candles.get(symbol):
                continue
            self._candles[symbol] = told
            self._heard(symbol)
            self._lasts[symbol] = float(told[4])
            if self._tapes[symbol].begins(int(told[0])):
                self._looks[symbol].set()

    async def _collect(self, symbol: str) -> None:
        """Ask for closed bars when one must be there, and now and then anyway."""
        look, tape = self._looks[symbol], self._tapes[symbol]
        while True:
            wait_s = self.settings.poll_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if math.isinf(wait_s) else wait_s):
                    await look.wait()
            look.clear()
            try:
                rows = await self._since(symbol, tape.since_ms)
            except VenueUnavailable as error:
                self._problems[symbol] = str(error)
                _LOG.warning("feed: %s", error)
                await self.link.clock.sleep(self.settings.first_wait_s)
                continue
            self._problems.pop(symbol, None)
            new = tape.take(rows)
            if new:
                self._bars.extend(new)
                self._wake.set()
                self._heard(symbol)
            elif tape.begins(tape.forming_ms) and not tape.missing:
                # The next bar has begun but REST does not show the closed one yet.
                await self.link.clock.sleep(self.settings.first_wait_s)
                look.set()

    async def _collect_until(self, symbol: str, until_ms: int) -> None:
        tape = self._tapes[symbol]
        rows = await self._since(symbol, tape.since_ms)
        # Not before the answer is there: those who look beside this would wait for it too.
        # Within a bar nothing has closed but the bars before it.
        tape.begins(until_ms - until_ms % self._span_ms)
        new = tape.take(rows)
        self._bars.extend(new)
        if new:
            self._wake.set()

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

    async def _pump(
        self, watch: Callable[[], Awaitable[Any]], heard: Callable[[Any], None]
    ) -> None:
        """Await and hand on, nothing else; a lost or silent socket is opened anew."""
        wait_s = self.settings.first_wait_s
        silence_s = self.settings.silence_s
        while True:
            try:
                async with asyncio.timeout(None if math.isinf(silence_s) else silence_s):
                    told = await watch()
                heard(told)
                wait_s = self.settings.first_wait_s
                continue
            except TimeoutError:
                _LOG.warning("feed: silent for %.0f s, connecting anew", silence_s)
                await self._drop_sockets()
            except Exception as error:
                _LOG.warning("feed: %s: %s", type(error).__name__, error)
            await self.link.clock.sleep(wait_s)
            wait_s = min(2.0 * wait_s, self.settings.most_wait_s)

    def _on_marks(self, tickers: Any) -> None:
        for ticker in _each(tickers):
            raw = ticker["info"]
            symbol = str(raw["s"])
            if symbol in self._tapes:
                self._heard(symbol)
                self._marks[symbol] = Mark(
                    symbol, float(raw["p"]), float(raw.get("i") or raw["p"]),
                    float(raw.get("r") or 0.0), int(raw.get("T") or 0), int(raw["E"]),
                )  # fmt: skip

    def _on_touches(self, tickers: Any) -> None:
        for ticker in _each(tickers):
            raw = ticker["info"]
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

    async def _drop_sockets(self) -> None:
        """Close the sockets of market data; the user stream's is another."""
        clients = self.link.exchange.clients
        for url, client in list(clients.items()):
            if "://" in url and _PRIVATE not in url:
                clients.pop(url, None)
                with contextlib.suppress(Exception):
                    await client.close()


async def _run(work: Callable[[], Awaitable[None]]) -> None:
    await work()


def _each(tickers: Any) -> list[Any]:
    """One ticker, or all of a dictionary by name."""
    return [tickers] if "info" in tickers else list(tickers.values())
