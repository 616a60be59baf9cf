"""GET exchangeInfo: contracts, filters and limits."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from envs.core.instrument import Instrument
from runtime.exchange.engine import MAX_OPEN_ALGOS
from runtime.exchange.numbers import scale_for
from runtime.exchange.orders import OrderType, TimeInForce
from runtime.exchange.payloads import QUOTE_ASSET
from runtime.exchange.rest.desk import Desk
from runtime.exchange.rest.filters import (
    MAX_STEPS,
    MAX_TICKS,
    MULTIPLIER_DOWN,
    MULTIPLIER_UP,
    filters_of,
)
from runtime.exchange.state import Listing

PERPETUAL_DELIVERY_MS = 4_133_404_800_000
FEE_ASSET_SYMBOL = "BNBUSDT"
"""Listed even where it is not traded: clients learn their currencies from the contracts."""


def exchange_info(desk: Desk) -> dict[str, Any]:
    """The whole body."""
    limits = desk.limiter.limits
    listings = desk.state.listings
    symbols = [_symbol(one, desk) for _, one in sorted(listings.items())]
    if FEE_ASSET_SYMBOL not in listings:
        symbols.append(_untraded(desk))
    return {
        "timezone": "UTC",
        "serverTime": desk.wall_ms,
        "futuresType": "U_MARGINED",
        "rateLimits": [
            _limit("REQUEST_WEIGHT", "MINUTE", 1, limits.weight_1m),
            _limit("ORDERS", "MINUTE", 1, limits.orders_1m),
            _limit("ORDERS", "SECOND", 10, limits.orders_10s),
        ],
        "exchangeFilters": [],
        "assets": [{"asset": QUOTE_ASSET, "marginAvailable": True, "autoAssetExchange": "-10000"}],
        "symbols": symbols,
    }


def base_of(symbol: str) -> str:
    """Base asset by name: what stands before the quote asset."""
    return symbol.removesuffix(QUOTE_ASSET) or symbol


def _symbol(listing: Listing, desk: Desk, status: str = "TRADING") -> dict[str, Any]:
    one, filters = listing.instrument, filters_of(listing)
    scale = scale_for(listing.contract)
    base = base_of(one.symbol)
    smallest = min((b.mmr for b in one.brackets), default=0.0)
    market = desk.session.market
    return {
        "symbol": one.symbol,
        "pair": one.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": PERPETUAL_DELIVERY_MS,
        "onboardDate": market.open_ns(0) // 1_000_000,
        "status": status,
        "maintMarginPercent": f"{smallest * 100:.4f}",
        "requiredMarginPercent": f"{smallest * 200:.4f}",
        "baseAsset": base,
        "quoteAsset": QUOTE_ASSET,
        "marginAsset": QUOTE_ASSET,
        "pricePrecision": filters.price_precision,
        "quantityPrecision": filters.quantity_precision,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": f"{desk.state.fees.liquidation:.6f}",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": scale.price(1),
                "maxPrice": scale.price(MAX_TICKS),
                "tickSize": scale.price(1),
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": scale.quantity(1),
                "maxQty": scale.quantity(MAX_STEPS),
                "stepSize": scale.quantity(1),
            },
            {
                "filterType": "MARKET_LOT_SIZE",
                "minQty": scale.quantity(1),
                "maxQty": scale.quantity(MAX_STEPS),
                "stepSize": scale.quantity(1),
            },
            {"filterType": "MAX_NUM_ORDERS", "limit": desk.limiter.limits.open_orders},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": MAX_OPEN_ALGOS},
            {"filterType": "MIN_NOTIONAL", "notional": f"{one.min_notional_quote:g}"},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": f"{float(MULTIPLIER_UP):.4f}",
                "multiplierDown": f"{float(MULTIPLIER_DOWN):.4f}",
                "multiplierDecimal": "4",
            },
            {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
        ],
        "orderTypes": [t.value for t in OrderType if t is not OrderType.LIQUIDATION],
        "timeInForce": [t.value for t in TimeInForce],
        "permissionSets": [],
    }


def _untraded(desk: Desk) -> dict[str, Any]:
    """The fee asset's contract, closed for trading."""
    one = Instrument(FEE_ASSET_SYMBOL, Fraction(1, 100), Fraction(1, 100))
    like = next(iter(desk.state.listings.values()))
    contract = like.contract._replace(tick_num=1, tick_den=100, step_num=1, step_den=100)
    return _symbol(Listing(one, contract, like.brackets), desk, "SETTLING")


def _limit(kind: str, interval: str, count: int, most: int) -> dict[str, Any]:
    return {
        "rateLimitType": kind, "interval": interval, "intervalNum": count, "limit": most,
    }  # fmt: skip
