"""Wallet and positions as the REST endpoints show them; amounts are exact texts of units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from envs.core.rules.booking import price_of
from envs.core.rules.rounding import to_units
from runtime.exchange.numbers import Scale, money_text, scale_for
from runtime.exchange.orders import BUY
from runtime.exchange.payloads import QUOTE_ASSET, break_even_text, maintenance_quote
from runtime.exchange.rest.brackets import most_notional_text
from runtime.exchange.state import VenueState

_MS = 1_000_000
Body = dict[str, Any]


@dataclass(frozen=True)
class Stand:
    """A contract's part of the account; units of 1e-8 quote, ``notional`` signed, at mark."""

    notional: int
    margin: int
    unrealised: int
    initial: int
    maintenance: int
    bids: int
    asks: int
    ordered: int


def stand_of(symbol: str, state: VenueState) -> Stand:
    """Where a contract stands, with and without a position."""
    held = state.holdings.get(symbol)
    leverage = state.leverage[symbol]
    bids = asks = ordered = 0
    contract = state.listings[symbol].contract
    for order in state.open_orders(symbol):
        price = price_of(order.price_ticks or state.quotes[symbol].last_ticks, contract)
        value = price * order.left_steps * contract.step_num / contract.step_den
        if order.side == BUY:
            bids += to_units(value)
        else:
            asks += to_units(value)
        if not order.reduce_only:
            ordered += to_units(value / leverage)
    if held is None:
        return Stand(0, 0, 0, 0, 0, bids, asks, ordered)
    quantity = held.book.qty * contract.step_num / contract.step_den
    value = price_of(state.quotes[symbol].mark_ticks, contract) * quantity
    return Stand(
        held.side * to_units(value), held.book.margin, to_units(state.unrealised_quote(symbol)),
        to_units(value / held.leverage), to_units(maintenance_quote(symbol, state)), bids, asks,
        ordered,
    )  # fmt: skip


def account_body(state: VenueState, now_ms: int, v2: bool) -> Body:
    """GET account; version 2 lists every contract and its settings."""
    stands = {name: stand_of(name, state) for name in state.listings}
    asset = _asset(state, stands, now_ms)
    body: Body = {
        "totalInitialMargin": asset["initialMargin"],
        "totalMaintMargin": asset["maintMargin"],
        "totalWalletBalance": asset["walletBalance"],
        "totalUnrealizedProfit": asset["unrealizedProfit"],
        "totalMarginBalance": asset["marginBalance"],
        "totalPositionInitialMargin": asset["positionInitialMargin"],
        "totalOpenOrderInitialMargin": asset["openOrderInitialMargin"],
        "totalCrossWalletBalance": asset["crossWalletBalance"],
        "totalCrossUnPnl": asset["crossUnPnl"],
        "availableBalance": asset["availableBalance"],
        "maxWithdrawAmount": asset["maxWithdrawAmount"],
        "assets": [asset],
        "positions": [
            _account_position(name, state, stand, v2)
            for name, stand in stands.items()
            if v2 or name in state.holdings or stand.bids or stand.asks
        ],
    }
    if v2:
        body = account_rights(now_ms) | {"updateTime": 0} | body
    return body


def account_rights(now_ms: int) -> Body:
    """What the account may do."""
    return {
        "feeTier": 0,
        "feeBurn": False,
        "canTrade": True,
        "canDeposit": False,
        "canWithdraw": False,
        "updateTime": now_ms,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
    }


def balance_body(state: VenueState, now_ms: int) -> list[Body]:
    """GET balance: the one asset there is."""
    asset = _asset(state, {n: stand_of(n, state) for n in state.listings}, now_ms)
    return [
        {
            "accountAlias": "SgsR",
            "asset": QUOTE_ASSET,
            "balance": asset["walletBalance"],
            "crossWalletBalance": asset["crossWalletBalance"],
            "crossUnPnl": asset["crossUnPnl"],
            "availableBalance": asset["availableBalance"],
            "maxWithdrawAmount": asset["maxWithdrawAmount"],
            "marginAvailable": True,
            "updateTime": now_ms,
        }
    ]


