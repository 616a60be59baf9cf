"""Endpoints of the account: wallet, positions, settings, history, listen keys."""

from __future__ import annotations

from typing import Any

from runtime.exchange.commands import SetLeverage, SetMarginType, SetPositionMode
from runtime.exchange.numbers import money_text
from runtime.exchange.orders import IncomeType
from runtime.exchange.payloads import QUOTE_ASSET
from runtime.exchange.rest.account_bodies import (
    account_body,
    account_rights,
    balance_body,
    position_body,
)
from runtime.exchange.rest.brackets import bracket_rows, most_notional_text
from runtime.exchange.rest.desk import Desk
from runtime.exchange.rest.endpoints import NONE, Endpoint, keyed, signed
from runtime.exchange.rest.history import income_between, trades_between
from runtime.exchange.rest.order_bodies import trade_body
from runtime.exchange.rest.params import (
    END,
    MAYBE_SYMBOL,
    START,
    SYMBOL,
    Param,
    Params,
    between,
    choice,
    flag,
    limit,
    text,
    whole,
)

P = dict[str, Any]
_DONE = {"code": 200, "msg": "success"}


def account_v2(desk: Desk, p: P) -> Any:
    """GET v2/account."""
    return account_body(desk.state, desk.market_ms, v2=True)


def account_v3(desk: Desk, p: P) -> Any:
    """GET v3/account."""
    return account_body(desk.state, desk.market_ms, v2=False)


def balance(desk: Desk, p: P) -> Any:
    """GET balance."""
    return balance_body(desk.state, desk.market_ms)


def positions_v2(desk: Desk, p: P) -> Any:
    """GET v2/positionRisk: every contract."""
    return [position_body(n, desk.state, v2=True) for n in desk.symbols(p.get("symbol"))]


def positions_v3(desk: Desk, p: P) -> Any:
    """GET v3/positionRisk: contracts with a position or an order; a missing one is flat."""
    state = desk.state
    return [
        position_body(name, state, v2=False)
        for name in desk.symbols(p.get("symbol"))
        if name in state.holdings or state.open_orders(name)
    ]


async def set_leverage(desk: Desk, p: P) -> Any:
    """POST leverage."""
    symbol, leverage = p["symbol"], p["leverage"]
    await desk.session.submit(SetLeverage(symbol, leverage))
    most = most_notional_text(desk.state.listing(symbol), leverage)
    return {"symbol": symbol, "leverage": leverage, "maxNotionalValue": most}


async def set_margin_type(desk: Desk, p: P) -> Any:
    """POST marginType."""
    await desk.session.submit(SetMarginType(p["symbol"], p["marginType"] == "ISOLATED"))
    return _DONE


async def set_mode(desk: Desk, p: P) -> Any:
    """POST positionSide/dual."""
    await desk.session.submit(SetPositionMode(p["dualSidePosition"]))
    return _DONE


def get_mode(desk: Desk, p: P) -> Any:
    """GET positionSide/dual."""
    return {"dualSidePosition": desk.session.modes.dual}


def multi_assets(desk: Desk, p: P) -> Any:
    """GET multiAssetsMargin: there is one asset."""
    return {"multiAssetsMargin": False}


def brackets(desk: Desk, p: P) -> Any:
    """GET leverageBracket."""
    return [
        {"symbol": n, "notionalCoef": 1.0, "brackets": bracket_rows(desk.state.listings[n])}
        for n in desk.symbols(p.get("symbol"))
    ]


def symbol_config(desk: Desk, p: P) -> Any:
    """GET symbolConfig: margin type and leverage."""
    state = desk.state
    return [
        {
            "symbol": name,
            "marginType": "ISOLATED" if state.isolated[name] else "CROSSED",
            "isAutoAddMargin": False,
            "leverage": state.leverage[name],
            "maxNotionalValue": most_notional_text(state.listings[name], state.leverage[name]),
        }
        for name in desk.symbols(p.get("symbol"))
    ]


def account_config(desk: Desk, p: P) -> Any:
    """GET accountConfig."""
    return account_rights(desk.market_ms) | {"dualSidePosition": desk.session.modes.dual}


def commission(desk: Desk, p: P) -> Any:
    """GET commissionRate."""
    desk.state.listing(p["symbol"])
    fees = desk.state.fees
    return {
        "symbol": p["symbol"],
        "makerCommissionRate": f"{fees.maker:.6f}",
        "takerCommissionRate": f"{fees.taker:.6f}",
        "rpiCommissionRate": f"{fees.maker:.6f}",
    }


