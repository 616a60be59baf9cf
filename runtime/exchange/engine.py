"""Requests to the venue: each is checked whole, then applied whole, or refused by code."""

from __future__ import annotations

from dataclasses import replace

from envs.core.rules.booking import value_of
from envs.core.rules.rounding import to_units
from runtime.exchange import errors
from runtime.exchange.errors import VenueError
from runtime.exchange.events import ConfigEvent
from runtime.exchange.filling import fill_order, reducible_steps
from runtime.exchange.liquidity import Liquidity, WholeFills, slipped
from runtime.exchange.matching import Piece, pay_funding, walk_piece
from runtime.exchange.orders import (
    AlgoOrder,
    AlgoRequest,
    AlgoStatus,
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from runtime.exchange.state import VenueState
from runtime.exchange.taking import is_marketable, take, takes_of

MAX_OPEN_ALGOS = 200


class Engine:
    """The matching engine of one account; synchronous, deterministic, without clock or I/O.

    ``at_close`` is set by whoever moves the market: a market order sent at a close waits for the
    next open, as in the core; at any other time it fills at the present price.
    """

    def __init__(self, state: VenueState, liquidity: Liquidity | None = None) -> None:
        self.state = state
        self.liquidity = liquidity or WholeFills()
        self.at_close = False

    def place(self, request: OrderRequest, now_ns: int) -> Order:
        """Place an order; it may fill at once.

        Raises:
            VenueError: -4116 a client id that is open, -2022 nothing to reduce, -2019 margin,
                -5022 a post-only order that would take, -5021 a fill-or-kill that cannot fill.
        """
        state = self.state
        self._refuse_duplicate(request.client_id, request.symbol)
        room = reducible_steps(state, request.symbol, request.side)
        if request.reduce_only and room == 0:
            raise VenueError(errors.REDUCE_ONLY_REJECTED, "ReduceOnly Order is rejected.")
        self._refuse_without_margin(request, room)
        order = Order(
            state.next_order_id(), request.client_id, request.symbol, request.side, request.type,
            request.time_in_force, request.qty_steps, request.price_ticks, request.reduce_only,
            False, OrderStatus.NEW, 0, 0, now_ns, now_ns, 0, request.type,
        )  # fmt: skip
        takes = order.type is OrderType.MARKET or is_marketable(state, order)
        self._refuse_by_time_in_force(order, takes, now_ns)
        order = state.put(order, "NEW", now_ns)
        waits = order.type is OrderType.MARKET and self.at_close
        immediate = order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
        if (takes or immediate) and not waits:
            if not takes:
                return self._end(order, "EXPIRED", OrderStatus.EXPIRED, now_ns)
            return take(state, self.liquidity, order, now_ns)
        return order

    def cancel(
        self, symbol: str, order_id: int | None, client_id: str | None, now_ns: int
    ) -> Order:
        """Cancel an open order.

        Raises:
            VenueError: -2011, it is not open.
        """
        order = self.state.find_order(symbol, order_id, client_id, errors.UNKNOWN_ORDER)
        if not order.is_open:
            raise VenueError(errors.UNKNOWN_ORDER, "Unknown order sent.")
        return self._end(order, "CANCELED", OrderStatus.CANCELED, now_ns)

    def amend(
        self, symbol: str, order_id: int | None, client_id: str | None, qty_steps: int,
        price_ticks: int, now_ns: int,
    ) -> Order:  # fmt: skip
        """Change quantity and price of a resting limit order.

        Raises:
            VenueError: -2013 no such order, -5027 nothing to change, -4028-like codes as placing.
        """
        order = self.state.find_order(symbol, order_id, client_id)
        if not order.is_open or order.type is not OrderType.LIMIT:
            raise VenueError(errors.NO_SUCH_ORDER, "Order does not exist.")
        if qty_steps == order.qty_steps and price_ticks == order.price_ticks:
            raise VenueError(-5027, "No need to modify the order.")
        if qty_steps <= order.filled_steps:
            return self._end(order, "CANCELED", OrderStatus.CANCELED, now_ns)
        changed = replace(order, qty_steps=qty_steps, price_ticks=price_ticks, updated_ns=now_ns)
        crosses = is_marketable(self.state, changed)
        if crosses and order.time_in_force is TimeInForce.GTX:
            raise VenueError(errors.POST_ONLY_REJECTED, _POST_ONLY)
        self._refuse_amendment(order, changed)
        changed = self.state.put(changed, "AMENDMENT", now_ns)
        return take(self.state, self.liquidity, changed, now_ns) if crosses else changed

    def place_algo(self, request: AlgoRequest, now_ns: int) -> AlgoOrder:
        """Place a conditional order.

        Raises:
            VenueError: -4116 a client id that waits, -2021 the trigger is met already, -4130 a
                second closePosition order of the side, -4045 too many.
        """
        state = self.state
        waiting = state.open_algos()
        if any(a.client_id == request.client_id for a in waiting):
            raise VenueError(errors.DUPLICATE_CLIENT_ID, "ClientOrderId is duplicated.")
        if len(waiting) >= MAX_OPEN_ALGOS:
            raise VenueError(-4045, "Reach max stop order limit.")
        if request.close_position and any(
            a.close_position and a.symbol == request.symbol and a.side == request.side
            and a.type is request.type
            for a in waiting
        ):  # fmt: skip
            text = "An open stop or take profit order with GTE and closePosition in the direction "
            raise VenueError(errors.SECOND_CLOSE_POSITION, text + "is existing.")
        trailing = request.type is OrderType.TRAILING_STOP_MARKET
        algo = AlgoOrder(
            state.next_algo_id(), request.client_id, request.symbol, request.side, request.type,
            request.time_in_force, request.qty_steps, request.trigger_ticks, request.price_ticks,
            request.reduce_only, request.close_position, request.on_mark, request.price_protect,
            request.callback_frac, request.activation_ticks, 0, AlgoStatus.NEW, now_ns, now_ns,
        )  # fmt: skip
        price = self._watched(algo)
        sign = 1 if algo.fires_below else -1
        if not trailing and sign * price <= sign * algo.trigger_ticks:
            raise VenueError(errors.WOULD_TRIGGER, "Order would immediately trigger.")
        if trailing and self._is_activated(algo, price):
            algo = replace(algo, extreme_ticks=round(price))
        return state.put_algo(algo, now_ns)

    def cancel_algo(self, algo_id: int | None, client_id: str | None, now_ns: int) -> AlgoOrder:
        """Cancel a conditional order that waits.

        Raises:
            VenueError: -2011, it does not wait.
        """
        algo = self.state.find_algo(algo_id, client_id, errors.UNKNOWN_ORDER)
        if not algo.is_open:
            raise VenueError(errors.UNKNOWN_ORDER, "Unknown order sent.")
        ended = replace(algo, status=AlgoStatus.CANCELED, updated_ns=now_ns)
        return self.state.put_algo(ended, now_ns)

    def set_leverage(self, symbol: str, leverage: int, now_ns: int) -> None:
        """Leverage of entries to come.

        Raises:
            VenueError: -4028 out of range, -4161 while a position is open.
        """
        if not 1 <= leverage <= self.state.listing(symbol).max_leverage:
            raise VenueError(errors.MAX_LEVERAGE, f"Leverage {leverage} is not valid")
        held = self.state.holdings.get(symbol)
        if held is not None and leverage != held.leverage:
            text = "Leverage reduction is not supported in Isolated Margin Mode with open positions"
            raise VenueError(errors.LEVERAGE_REDUCTION, text)
        self.state.leverage[symbol] = leverage
        self.state.events.append(ConfigEvent(symbol, now_ns))

    def set_isolated(self, symbol: str, isolated: bool, now_ns: int) -> None:
        """Margin type of a symbol; cross is taken on the wire, the rules stay isolated.

        Raises:
            VenueError: -4046 it is so already, -4048 a position is open.
        """
        self.state.listing(symbol)
        if self.state.isolated[symbol] == isolated:
            raise VenueError(errors.NO_CHANGE_MARGIN_TYPE, "No need to change margin type.")
        if symbol in self.state.holdings:
            text = "Margin type cannot be changed if there exists position."
            raise VenueError(-4048, text)
        self.state.isolated[symbol] = isolated
        self.state.events.append(ConfigEvent(symbol, now_ns))

    def walk(self, symbol: str, piece: Piece) -> None:
        """Move the market of one symbol along a piece of its path."""
        walk_piece(self.state, self.liquidity, symbol, piece)

    def fund(self, symbol: str, mark_ticks: float, rate: float, now_ns: int) -> None:
        """Settle a funding stamp."""
        pay_funding(self.state, symbol, mark_ticks, rate, now_ns)

    def close_externally(self, symbol: str, now_ns: int) -> None:
        """Close a position by an order that no client of ours sent (a fault to rehearse)."""
        held = self.state.holdings.get(symbol)
        if held is None:
            return
        state, qty = self.state, held.book.qty
        order = Order(
            state.next_order_id(), f"web_{state.next_order_id()}", symbol, -held.side,
            OrderType.MARKET, TimeInForce.GTC, qty, 0, True, False, OrderStatus.NEW, 0, 0, now_ns,
            now_ns, 0, OrderType.MARKET,
        )  # fmt: skip
        order = state.put(order, "NEW", now_ns)
        quote = state.quotes[symbol]
        price = slipped(quote.last_ticks, order.side, quote.slip)
        fill_order(state, order, quote.last_ticks, price, qty, False, now_ns)

    def _end(self, order: Order, execution: str, status: OrderStatus, now_ns: int) -> Order:
        return self.state.put(replace(order, status=status, updated_ns=now_ns), execution, now_ns)

    def _watched(self, algo: AlgoOrder) -> float:
        quote = self.state.quotes[algo.symbol]
        return quote.mark_ticks if algo.on_mark else quote.last_ticks

    def _is_activated(self, algo: AlgoOrder, price: float) -> bool:
        sign = 1 if algo.fires_below else -1
        return not algo.activation_ticks or sign * price >= sign * algo.activation_ticks

    def _refuse_duplicate(self, client_id: str, symbol: str) -> None:
        if any(o.client_id == client_id for o in self.state.open_orders(symbol)):
            raise VenueError(errors.DUPLICATE_CLIENT_ID, "ClientOrderId is duplicated.")

    def _refuse_by_time_in_force(self, order: Order, takes: bool, now_ns: int) -> None:
        if order.time_in_force is TimeInForce.GTX and takes:
            raise VenueError(errors.POST_ONLY_REJECTED, _POST_ONLY)
        if order.time_in_force is TimeInForce.FOK:
            found = takes_of(self.state, self.liquidity, order, now_ns) if takes else []
            if sum(t.qty_steps for t in found) < order.qty_steps:
                text = "Due to the order could not be filled immediately, the FOK order has been "
                raise VenueError(errors.FOK_REJECTED, text + "rejected.")

    def _refuse_without_margin(self, request: OrderRequest, room: int) -> None:
        """What opens must be covered by free margin, fee included."""
        opening = request.qty_steps - room
        if request.reduce_only or opening <= 0:
            return
        state = self.state
        quote = state.quotes[request.symbol]
        price = request.price_ticks or slipped(quote.last_ticks, request.side, quote.slip)
        notional = value_of(price, opening, state.listings[request.symbol].contract)
        needed = notional / state.leverage[request.symbol] + notional * state.fees.taker
        if to_units(needed) > state.available_units():
            raise VenueError(errors.MARGIN_INSUFFICIENT, "Margin is insufficient.")

    def _refuse_amendment(self, order: Order, changed: Order) -> None:
        """What an amended order opens beyond the position must be covered, as when placed."""
        if order.reduce_only:
            return
        state, symbol = self.state, order.symbol
        opening = changed.left_steps - reducible_steps(state, symbol, order.side)
        if opening <= 0:
            return
        notional = value_of(changed.price_ticks, opening, state.listings[symbol].contract)
        needed = notional / state.leverage[symbol] + notional * state.fees.taker
        if to_units(needed) > state.available_units() + state.reserved_by(order):
            raise VenueError(errors.MARGIN_INSUFFICIENT, "Margin is insufficient.")


_POST_ONLY = (
    "Due to the order could not be executed as maker, the Post Only order will be rejected. "
    "The order will not be recorded in the order history"
)
