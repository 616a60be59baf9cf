"""The kernel as the clock's driver sees it: what live signals need beside bars is brought first."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from runtime.adapters.ccxt_feed import CcxtFeed
from runtime.adapters.ccxt_history import funding_of_all, funding_since, mark_bar
from runtime.kernel import Kernel
from runtime.kernel_ports import Quote
from runtime.port_market import Bar
from runtime.signals.live import LiveSignals
from runtime.wiring.history import is_hour

_LOG = logging.getLogger(__name__)
_WAIT_S = 0.5
_NS_PER_MS = 1_000_000
_JITTER_MS = 60_000
"""A stamp comes some milliseconds after its hour."""
_HANG = (
    "MODELS_HANG: the models have not come back from a close: none has signals, hence no entry, "
    "until they do; positions are looked after. If it lasts, restart"
)


class FedKernel:
    """``driving.timed.Timed`` over a kernel with live signals.

    Positions are looked after while the models are asked. Models that hang are told of once.

    Mark prices of the close are asked for before it is handed on, and funding where the venue has
    said that some is settled by then, all contracts at once and for half a second at most.
    Funding that comes later counts from the next hour on, a mark that does not come is missing.

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
        self._due_ms: dict[str, int] = {}
        self._told = False

    async def monitor(self, now_ns: int, quotes: Mapping[str, Quote]) -> None:
        """As the kernel."""
        async with self._signals.turn:
            self._tell_of_models()
            await self._kernel.monitor(now_ns, quotes)

    async def watch(self) -> None:
        """As the kernel."""
        async with self._signals.turn:
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
        """Bring what belongs to the close, and hand it on; bars that are known are left."""
        if close_ns <= self.known_ns:
            return
        asked = [self._bring_mark(s, close_ns) for s in self._marked]
        due = [s for s in self._settled_ms if self._due_ms.get(s, 0) * _NS_PER_MS <= close_ns]
        if is_hour(close_ns) and due:
            asked.append(self._bring_funding(due))
        await _within(_WAIT_S, asked)
        self._note_due()
        async with self._signals.turn:
            await self._kernel.on_close(close_ns, bars, quotes=quotes)

    def _tell_of_models(self) -> None:
        """Raise the alarm when the models begin to hang, and say when they have come back."""
        hang = self._signals.is_hanging
        if hang and not self._told:
            self._kernel.context.alarm("models", _HANG)
        elif self._told and not hang:
            _LOG.warning("the models have come back: the next close has signals again")
        self._told = hang

    @property
    def known_ns(self) -> int:
        """Close of the last bar the signals have."""
        signals = self._signals
        return int(signals.data.market.close_ns[signals.row])

    async def _bring_mark(self, symbol: str, close_ns: int) -> None:
        close_ms = close_ns // _NS_PER_MS
        link, span_ms = self._feed.link, self._span_ms
        if (bar := await mark_bar(link, symbol, self._timeframe, span_ms, close_ms)) is not None:
            self._signals.mark(bar)

    async def _bring_funding(self, due: Sequence[str]) -> None:
        """Ask once for all that may have settled; one by one where that is too much for a page."""
        known = self._settled_ms
        found = await funding_of_all(self._feed.link, min(known[s] for s in due) + 1)
        for symbol in due:
            stamps: Sequence[tuple[int, float]]
            if found is None:
                stamps = await funding_since(self._feed.link, symbol, known[symbol] + 1)
            else:
                stamps = found.get(symbol, ())
            for stamp_ns, rate in stamps:
                self._signals.settle(symbol, stamp_ns, rate)
                known[symbol] = max(known[symbol], stamp_ns // _NS_PER_MS)

    def _note_due(self) -> None:
        """Note when the venue settles next; before that there is nothing to ask for.

        A time that has come stays until its rate is known. It may be drawn nearer.
        """
        for symbol, settled_ms in self._settled_ms.items():
            mark, due_ms = self._feed.mark(symbol), self._due_ms.get(symbol, 0)
            next_ms = 0 if mark is None else mark.next_funding_ms
            if next_ms < due_ms or settled_ms + _JITTER_MS >= due_ms:
                self._due_ms[symbol] = next_ms


async def _within(seconds: float, asked: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Wait for answers for a time; what is late or fails is given up and logged."""
    tasks = [asyncio.ensure_future(work) for work in asked]
    if not tasks:
        return
    done, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    failed = [e for t in done if (e := t.exception()) is not None]
    if late or failed:
        why = f": {failed[0]}" if failed else ""
        _LOG.warning(
            "marks and funding: %d late, %d failed of %d%s", len(late), len(failed), len(tasks), why
        )
