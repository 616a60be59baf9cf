"""Endpoints of the market, open to anyone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runtime.exchange.errors import VenueError
from runtime.exchange.klines import INTERVALS
from runtime.exchange.prints import Print, print_at, prints_before
from runtime.exchange.rest.desk import Desk
from runtime.exchange.rest.endpoints import NONE, Endpoint, by_limit, by_symbol, public
from runtime.exchange.rest.listing_bodies import exchange_info
from runtime.exchange.rest.market_bodies import (
    agg_trade_row,
    book_ticker,
    day_ticker,
    depth_body,
    funding_hours,
    funding_rows,
    kline_row,
    premium_index,
    trade_row,
)
from runtime.exchange.rest.params import (
    END,
    MAYBE_SYMBOL,
    START,
    SYMBOL,
    Param,
    Params,
    choice,
    limit,
    whole,
)

P = dict[str, Any]
_MS = 1_000_000
_DEPTHS = ("5", "10", "20", "50", "100", "500", "1000")


def ping(desk: Desk, p: P) -> Any:
    """GET ping."""
    return {}


def server_time(desk: Desk, p: P) -> Any:
    """GET time: the wall clock, against which requests are signed."""
    return {"serverTime": desk.wall_ms}


def info(desk: Desk, p: P) -> Any:
    """GET exchangeInfo."""
    return exchange_info(desk)


def klines(desk: Desk, p: P) -> Any:
    """GET klines."""
    return _klines(desk, p, mark=False)


def mark_klines(desk: Desk, p: P) -> Any:
    """GET markPriceKlines."""
    return _klines(desk, p, mark=True)


def depth(desk: Desk, p: P) -> Any:
    """GET depth."""
    return depth_body(desk, p["symbol"], int(p.get("limit", "500")))


def trades(desk: Desk, p: P) -> Any:
    """GET trades."""
    scale = desk.scale(p["symbol"])
    return [trade_row(one, scale) for one in _prints(desk, p)]


def agg_trades(desk: Desk, p: P) -> Any:
    """GET aggTrades."""
    scale = desk.scale(p["symbol"])
    start, end, first = p.get("startTime"), p.get("endTime"), p.get("fromId")
    if first is not None and (start is not None or end is not None):
        raise VenueError(-1128, "Combination of optional parameters invalid.")
    rows = _prints(desk, p)
    return [
        agg_trade_row(one, scale)
        for one in rows
        if (start is None or one.time_ns >= start * _MS)
        and (end is None or one.time_ns <= end * _MS)
        and (first is None or one.number >= first)
    ]


def premium(desk: Desk, p: P) -> Any:
    """GET premiumIndex."""
    return _one_or_all(desk, p, premium_index)


def funding_history(desk: Desk, p: P) -> Any:
    """GET fundingRate."""
    most = p.get("limit", 100)
    found = [
        row
        for name in desk.symbols(p.get("symbol"))
        for row in funding_rows(desk, name, p.get("startTime"), p.get("endTime"), most)
    ]
    found.sort(key=lambda row: (row["fundingTime"], row["symbol"]))
    return found[:most] if "startTime" in p else found[-most:]


def funding_info(desk: Desk, p: P) -> Any:
    """GET fundingInfo."""
    return [
        {
            "symbol": name,
            "adjustedFundingRateCap": "0.02000000",
            "adjustedFundingRateFloor": "-0.02000000",
            "fundingIntervalHours": funding_hours(desk, name),
            "disclaimer": False,
        }
        for name in desk.symbols(None)
    ]


def tickers(desk: Desk, p: P) -> Any:
    """GET ticker/24hr."""
    return _one_or_all(desk, p, day_ticker)


def prices(desk: Desk, p: P) -> Any:
    """GET ticker/price."""
    return _one_or_all(desk, p, _price)


def book_tickers(desk: Desk, p: P) -> Any:
    """GET ticker/bookTicker."""
    return _one_or_all(desk, p, book_ticker)


def _price(desk: Desk, symbol: str) -> dict[str, Any]:
    last = desk.state.quotes[symbol].last_ticks
    return {"symbol": symbol, "price": desk.scale(symbol).price(last), "time": desk.market_ms}


def _one_or_all(desk: Desk, p: P, body: Callable[[Desk, str], dict[str, Any]]) -> Any:
    if "symbol" in p:
        desk.state.listing(p["symbol"])
        return body(desk, p["symbol"])
    return [body(desk, name) for name in desk.symbols(None)]


def _klines(desk: Desk, p: P, mark: bool) -> list[list[Any]]:
    session, scale = desk.session, desk.scale(p["symbol"])
    if not session.klines.serves(p["interval"]):
        raise VenueError(-1120, "Invalid interval.")
    start, end = p.get("startTime"), p.get("endTime")
    rows = session.klines.between(
        p["symbol"], p["interval"], session.point, None if start is None else start * _MS,
        None if end is None else end * _MS, p.get("limit", 500), mark,
    )  # fmt: skip
    return [kline_row(k, scale, mark) for k in rows]


def _prints(desk: Desk, p: P) -> list[Print]:
    session, most = desk.session, p.get("limit", 500)
    market, lockstep = session.market, session.settings.lockstep
    if "startTime" not in p:
        return prints_before(market, p["symbol"], session.point, most, lockstep)
    out: list[Print] = []
    at, end = market.point_at(max(p["startTime"] * _MS, market.open_ns(0) + 1)), session.point
    while len(out) < most and market.number(at) <= market.number(end):
        if market.trades_in(p["symbol"], at.row):
            out.append(print_at(market, p["symbol"], at, lockstep))
        at = market.next_vertex(at) if lockstep else market.next_tick(at)
    return out


_INTERVALS = choice(*INTERVALS, "1M", code=-1120, message="Invalid interval.")
_KLINES = Params(SYMBOL, Param("interval", _INTERVALS, True), START, END, limit(1_500))
_KLINE_WEIGHT = by_limit(500, (99, 1), (499, 2), (1_000, 5), (1_500, 10))
_ANY = Params(MAYBE_SYMBOL)
_DEPTH = Params(SYMBOL, Param("limit", choice(*_DEPTHS)))
_DEPTH_WEIGHT = by_limit(500, (50, 2), (100, 5), (500, 10), (1_000, 20))
_AGG_TRADES = Params(SYMBOL, Param("fromId", whole), START, END, limit(1_000))
_FUNDING = Params(MAYBE_SYMBOL, START, END, limit(1_000))
ENDPOINTS: tuple[Endpoint, ...] = (
    public("v1/ping", NONE, 1, ping),
    public("v1/time", NONE, 1, server_time),
    public("v1/exchangeInfo", NONE, 1, info),
    public("v1/klines", _KLINES, _KLINE_WEIGHT, klines),
    public("v1/markPriceKlines", _KLINES, _KLINE_WEIGHT, mark_klines),
    public("v1/depth", _DEPTH, _DEPTH_WEIGHT, depth),
    public("v1/trades", Params(SYMBOL, limit(1_000)), 5, trades),
    public("v1/aggTrades", _AGG_TRADES, 20, agg_trades),
    public("v1/premiumIndex", _ANY, by_symbol(1, 10), premium),
    public("v1/fundingRate", _FUNDING, 1, funding_history),
    public("v1/fundingInfo", NONE, 1, funding_info),
    public("v1/ticker/24hr", _ANY, by_symbol(1, 40), tickers),
    public("v1/ticker/price", _ANY, by_symbol(1, 2), prices),
    public("v2/ticker/price", _ANY, by_symbol(1, 2), prices),
    public("v1/ticker/bookTicker", _ANY, by_symbol(2, 5), book_tickers),
)
