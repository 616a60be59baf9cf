"""What an order must pass before the engine sees it: the checks a request over HTTP meets."""

from __future__ import annotations

from runtime.exchange.errors import VenueError
from runtime.exchange.orders import AlgoRequest, OrderRequest, OrderType, TimeInForce
from runtime.exchange.rest.filters import MAX_STEPS, MAX_TICKS, filters_of
from runtime.exchange.rest.limits import NO_LIMITS, Limits
from runtime.exchange.rest.params import client_id
from runtime.exchange.session import ExchangeSession
from runtime.exchange.state import Listing
from runtime.port_values import NewOrder, NewTrigger


def order_request(session: ExchangeSession, ask: NewOrder) -> OrderRequest:
    """An order as the engine is asked for it.

    Raises:
        VenueError: The code that the exchange's endpoint would refuse it with.
    """
    client_id("newClientOrderId", ask.client_id)
    state = session.state
    listing = _begin(session, ask.symbol)
    filters, quote = filters_of(listing), state.quotes[ask.symbol]
    _check_steps(ask.qty_steps)
    if ask.price_ticks:
        if ask.price_ticks > MAX_TICKS:
            raise VenueError(-4002, "Price greater than max price.")
        filters.check_percent(ask.side, ask.price_ticks, quote)
    if not ask.reduce_only:
        filters.check_notional(ask.price_ticks or quote.last_ticks, ask.qty_steps)
    kind = OrderType.LIMIT if ask.price_ticks else OrderType.MARKET
    if ask.price_ticks and len(state.open_orders(ask.symbol)) >= _limits(session).open_orders:
        raise VenueError(-2025, "Reach max open order limit.")
    return OrderRequest(
        ask.client_id, ask.symbol, ask.side, kind, ask.qty_steps, ask.price_ticks,
        TimeInForce(ask.force.value), ask.reduce_only,
    )  # fmt: skip


def algo_request(session: ExchangeSession, ask: NewTrigger) -> AlgoRequest:
    """A conditional order as the engine is asked for it; raises as ``order_request``."""
    client_id("clientAlgoId", ask.client_id)
    _begin(session, ask.symbol)
    _check_steps(ask.qty_steps)
    if ask.trigger_ticks > MAX_TICKS:
        raise VenueError(-4007, "Stop price greater than max price.")
    kind = OrderType.TAKE_PROFIT_MARKET if ask.takes_profit else OrderType.STOP_MARKET
    return AlgoRequest(
        ask.client_id, ask.symbol, ask.side, kind, ask.qty_steps, ask.trigger_ticks,
        reduce_only=True, on_mark=ask.on_mark,
    )  # fmt: skip


def check_amendment(
    session: ExchangeSession, symbol: str, name: str, qty_steps: int, price_ticks: int
) -> None:
    """What a changed order must pass; raises as ``order_request``."""
    state = session.state
    filters = filters_of(state.listing(symbol))
    order = state.find_order(symbol, None, name)
    _check_steps(qty_steps)
    if price_ticks > MAX_TICKS:
        raise VenueError(-4002, "Price greater than max price.")
    filters.check_percent(order.side, price_ticks, state.quotes[symbol])
    if not order.reduce_only:
        filters.check_notional(price_ticks, qty_steps)


def _begin(session: ExchangeSession, symbol: str) -> Listing:
    listing = session.state.listing(symbol)
    if session.modes.dual:
        raise VenueError(-4061, "Order's position side does not match user's setting.")
    return listing


def _check_steps(steps: int) -> None:
    if steps > MAX_STEPS:
        raise VenueError(-4005, "Quantity greater than max quantity.")


def _limits(session: ExchangeSession) -> Limits:
    return NO_LIMITS if session.settings.limits == "none" else Limits()
