"""The venue's wallet against the books' cash: what nothing explains stops new risk."""

from __future__ import annotations

import logging

from envs.core.events import EntryKind
from envs.core.rules.rounding import from_units
from runtime.port_errors import VenueRefused, VenueUnavailable
from runtime.port_values import AccountView
from runtime.trading.context import Context
from runtime.trading.taking import Taking

WALLET = "wallet"
_LOG = logging.getLogger(__name__)


class Wallet:
    """Compares cash; transfers and funding that nobody told are booked on the way.

    A difference that two comparisons in a row see alike blocks entries (``Context.wallet_off``)
    until it is gone, or until an operator acknowledges it: then it is booked as a transfer.
    """

    def __init__(self, context: Context, taking: Taking) -> None:
        self._c, self._taking = context, taking
        self._seen = self._acks = 0

    async def compare(self, view: AccountView, *, at_start: bool) -> None:
        """Judge the venue's answer; at a start, when nothing is under way, one is enough."""
        if view.balance is None:
            return
        before, wallet = self._seen, view.balance.wallet_units
        self._seen = self._beyond(wallet)
        if self._seen and (at_start or self._seen == before):
            try:
                await self._taking.catch_up()
            except (VenueUnavailable, VenueRefused) as error:
                _LOG.warning("wallet: %s", error)
                return
            self._seen = self._beyond(wallet)
            self._judge(self._seen)
        elif not self._seen:
            self._judge(0)

    def _beyond(self, wallet: int) -> int:
        """What the books lack of the wallet; funding that waits for a fill is explained."""
        waits = sum(row.units for row in self._taking.early.values())
        return wallet - self._c.books.account.cash_units - waits

    def _judge(self, units: int) -> None:
        """Begin, keep or lift the block."""
        context, stop = self._c, self._c.stop
        was, context.wallet_off = context.wallet_off, units
        if not units:
            if was:
                _LOG.warning("wallet: agrees again: entries are allowed")
        elif not was:
            self._acks = stop.acks
            context.alarm(
                WALLET,
                f"the venue's wallet differs by {from_units(units)} quote, which nothing explains: "
                "no entries until it agrees, or until you accept the venue's figure: "
                "python -m runtime ess ack",
            )
        elif units == was and stop.acks != self._acks:
            context.books.account.book(EntryKind.TRANSFER, "", units, context.now_ns, "")
            stop.shift_equity(from_units(units))
            context.alarm(WALLET, f"accepted: {from_units(units)} quote are booked as a transfer")
            context.wallet_off = self._seen = 0
