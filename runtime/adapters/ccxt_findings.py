"""What the venue says counts, written down or not: a journal that is down keeps no answer back."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from runtime.adapters.intake import Intake
from runtime.port_errors import StoreUnavailable
from runtime.port_values import OrderView, TriggerView
from runtime.ports import Store

Note = Callable[[str, StoreUnavailable], None]


class Unhindered:
    """Intake and store as a search of ``Truth`` needs them.

    What could not be written is news again when the venue or its stream tells of it next.

    Args:
        note: told what could not be written or read, and why.
    """

    def __init__(self, intake: Intake, store: Store, note: Note) -> None:
        self._intake, self._store, self._note = intake, store, note
        self.guard, self.expect = intake.guard, intake.expect

    async def order(self, view: OrderView) -> bool:
        """See ``Intake.order``; False when it could not be written."""
        try:
            return await self._intake.order(view)
        except StoreUnavailable as error:
            self._note(f"{view.client_id} {view.status.value} is not written", error)
            return False

    async def trigger(self, view: TriggerView) -> bool:
        """See ``Intake.trigger``; False when it could not be written."""
        try:
            return await self._intake.trigger(view)
        except StoreUnavailable as error:
            self._note(f"{view.client_id} {view.status.value} is not written", error)
            return False

    async def order_ids(self, symbol: str) -> Mapping[int, str]:
        """See ``Store.order_ids``; empty without a journal: each order is asked for then."""
        try:
            return await self._store.order_ids(symbol)
        except StoreUnavailable as error:
            self._note(f"orders of {symbol} are asked for one by one", error)
            return {}
