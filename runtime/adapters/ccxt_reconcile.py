"""After every connection: what the stream may have missed is asked for and told, once."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from runtime.adapters import wire
from runtime.adapters.ccxt_errors import Verdict
from runtime.adapters.ccxt_link import CallFailed
from runtime.adapters.ccxt_orders import Outbox
from runtime.port_values import OrderView

_LOG = logging.getLogger(__name__)


class Reconciler:
    """Brings the guard, the journal and the listeners up to the venue's state by REST."""

    def __init__(self, outbox: Outbox, symbols: Sequence[str]) -> None:
        self._out, self._symbols = outbox, tuple(symbols)
        self._intake, self._truth = outbox.intake, outbox.truth
        self.runs = 0

    async def begin(self) -> None:
        """Adopt what the journal knows; without fills in it the venue's past is not news.

        Raises:
            CallFailed, UnreadableAnswer: The venue did not answer.
        """
        store, guard = self._out.store, self._intake.guard
        for symbol in self._symbols:
            last = await store.confirmed_trade_id(symbol)
            if last is None:
                last = await self._last_at_venue(symbol)
                await store.confirm_trades(symbol, last)
            guard.begin_trades(symbol, last)
            for fill in await store.fills(symbol, last):
                guard.admit_fill(fill)
        for view in await self._out.store.open_orders():
            if isinstance(view, OrderView):
                self._intake.guard.admit_order(view)
            else:
                self._intake.guard.admit_trigger(view)

    async def run(self) -> None:
        """Ask for trades since the last, and for every order that was open.

        Raises:
            CallFailed, UnreadableAnswer: The venue did not answer; what was told stays told.
        """
        for symbol in self._symbols:
            after = self._intake.guard.confirmed_trade_id(symbol)
            fills = await self._truth.trades(symbol, after)
            for fill in fills:
                if self._intake.guard.order_numbered(fill.order_id) is None:
                    # Names the order before its fill is told: a stop's child, or a foreign one.
                    await self._order(symbol, fill.order_id)
                await self._intake.fill(fill)
            if fills:
                self._intake.guard.confirm_trades(symbol, fills[-1].trade_id)
                await self._out.store.confirm_trades(symbol, fills[-1].trade_id)
        for order in self._intake.guard.open_orders():
            await self._order(order.symbol, order.order_id)
        for trigger in self._intake.guard.open_triggers():
            await self._trigger(trigger.symbol, trigger.client_id)
        self.runs += 1

    async def _order(self, symbol: str, order_id: int) -> None:
        try:
            await self._truth.get_numbered(symbol, order_id)
        except CallFailed as error:
            _only_not_found(error)

    async def _trigger(self, symbol: str, client_id: str) -> None:
        """A conditional order, and the order it sent: that one alone tells of a fill."""
        try:
            view = await self._truth.get_trigger(symbol, client_id)
            if view.child_id:
                await self._truth.get_numbered(symbol, view.child_id)
        except CallFailed as error:
            _only_not_found(error)

    async def _last_at_venue(self, symbol: str) -> int:
        rows = await self._out.link.call(
            "fapiPrivateGetUserTrades", {"symbol": symbol, "limit": 1000}, weight=5, kind=list
        )
        recent = max((wire.whole(row, "id") for row in rows), default=0)
        # Without a number the venue tells of some days only: older trades are no news either.
        later = await self._truth.trades(symbol, recent)
        return max((fill.trade_id for fill in later), default=recent)


def _only_not_found(error: CallFailed) -> None:
    """An order the venue does not know for the moment stays open here: it may come back."""
    if error.what.verdict is not Verdict.NOT_FOUND:
        raise error
    _LOG.warning("%s", error)