def user_trades(desk: Desk, p: P) -> Any:
    """GET userTrades."""
    desk.state.listing(p["symbol"])
    return [trade_body(t, desk.state) for t in trades_between(desk, p)]


def income(desk: Desk, p: P) -> Any:
    """GET income."""
    desk.symbols(p.get("symbol"))
    return [
        {
            "symbol": x.symbol,
            "incomeType": x.type.value,
            "income": money_text(x.units),
            "asset": QUOTE_ASSET,
            "time": x.time_ns // 1_000_000,
            "info": x.info or (str(x.trade_id) if x.trade_id else x.type.value),
            "tranId": x.income_id,
            "tradeId": str(x.trade_id) if x.trade_id else "",
        }
        for x in income_between(desk, p)
    ]


def order_limits(desk: Desk, p: P) -> Any:
    """GET rateLimit/order."""
    limits = desk.limiter.limits
    return [_rate("SECOND", 10, limits.orders_10s), _rate("MINUTE", 1, limits.orders_1m)]


def open_stream(desk: Desk, p: P) -> Any:
    """POST listenKey."""
    return {"listenKey": desk.listen_keys.create()}


def keep_stream(desk: Desk, p: P) -> Any:
    """PUT listenKey."""
    return {"listenKey": desk.listen_keys.keep()}


def close_stream(desk: Desk, p: P) -> Any:
    """DELETE listenKey."""
    desk.listen_keys.close()
    return {}


def _rate(interval: str, count: int, most: int) -> dict[str, Any]:
    return {
        "rateLimitType": "ORDERS", "interval": interval, "intervalNum": count, "limit": most,
    }  # fmt: skip


_INCOME_TYPES = choice(
    *(t.value for t in IncomeType), "WELCOME_BONUS", "REFERRAL_KICKBACK", "COMMISSION_REBATE"
)
_MARGIN_TYPES = choice("ISOLATED", "CROSSED", code=-4054, message="Invalid marginType.")
_LEVERAGES = between(1, 125, -4028, "Leverage is not valid")
_ANY = Params(MAYBE_SYMBOL)
_LEVERAGE = Params(SYMBOL, Param("leverage", _LEVERAGES, True))
_MARGIN_TYPE = Params(SYMBOL, Param("marginType", _MARGIN_TYPES, True))
_MODE = Params(Param("dualSidePosition", flag, True))
_TRADES = Params(SYMBOL, Param("orderId", whole), START, END, Param("fromId", whole), limit(1_000))
_INCOME = Params(
    MAYBE_SYMBOL, START, END, Param("incomeType", _INCOME_TYPES),
    Param("page", between(1, 10**6)), limit(1_000),
)  # fmt: skip
_KEY = Params(Param("listenKey", text))
ENDPOINTS: tuple[Endpoint, ...] = (
    signed("GET", "v2/account", Params(Param("useV2", flag)), 5, account_v2),
    signed("GET", "v3/account", NONE, 5, account_v3),
    signed("GET", "v2/balance", NONE, 5, balance),
    signed("GET", "v3/balance", NONE, 5, balance),
    signed("GET", "v2/positionRisk", _ANY, 5, positions_v2),
    signed("GET", "v3/positionRisk", _ANY, 5, positions_v3),
    signed("POST", "v1/leverage", _LEVERAGE, 1, set_leverage),
    signed("POST", "v1/marginType", _MARGIN_TYPE, 1, set_margin_type),
    signed("GET", "v1/positionSide/dual", NONE, 30, get_mode),
    signed("POST", "v1/positionSide/dual", _MODE, 1, set_mode),
    signed("GET", "v1/multiAssetsMargin", NONE, 30, multi_assets),
    signed("GET", "v1/leverageBracket", _ANY, 1, brackets),
    signed("GET", "v1/symbolConfig", _ANY, 5, symbol_config),
    signed("GET", "v1/accountConfig", NONE, 5, account_config),
    signed("GET", "v1/commissionRate", Params(SYMBOL), 20, commission),
    signed("GET", "v1/userTrades", _TRADES, 5, user_trades),
    signed("GET", "v1/income", _INCOME, 30, income),
    signed("GET", "v1/rateLimit/order", NONE, 1, order_limits),
    keyed("POST", "v1/listenKey", _KEY, 1, open_stream),
    keyed("PUT", "v1/listenKey", _KEY, 1, keep_stream),
    keyed("DELETE", "v1/listenKey", _KEY, 1, close_stream),
)
