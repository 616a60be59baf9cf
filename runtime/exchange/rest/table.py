"""All endpoints of the contract."""

from __future__ import annotations

from runtime.exchange.rest import account_calls, algo_calls, market_calls, order_calls
from runtime.exchange.rest.endpoints import Endpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    *market_calls.ENDPOINTS,
    *order_calls.ENDPOINTS,
    *algo_calls.ENDPOINTS,
    *account_calls.ENDPOINTS,
)
