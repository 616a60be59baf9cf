"""Candles, books, trades, tickers and funding as the REST endpoints show them."""

from __future__ import annotations

from typing import Any

import numpy as np

from envs.core.rules.booking import price_of
from envs.core.types import NS_PER_DAY
from runtime.exchange.day import Day
from runtime.exchange.depth import Book
from runtime.exchange.klines import Kline
from runtime.exchange.liquidity import Take
from runtime.exchange.numbers import Scale
from runtime.exchange.prints import Print
from runtime.exchange.rest.desk import Desk

_MS = 1_000_000
INTEREST_RATE = "0.00010000"


def kline_row(candle: Kline, scale: Scale, mark: bool) -> list[Any]:
    """Twelve columns; of a volume half is told as bought by takers."""
    text = scale.fine_price if mark else lambda x: scale.price(int(x))
    return [
        candle.open_ns // _MS,
        text(candle.open),
        text(candle.high),
        text(candle.low),
        text(candle.close),
        f"{candle.volume:.8f}",
        candle.close_ns // _MS - 1,
        f"{candle.quote_volume:.8f}",
        candle.trades,
        f"{candle.volume / 2:.8f}",
        f"{candle.quote_volume / 2:.8f}",
        "0",
    ]


def book_of(desk: Desk, symbol: str) -> Book:
    """The synthetic book around the present price."""
    session = desk.session
    return session.book.levels(symbol, desk.state.quotes[symbol], session.point)


def depth_body(desk: Desk, symbol: str, most: int) -> dict[str, Any]:
    """GET depth; ``lastUpdateId`` is the number of the market's step."""
    scale, book, now_ms = desk.scale(symbol), book_of(desk, symbol), desk.market_ms
    return {
        "lastUpdateId": desk.session.market.number(desk.session.point),
        "E": now_ms,
        "T": now_ms,
        "bids": [_level(x, scale) for x in book.bids[:most]],
        "asks": [_level(x, scale) for x in book.asks[:most]],
    }


def book_ticker(desk: Desk, symbol: str) -> dict[str, Any]:
    """Best bid and ask."""
    scale, book = desk.scale(symbol), book_of(desk, symbol)
    bid, ask = book.bids[0], book.asks[0]
    return {
        "symbol": symbol,
        "bidPrice": scale.price(bid.price_ticks),
        "bidQty": scale.quantity(bid.qty_steps),
        "askPrice": scale.price(ask.price_ticks),
        "askQty": scale.quantity(ask.qty_steps),
        "time": desk.market_ms,
        "lastUpdateId": desk.session.market.number(desk.session.point),
    }


def trade_row(one: Print, scale: Scale) -> dict[str, Any]:
    """A row of GET trades."""
    value = price_of(one.price_ticks, scale.contract) * one.qty_steps
    value = value * scale.contract.step_num / scale.contract.step_den
    return {
        "id": one.number,
        "price": scale.price(one.price_ticks),
        "qty": scale.quantity(one.qty_steps),
        "quoteQty": f"{value:.8f}",
        "time": one.time_ns // _MS,
        "isBuyerMaker": one.buyer_is_maker,
    }


def agg_trade_row(one: Print, scale: Scale) -> dict[str, Any]:
    """A row of GET aggTrades: each trade is an aggregate of itself."""
    return {
        "a": one.number,
        "p": scale.price(one.price_ticks),
        "q": scale.quantity(one.qty_steps),
        "f": one.number,
        "l": one.number,
        "T": one.time_ns // _MS,
        "m": one.buyer_is_maker,
    }


def day_ticker(desk: Desk, symbol: str) -> dict[str, Any]:
    """GET ticker/24hr."""
    session, scale = desk.session, desk.scale(symbol)
    last = desk.state.quotes[symbol].last_ticks
    day = desk.days.of(symbol, session.point)
    if day is None:
        now_ns = session.now_ns
        day = Day(symbol, last, last, last, last, 0.0, 0.0, 0, now_ns - NS_PER_DAY, now_ns)
    first = int(day.open)
    mean = day.quote_volume / day.volume if day.volume else price_of(last, scale.contract)
    number = session.market.number(session.point)
    return {
        "symbol": symbol,
        "priceChange": scale.price(last - first),
        "priceChangePercent": f"{(last / first - 1.0) * 100.0:.3f}",
        "weightedAvgPrice": f"{mean:.8f}",
        "lastPrice": scale.price(last),
        "lastQty": scale.quantity(1),
        "openPrice": scale.price(first),
        "highPrice": scale.price(int(day.high)),
        "lowPrice": scale.price(int(day.low)),
        "volume": f"{day.volume:.8f}",
        "quoteVolume": f"{day.quote_volume:.8f}",
        "openTime": day.open_ns // _MS,
        "closeTime": day.close_ns // _MS,
        "firstId": max(0, number - day.trades),
        "lastId": number,
        "count": day.trades,
    }


def premium_index(desk: Desk, symbol: str) -> dict[str, Any]:
    """GET premiumIndex: mark price, the last settled funding rate and the next stamp."""
    session, scale = desk.session, desk.scale(symbol)
    mark = scale.fine_price(desk.state.quotes[symbol].mark_ticks)
    index = scale.fine_price(float(desk.state.quotes[symbol].last_ticks))
    following = session.market.next_funding(symbol, _settled_row(desk))
    past = funding_rows(desk, symbol, None, None, 1)
    return {
        "symbol": symbol,
        "markPrice": mark,
        "indexPrice": index,
        "estimatedSettlePrice": index,
        "lastFundingRate": past[-1]["fundingRate"] if past else "0.00000000",
        "interestRate": INTEREST_RATE,
        "nextFundingTime": 0 if following is None else following.time_ns // _MS,
        "time": desk.market_ms,
    }


def funding_rows(
    desk: Desk, symbol: str, start_ms: int | None, end_ms: int | None, most: int
) -> list[dict[str, Any]]:
    """Settlements up to now, oldest first: the first ones from a start, else the last."""
    session, scale = desk.session, desk.scale(symbol)
    market = session.market
    one = market.series.series[market.index(symbol)]
    end = _settled_row(desk) + 1
    rows = np.flatnonzero(one.valid[:end] & one.stamp[:end])
    times = (market.open_ns(0) + rows * market.interval_ns) // _MS
    if start_ms is not None:
        rows, times = rows[times >= start_ms], times[times >= start_ms]
    if end_ms is not None:
        rows = rows[times <= end_ms]
    chosen = rows[:most] if start_ms is not None else rows[-most:]
    stamps = (market.funding_at(symbol, int(row)) for row in chosen)
    return [
        {
            "symbol": symbol,
            "fundingTime": stamp.time_ns // _MS,
            "fundingRate": f"{stamp.rate:.8f}",
            "markPrice": scale.fine_price(stamp.mark_ticks),
        }
        for stamp in stamps
        if stamp is not None
    ]


def funding_hours(desk: Desk, symbol: str) -> int:
    """Hours between two settlements, from the last two."""
    times = [row["fundingTime"] for row in funding_rows(desk, symbol, None, None, 2)]
    return max(1, round((times[1] - times[0]) / 3_600_000)) if len(times) == 2 else 8


def _settled_row(desk: Desk) -> int:
    """Bar whose opening stamp was the last that could settle; a close has not opened the next."""
    return desk.session.point.row


def _level(take: Take, scale: Scale) -> list[str]:
    return [scale.price(take.price_ticks), scale.quantity(take.qty_steps)]
