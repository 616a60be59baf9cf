"""What a fill does: the order, the position, the wallet and the events, in one place."""

from __future__ import annotations

from dataclasses import replace

from envs.core.rules.booking import value_of
from envs.core.rules.rounding import to_units
from runtime.exchange.events import AccountEvent
from runtime.exchange.holdings import enter, leave, liquidate
from runtime.exchange.orders import (
    SELL,
    IncomeType,
    Order,
    OrderStatus,
    OrderType,
    TimeInForce,
    Trade,
)
from runtime.exchange.state import VenueState


def fill_order(
    state: VenueState, order: Order, ref: int, price: int, qty: int, maker: bool, now_ns: int
) -> Order:
    """Fill ``qty`` steps of an order at ``price`` for the reference ``ref`` (unsigned ticks).

    What lies against the position closes it first; the rest opens the other side. An opening
    whose margin and fee the wallet no longer covers expires instead: resting orders and such that
    waited for an open may cost more than when they were placed.
    """
    held = state.holdings.get(order.symbol)
    against = held is not None and held.side != order.side
    if held is not None and against and qty > held.book.qty:
        order = fill_order(state, order, ref, price, held.book.qty, maker, now_ns)
        return fill_order(state, order, ref, price, qty - held.book.qty, maker, now_ns)
    listing = state.listings[order.symbol]
    rate = state.fees.maker if maker else state.fees.taker
    realised = 0
    if held is not None and against:
        left, fill = leave(held, ref, price, qty, rate, listing.contract, now_ns)
        realised, fee = fill.gross, fill.fee
        if left.book.qty > 0:
            state.holdings[order.symbol] = left
        else:
            del state.holdings[order.symbol]
    else:
        leverage = state.leverage[order.symbol]
        new, fee = enter(
            held, order.side, ref, price, qty, leverage, rate, listing.contract, listing.brackets,
            now_ns,
        )  # fmt: skip
        added = new.book.margin - (held.book.margin if held is not None else 0)
        if added + fee > state.ledger.wallet_units - state.margin_units():
            return expire(state, order, now_ns)
        state.holdings[order.symbol] = new
    units = to_units(value_of(price, qty, listing.contract))
    return _record(state, order, price, qty, units, fee, realised, maker, now_ns)


def expire(state: VenueState, order: Order, now_ns: int) -> Order:
    """End an order that cannot fill further."""
    ended = replace(order, status=OrderStatus.EXPIRED, updated_ns=now_ns)
    return state.put(ended, "EXPIRED", now_ns)


def _record(
    state: VenueState, order: Order, price: int, qty: int, units: int, fee: int, realised: int,
    maker: bool, now_ns: int,
) -> Order:  # fmt: skip
    ledger = state.ledger
    trade = Trade(
        ledger.next_trade_id(), order.order_id, order.symbol, order.side, price, qty, units, fee,
        realised, maker, now_ns,
    )  # fmt: skip
    ledger.add(trade)
    id_ = trade.trade_id
    ledger.book(IncomeType.REALIZED_PNL, order.symbol, realised, now_ns, id_)
    ledger.book(IncomeType.COMMISSION, order.symbol, -fee, now_ns, id_)
    filled = order.filled_steps + qty
    done = filled == order.qty_steps
    order = replace(
        order, filled_steps=filled, filled_units=order.filled_units + units, updated_ns=now_ns,
        status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
    )  # fmt: skip
    state.put(order, "TRADE", now_ns, trade)
    state.events.append(AccountEvent("ORDER", (order.symbol,), now_ns))
    return order


def liquidate_holding(state: VenueState, symbol: str, now_ns: int) -> Order:
    """Take a position whose mark reached its liquidation level: margin and fee are lost.

    The forced order bears a client id ``autoclose-``; the part of the margin that the price alone
    does not cost goes to the insurance fund, and the wallet never falls below 0.
    """
    held = state.holdings[symbol]
    listing = state.listings[symbol]
    before = held.book
    after, fill = liquidate(held, state.spare_units(symbol), state.fees, listing.contract)
    price, qty = held.side * fill.price, fill.qty
    order = Order(
        state.next_order_id(), f"autoclose-{now_ns // 1_000_000}-{state.next_order_id()}", symbol,
        -held.side, OrderType.LIQUIDATION, TimeInForce.IOC, qty, price, True, False,
        OrderStatus.FILLED, qty, to_units(value_of(price, qty, listing.contract)), now_ns, now_ns,
        0, OrderType.LIMIT,
    )  # fmt: skip
    del state.holdings[symbol]
    ledger = state.ledger
    trade = Trade(
        ledger.next_trade_id(), order.order_id, symbol, order.side, price, qty,
        order.filled_units, fill.fee, fill.gross, False, now_ns,
    )  # fmt: skip
    ledger.add(trade)
    id_ = trade.trade_id
    ledger.book(IncomeType.REALIZED_PNL, symbol, fill.gross, now_ns, id_)
    rest = after.insurance - before.insurance
    ledger.book(IncomeType.INSURANCE_CLEAR, symbol, rest, now_ns, id_)
    ledger.book(IncomeType.COMMISSION, symbol, -fill.fee, now_ns, id_, "LIQUIDATION_FEE")
    state.put(order, "CALCULATED", now_ns, trade)
    state.events.append(AccountEvent("ORDER", (symbol,), now_ns))
    return order


def reducible_steps(state: VenueState, symbol: str, side: int) -> int:
    """Steps a reduce-only order of a side may close now."""
    held = state.holdings.get(symbol)
    if held is None or held.side == side:
        return 0
    return held.book.qty


def name_of_side(side: int) -> str:
    """BUY or SELL."""
    return "SELL" if side == SELL else "BUY"
