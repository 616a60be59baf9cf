"""``ports.Store`` without a database, for simulation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from runtime.port_values import Fill, Intent, IntentState, OrderView, TriggerView
from runtime.store.rows import ORDER, kind_of

_OPEN = frozenset({IntentState.PENDING, IntentState.UNKNOWN})


class MemoryStore:
    """Intents, orders and fills in memory; every coroutine completes without suspending."""

    def __init__(self) -> None:
        self._intents: dict[str, Intent] = {}
        self._orders: dict[tuple[str, int], OrderView | TriggerView] = {}
        self._fills: dict[str, dict[int, Fill]] = {}
        self._confirmed: dict[str, int] = {}

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close; the content stays."""

    async def save_intent(self, intent: Intent) -> bool:
        """Keep an intent; False when this client id is already there, unchanged then."""
        if intent.client_id in self._intents:
            return False
        self._intents[intent.client_id] = intent
        return True

    async def settle_intent(
        self, client_id: str, state: IntentState, *, venue_id: int = 0, code: int = 0,
        text: str = "", at_ms: int = 0,
    ) -> None:  # fmt: skip
        """Note what became of an intent; nothing where it is not known."""
        found = self._intents.get(client_id)
        if found is not None:
            self._intents[client_id] = replace(
                found, state=state, venue_id=venue_id, code=code, text=text, settled_ms=at_ms
            )

    async def intent(self, client_id: str) -> Intent | None:
        """One intent."""
        return self._intents.get(client_id)

    async def open_intents(self) -> tuple[Intent, ...]:
        """Intents whose outcome is not known, oldest first."""
        found = [i for i in self._intents.values() if i.state in _OPEN]
        return tuple(sorted(found, key=lambda i: (i.created_ms, i.client_id)))

    async def save_order(self, view: OrderView | TriggerView) -> None:
        """Keep the last state of an order or conditional order."""
        number = view.order_id if isinstance(view, OrderView) else view.algo_id
        self._orders[kind_of(view), number] = view

    async def open_orders(self) -> tuple[OrderView | TriggerView, ...]:
        """Orders and conditional orders that were open when last heard of."""
        return tuple(view for _, view in sorted(self._orders.items()) if view.is_open)

    async def order_ids(self, symbol: str) -> Mapping[int, str]:
        """Client id by order number of every order of a contract that is known."""
        return {
            number: view.client_id
            for (kind, number), view in self._orders.items()
            if kind == ORDER and view.symbol == symbol
        }

    async def add_fill(self, fill: Fill) -> bool:
        """Add a fill; False when its trade number is already there."""
        known = self._fills.setdefault(fill.symbol, {})
        if fill.trade_id in known:
            return False
        known[fill.trade_id] = fill
        return True

    async def fills(self, symbol: str, after: int = 0) -> tuple[Fill, ...]:
        """Every fill of a contract with a greater trade number, in their order."""
        known = self._fills.get(symbol, {})
        return tuple(known[i] for i in sorted(known) if i > after)

    async def confirm_trades(self, symbol: str, trade_id: int) -> None:
        """Note that the venue's own history up to this trade number is known."""
        self._confirmed[symbol] = trade_id

    async def confirmed_trade_id(self, symbol: str) -> int | None:
        """The number last confirmed, None in a new journal."""
        return self._confirmed.get(symbol)
