"""Nothing is told twice and nothing goes backwards: orders by cumulative fill, fills by number.

Streams repeat, reorder and lose; REST answers overlap with them. Whatever the source, a state is
admitted only when it is further than the one before.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

from runtime.port_values import Fill, OrderStatus, OrderView, TriggerStatus, TriggerView

MOST_KEPT = 10_000
_ORDER_RANK = {OrderStatus.NEW: 0, OrderStatus.PARTIALLY_FILLED: 1}
_TRIGGER_RANK = {TriggerStatus.NEW: 0, TriggerStatus.TRIGGERING: 1, TriggerStatus.TRIGGERED: 2}
_ENDED = 3
ViewT = TypeVar("ViewT", OrderView, TriggerView)


class TradeNumbers:
    """Trade numbers of one contract; those at or below ``floor`` count as seen.

    ``confirmed`` is the number up to which REST has told every trade: a stream that lost one told
    later ones all the same, so the highest number seen proves nothing.
    """

    def __init__(self, floor: int = 0, most: int = MOST_KEPT) -> None:
        self.floor, self._most = floor, most
        self._seen: set[int] = set()
        self.confirmed = floor

    def add(self, trade_id: int) -> bool:
        """Whether a number is new; late ones above the floor still are."""
        if trade_id <= self.floor or trade_id in self._seen:
            return False
        self._seen.add(trade_id)
        if len(self._seen) > self._most:
            kept = sorted(self._seen)[-self._most // 2 :]
            self.floor, self._seen = kept[0] - 1, set(kept)
        return True

    def __contains__(self, trade_id: int) -> bool:
        return trade_id <= self.floor or trade_id in self._seen

    def remove(self, trade_id: int) -> None:
        """Take a number back that could not be kept."""
        self._seen.discard(trade_id)


class EventGuard:
    """Remembers how far everything is; old ended orders are forgotten."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._orders: OrderedDict[int, OrderView] = OrderedDict()
        self._triggers: OrderedDict[int, TriggerView] = OrderedDict()
        self._trades: dict[str, TradeNumbers] = {}

    def open_orders(self) -> tuple[OrderView, ...]:
        """Orders that were open when last heard of."""
        return tuple(o for o in self._orders.values() if o.is_open)

    def open_triggers(self) -> tuple[TriggerView, ...]:
        """Conditional orders that have not ended, those whose child is under way among them."""
        return tuple(t for t in self._triggers.values() if _trigger_rank(t) < _ENDED)

    def order(self, client_id: str) -> OrderView | None:
        """Last known state by client id."""
        return next((o for o in reversed(self._orders.values()) if o.client_id == client_id), None)

    def order_numbered(self, order_id: int) -> OrderView | None:
        """Last known state by the venue's number."""
        return self._orders.get(order_id)

    def trigger(self, client_id: str) -> TriggerView | None:
        """Last known state by client id."""
        return next(
            (t for t in reversed(self._triggers.values()) if t.client_id == client_id), None
        )

    def trigger_numbered(self, algo_id: int) -> TriggerView | None:
        """Last known state by the venue's number."""
        return self._triggers.get(algo_id)

    def begin_trades(self, symbol: str, last_id: int) -> None:
        """Trades up to this number are known."""
        self._trades[symbol] = TradeNumbers(last_id, self._most)

    def confirmed_trade_id(self, symbol: str) -> int:
        """Number up to which REST has told every trade, 0 before ``begin_trades``."""
        found = self._trades.get(symbol)
        return 0 if found is None else found.confirmed

    def confirm_trades(self, symbol: str, trade_id: int) -> None:
        """REST has told every trade up to this number."""
        numbers = self._trades.setdefault(symbol, TradeNumbers(0, self._most))
        numbers.confirmed = max(numbers.confirmed, trade_id)

    def admit_fill(self, fill: Fill) -> bool:
        """Whether a fill is new."""
        return self._trades.setdefault(fill.symbol, TradeNumbers(0, self._most)).add(fill.trade_id)

    def retract_fill(self, fill: Fill) -> None:
        """Forget a fill that could not be written down: it is news when it comes again."""
        if fill.symbol in self._trades:
            self._trades[fill.symbol].remove(fill.trade_id)

    def retract(
        self, view: OrderView | TriggerView, before: OrderView | TriggerView | None
    ) -> None:
        """Go back to what was known before a state that could not be written down."""
        if isinstance(view, OrderView):
            self._orders.pop(view.order_id, None)
            if isinstance(before, OrderView):
                self._orders[before.order_id] = before
        else:
            self._triggers.pop(view.algo_id, None)
            if isinstance(before, TriggerView):
                self._triggers[before.algo_id] = before

    def admit_order(self, view: OrderView) -> bool:
        """Whether an order is further than it was."""
        seen = self._orders.get(view.order_id)
        if seen is not None and not _is_further(view, seen):
            return False
        self._keep(self._orders, view.order_id, view)
        return True

    def knows_fill(self, fill: Fill) -> bool:
        """Whether a fill was admitted or lies before all that are."""
        numbers = self._trades.get(fill.symbol)
        return numbers is not None and fill.trade_id in numbers

    def knows_order(self, view: OrderView) -> bool:
        """Whether an order is known to be as far as this, or further."""
        seen = self._orders.get(view.order_id)
        return seen is not None and not _is_further(view, seen)

    def knows_trigger(self, view: TriggerView) -> bool:
        """Whether a conditional order is known to be as far as this, or further."""
        seen = self._triggers.get(view.algo_id)
        return seen is not None and _trigger_rank(view) <= _trigger_rank(seen)

    def admit_trigger(self, view: TriggerView) -> bool:
        """Whether a conditional order is further than it was."""
        seen = self._triggers.get(view.algo_id)
        if seen is not None:
            before, now = _trigger_rank(seen), _trigger_rank(view)
            if now < before or (now == before and (now == _ENDED or _same_trigger(view, seen))):
                return False
        self._keep(self._triggers, view.algo_id, view)
        return True

    def _keep(self, rows: OrderedDict[int, ViewT], key: int, view: ViewT) -> None:
        rows[key] = view
        rows.move_to_end(key)
        if len(rows) > self._most:
            ended = next((k for k, v in rows.items() if not v.is_open), None)
            if ended is not None:
                del rows[ended]


def _is_further(view: OrderView, seen: OrderView) -> bool:
    if view.filled_steps != seen.filled_steps:
        return view.filled_steps > seen.filled_steps
    before, now = _ORDER_RANK.get(seen.status, _ENDED), _ORDER_RANK.get(view.status, _ENDED)
    if now != before:
        return now > before
    if now == _ENDED:
        return False
    changed = (view.qty_steps, view.price_ticks) != (seen.qty_steps, seen.price_ticks)
    return changed and view.updated_ms >= seen.updated_ms


def _trigger_rank(view: TriggerView) -> int:
    return _TRIGGER_RANK.get(view.status, _ENDED)


def _same_trigger(view: TriggerView, seen: TriggerView) -> bool:
    if view.updated_ms < seen.updated_ms:
        return True
    return (view.trigger_ticks, view.qty_steps, view.child_id) == (
        seen.trigger_ticks, seen.qty_steps, seen.child_id,
    )  # fmt: skip
