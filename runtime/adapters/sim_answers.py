"""What the exchange's results and refusals come to, worded as the ccxt adapter words them."""

from __future__ import annotations

from runtime.adapters.ccxt_errors import Classified, Failure, classify
from runtime.adapters.ccxt_link import CallFailed
from runtime.adapters.ccxt_truth import agrees
from runtime.adapters.sim_views import order_view, trigger_view
from runtime.exchange.errors import VenueError
from runtime.exchange.orders import AlgoOrder, Order
from runtime.exchange.rest.gate import refusal
from runtime.exchange.state import VenueState
from runtime.port_values import (
    Advice,
    Answer,
    NewOrder,
    NewTrigger,
    OrderView,
    Outcome,
    TriggerView,
)

_WHO = "binanceusdm"
"""ccxt puts its class before the body of a refusal."""


def classified(error: VenueError) -> Classified:
    """What a refusal means."""
    return classify(Failure(error.code, text=f"{_WHO} {refusal(error).text}"))


def call_failed(method: str, error: VenueError) -> CallFailed:
    """A refusal as the error of a request."""
    return CallFailed(method, classified(error))


def order_accepted(order: Order) -> Answer[OrderView]:
    """An order that was placed, changed or cancelled."""
    return Answer(Outcome.ACCEPTED, order.client_id, order_view(order), confirmed=True)


def trigger_accepted(ask: NewTrigger, algo: AlgoOrder) -> Answer[TriggerView]:
    """A conditional order as it now is; confirmed where it is what was asked for."""
    view = trigger_view(algo)
    return Answer(Outcome.ACCEPTED, ask.client_id, view, confirmed=agrees(view, ask))


def order_asked(state: VenueState, ask: NewOrder) -> Answer[OrderView]:
    """What the exchange says of an order; it answers at once, so not found is ABSENT."""
    try:
        order = state.find_order(ask.symbol, None, ask.client_id)
    except VenueError as error:
        told = str(call_failed("fapiPrivateGetOrder", error))
        return Answer(Outcome.ABSENT, ask.client_id, text=told)
    if ask.side and order.side != ask.side:
        text = f"client id {ask.client_id} belongs to another order: {order.symbol}"
        return Answer(Outcome.REJECTED, ask.client_id, advice=Advice.FIX_REQUEST, text=text)
    return Answer(Outcome.ACCEPTED, ask.client_id, order_view(order), confirmed=True)


def trigger_asked(state: VenueState, ask: NewTrigger) -> Answer[TriggerView]:
    """What the exchange says of a conditional order."""
    try:
        algo = state.find_algo(None, ask.client_id)
    except VenueError as error:
        told = str(call_failed("fapiPrivateGetAlgoOrder", error))
        return Answer(Outcome.ABSENT, ask.client_id, text=told)
    return trigger_accepted(ask, algo)
