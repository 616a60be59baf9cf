"""The kernel as the clock's driver sees it: what live signals need beside bars is brought first."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from runtime.adapters.ccxt_feed import CcxtFeed
from runtime.adapters.ccxt_history import funding_since, last_marks
from runtime.kernel import Kernel
from runtime.kernel_ports import Quote
from runtime.port_errors import VenueUnavailable
from runtime.port_market import Bar
from runtime.signals.live import LiveSignals
from runtime.wiring.history import is_hour

_LOG = logging.getLogger(__name__)
_MARK_WAIT_S = 0.25
_NS_PER_MS = 1_000_000


class FedKernel:
    """``driving.timed.Timed`` over a kernel with live signals.

    Closed mark prices are asked for before a close is handed on, all contracts at once and for a
    quarter of a second at most; funding after it, as it counts from the next close on.

    Args:
        marked: contracts whose history has mark prices.
        settled_ms: last funding stamp known by contract.
    """

    def __init__(
        self, kernel: Kernel, signals: LiveSignals, feed: CcxtFeed, timeframe: str, span_ms: int,
        marked: Sequence[str], settled_ms: Mapping[str, int],
    ) -> None:  # fmt: skip
        self._kernel, self._signals, self._feed = kernel, signals, feed
        self._timeframe, self._span_ms = timeframe, span_ms
        self._marked, self._settled_ms = tuple(marked), dict(settled_ms)
        self._asking: asyncio.Task[None] | None = None

    async def monitor(self, now_ns: int, quotes: Mapping[str, Quote]) -> None:
        """As the kernel."""
        await self._kernel.monitor(now_ns, quotes)

    async def watch(self) -> None:
        """As the kernel."""
        await self._kernel.watch()

    async def reconcile(self) -> None:
        """As the kernel."""
        await self._kernel.reconcile()

    def block_entries(self, symbol: str, reason: str) -> None:
        """As the kernel."""
        self._kernel.block_entries(symbol, reason)

    async def on_close(
        self, close_ns: int, bars: Sequence[Bar], *, quotes: Mapping[str, Quote] | None = None
    ) -> None:
        """Bring the marks of the close, hand it on, then ask for funding; bars known are left."""
        if close_ns <= self.known_ns:
            return
        await self._bring_marks(close_ns)
        await self._kernel.on_close(close_ns, bars, quotes=quotes)
        if is_hour(close_ns) and (self._asking is None or self._asking.done()):
            self._asking = asyncio.create_task(self._bring_funding())

    @property
    def known_ns(self) -> int:
        """Close of the last bar the signals have."""
        signals = self._signals
        return int(signals.data.market.close_ns[signals.row])

    async def close(self) -> None:
        """End what is still being asked."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _bring_marks(self, close_ns: int) -> None:
        link = self._feed.link
        asked = [last_marks(link, s, self._timeframe, self._span_ms) for s in self._marked]
        for bars in await _within(_MARK_WAIT_S, asked):
            for bar in bars:
                if bar.close_ms * _NS_PER_MS == close_ns:
                    self._signals.mark(bar)

    async def _bring_funding(self) -> None:
        for symbol, last_ms in list(self._settled_ms.items()):
            try:
                stamps = await funding_since(self._feed.link, symbol, last_ms + 1)
            except VenueUnavailable as error:
                _LOG.warning("funding of %s is asked again at the next hour: %s", symbol, error)
                continue
            for stamp_ns, rate in stamps:
                self._signals.settle(symbol, stamp_ns, rate)
                self._settled_ms[symbol] = stamp_ns // _NS_PER_MS


async def _within(
    seconds: float, asked: Sequence[Coroutine[Any, Any, tuple[Bar, ...]]]
) -> list[tuple[Bar, ...]]:
    """What came within a time; the rest is given up, its contracts have no mark at this close."""
    tasks = [asyncio.ensure_future(work) for work in asked]
    if not tasks:
        return []
    done, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    failed = [t for t in done if t.exception() is not None]
    if late or failed:
        _LOG.warning("mark prices: %d late, %d failed of %d", len(late), len(failed), len(tasks))
    return [t.result() for t in done if t.exception() is None]
