"""The account of a session as a client sees it, read from the bodies the endpoints would send."""

from __future__ import annotations

from collections.abc import Sequence

from runtime.adapters import wire
from runtime.adapters.sim_views import order_view, trigger_view
from runtime.exchange.rest.account_bodies import account_body, position_body
from runtime.exchange.session import ExchangeSession
from runtime.port_values import AccountView, Flat, Stand

_MOST_SINGLE = 20
"""Up to as many contracts the ccxt adapter asks one by one: the order of orders depends on it."""


def account_view(session: ExchangeSession, symbols: Sequence[str]) -> AccountView:
    """Everything at one time; ``taken_ms`` is market time."""
    state = session.state
    stands: dict[str, Stand] = {}
    for name in sorted({*symbols, *state.holdings}):
        if name in state.holdings:
            body = position_body(name, state, v2=False)
            stands[name] = wire.position_of(body, state.listings[name].instrument)
        else:
            stands[name] = Flat(name)
    asked = symbols if len(symbols) <= _MOST_SINGLE else (None,)
    return AccountView(
        session.now_ms,
        wire.balance_of(account_body(state, session.now_ms, v2=False)),
        stands,
        tuple(order_view(o) for name in asked for o in state.open_orders(name)),
        tuple(trigger_view(a) for name in asked for a in state.open_algos(name)),
    )