def position_body(symbol: str, state: VenueState, v2: bool) -> Body:
    """One row of GET positionRisk; a flat contract has amount 0."""
    stand, scale = stand_of(symbol, state), scale_for(state.listings[symbol].contract)
    body = _position(symbol, state, stand, scale)
    isolated = state.isolated[symbol]
    if v2:
        return body | {
            "marginType": "isolated" if isolated else "cross",
            "isAutoAddMargin": "false",
            "leverage": str(_leverage(symbol, state)),
            "maxNotionalValue": most_notional_text(
                state.listings[symbol], _leverage(symbol, state)
            ),
        }
    return body | {
        "marginAsset": QUOTE_ASSET,
        "initialMargin": money_text(stand.initial + stand.ordered),
        "maintMargin": money_text(stand.maintenance),
        "positionInitialMargin": money_text(stand.initial),
        "openOrderInitialMargin": money_text(stand.ordered),
        "adl": 0 if not stand.notional else 1,
        "bidNotional": money_text(stand.bids),
        "askNotional": money_text(stand.asks),
    }


def _position(symbol: str, state: VenueState, stand: Stand, scale: Scale) -> Body:
    held = state.holdings.get(symbol)
    isolated = state.isolated[symbol]
    liquidation = "0"
    if held is not None and held.side * held.book.liq > 0:
        liquidation = scale.price(held.side * held.book.liq)
    return {
        "symbol": symbol,
        "positionSide": "BOTH",
        "positionAmt": scale.quantity(0 if held is None else held.side * held.book.qty),
        "entryPrice": "0.0" if held is None else scale.fine_price(abs(held.entry)),
        "breakEvenPrice": "0.0" if held is None else break_even_text(symbol, state),
        "markPrice": scale.fine_price(state.quotes[symbol].mark_ticks),
        "unRealizedProfit": money_text(stand.unrealised),
        "liquidationPrice": liquidation,
        "isolatedMargin": money_text(stand.margin + stand.unrealised if isolated else 0),
        "notional": money_text(stand.notional),
        "isolatedWallet": money_text(stand.margin if isolated else 0),
        "updateTime": 0 if held is None else held.updated_ns // _MS,
    }


def _account_position(symbol: str, state: VenueState, stand: Stand, v2: bool) -> Body:
    scale = scale_for(state.listings[symbol].contract)
    row = _position(symbol, state, stand, scale)
    body: Body = {
        "symbol": symbol,
        "positionSide": "BOTH",
        "positionAmt": row["positionAmt"],
        "unrealizedProfit": row["unRealizedProfit"],
        "isolatedMargin": row["isolatedMargin"],
        "notional": row["notional"],
        "isolatedWallet": row["isolatedWallet"],
        "initialMargin": money_text(stand.initial + stand.ordered),
        "maintMargin": money_text(stand.maintenance),
        "updateTime": row["updateTime"],
    }
    if not v2:
        return body
    leverage = _leverage(symbol, state)
    return body | {
        "positionInitialMargin": money_text(stand.initial),
        "openOrderInitialMargin": money_text(stand.ordered),
        "leverage": str(leverage),
        "isolated": state.isolated[symbol],
        "entryPrice": row["entryPrice"],
        "breakEvenPrice": row["breakEvenPrice"],
        "maxNotional": most_notional_text(state.listings[symbol], leverage),
        "bidNotional": money_text(stand.bids),
        "askNotional": money_text(stand.asks),
    }


def _leverage(symbol: str, state: VenueState) -> int:
    held = state.holdings.get(symbol)
    return state.leverage[symbol] if held is None else held.leverage


def _asset(state: VenueState, stands: dict[str, Stand], now_ms: int) -> Body:
    wallet, margin = state.ledger.wallet_units, state.margin_units()
    unrealised = sum(s.unrealised for s in stands.values())
    initial = sum(s.initial for s in stands.values())
    ordered = sum(s.ordered for s in stands.values())
    free = max(0, state.available_units())
    return {
        "asset": QUOTE_ASSET,
        "walletBalance": money_text(wallet),
        "unrealizedProfit": money_text(unrealised),
        "marginBalance": money_text(wallet + unrealised),
        "maintMargin": money_text(sum(s.maintenance for s in stands.values())),
        "initialMargin": money_text(initial + ordered),
        "positionInitialMargin": money_text(initial),
        "openOrderInitialMargin": money_text(ordered),
        "crossWalletBalance": money_text(wallet - margin),
        "crossUnPnl": money_text(0),
        "availableBalance": money_text(free),
        "maxWithdrawAmount": money_text(free),
        "marginAvailable": True,
        "updateTime": now_ms,
    }
