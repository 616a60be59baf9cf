"""From the exchange's own values to those of the ports, without a detour over texts.

What comes out equals what ``wire`` reads from the messages and bodies made of the same values.
"""

from __future__ import annotations

from runtime.exchange.events import AccountEvent, AlgoEvent, OrderEvent
from runtime.exchange.events import VenueEvent as Told
from runtime.exchange.orders import AlgoOrder, Income, Order, Trade
from runtime.exchange.payloads import QUOTE_ASSET, original_type_text
from runtime.exchange.state import VenueState
from runtime.port_events import (
    Filled,
    ModeChanged,
    OrderChanged,
    TriggerChanged,
    VenueEvent,
    WalletChanged,
)
from runtime.port_values import Fill, IncomeRow, OrderStatus, OrderView, TriggerStatus, TriggerView

_MS = 1_000_000
_ORDER_STATUS = {s.value: s for s in OrderStatus}
_TRIGGER_STATUS = {s.value: s for s in TriggerStatus}


def order_view(order: Order) -> OrderView:
    """An order as a client sees it."""
    return OrderView(
        order.client_id, order.order_id, order.symbol, order.side, original_type_text(order),
        _ORDER_STATUS[order.status.value], order.qty_steps, order.filled_steps,
        order.filled_units, order.price_ticks, order.reduce_only, order.updated_ns // _MS,
    )  # fmt: skip


def trigger_view(algo: AlgoOrder, reason: str = "") -> TriggerView:
    """A conditional order; only the stream tells a ``reason``."""
    return TriggerView(
        algo.client_id, algo.algo_id, algo.symbol, algo.side, algo.type.value,
        _TRIGGER_STATUS[algo.status.value], algo.qty_steps, algo.trigger_ticks, algo.reduce_only,
        algo.on_mark, algo.child_id, algo.updated_ns // _MS, reason,
    )  # fmt: skip


def fill_of(trade: Trade) -> Fill:
    """A fill."""
    return Fill(
        trade.trade_id, trade.order_id, trade.symbol, trade.side, trade.qty_steps,
        trade.price_ticks, trade.quote_units, trade.fee_units, QUOTE_ASSET, trade.realised_units,
        trade.maker, trade.time_ns // _MS,
    )  # fmt: skip


def income_row(row: Income) -> IncomeRow:
    """A change of the wallet."""
    info = row.info or (str(row.trade_id) if row.trade_id else row.type.value)
    return IncomeRow(
        row.income_id, row.type.value, row.symbol, QUOTE_ASSET, row.units, row.time_ns // _MS,
        row.trade_id, info,
    )  # fmt: skip


def events_of(told: Told, state: VenueState) -> tuple[VenueEvent, ...]:
    """What a message of the user stream comes to; wallet and positions are those of ``state``."""
    if isinstance(told, OrderEvent):
        changed = OrderChanged(order_view(told.order))
        if told.trade is None:
            return (changed,)
        return changed, Filled(fill_of(told.trade), told.order.client_id)
    if isinstance(told, AlgoEvent):
        return (TriggerChanged(trigger_view(told.algo, told.algo.reason)),)
    if isinstance(told, AccountEvent):
        wallet = {QUOTE_ASSET: state.ledger.wallet_units}
        steps = {name: _steps(name, state) for name in told.symbols}
        return (WalletChanged(told.reason, wallet, steps, told.time_ns // _MS),)
    return (ModeChanged(told.symbol, state.leverage[told.symbol], told.time_ns // _MS),)


def _steps(symbol: str, state: VenueState) -> int:
    held = state.holdings.get(symbol)
    return 0 if held is None else held.side * held.book.qty
