"""Messages of the market streams, every field the vendor documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from runtime.exchange.day import Day
from runtime.exchange.klines import Kline
from runtime.exchange.numbers import Scale

_MS = 1_000_000
Level = tuple[str, str]


def kline_update(kline: Kline, scale: Scale, now_ms: int, number: int) -> dict[str, Any]:
    """A candle as it now stands; ``x`` tells whether it is closed. Half its volume bought."""
    volume, quote = f"{kline.volume:.8f}", f"{kline.quote_volume:.8f}"
    return {
        "e": "kline",
        "E": now_ms,
        "s": kline.symbol,
        "k": {
            "t": kline.open_ns // _MS,
            "T": kline.close_ns // _MS - 1,
            "s": kline.symbol,
            "i": kline.interval,
            "f": number,
            "L": number,
            "o": _price(kline.open, scale),
            "c": _price(kline.close, scale),
            "h": _price(kline.high, scale),
            "l": _price(kline.low, scale),
            "v": volume,
            "n": kline.trades,
            "x": kline.closed,
            "q": quote,
            "V": f"{kline.volume / 2.0:.8f}",
            "Q": f"{kline.quote_volume / 2.0:.8f}",
            "B": "0",
        },
    }


def mini_ticker(day: Day, scale: Scale, now_ms: int) -> dict[str, Any]:
    """24hrMiniTicker."""
    return {
        "e": "24hrMiniTicker",
        "E": now_ms,
        "s": day.symbol,
        "c": _price(day.last, scale),
        "o": _price(day.open, scale),
        "h": _price(day.high, scale),
        "l": _price(day.low, scale),
        "v": f"{day.volume:.8f}",
        "q": f"{day.quote_volume:.8f}",
    }


def ticker(day: Day, scale: Scale, now_ms: int, number: int) -> dict[str, Any]:
    """24hrTicker."""
    mean = day.quote_volume / day.volume if day.volume > 0.0 else 0.0
    change = day.last - day.open
    return {
        "e": "24hrTicker",
        "E": now_ms,
        "s": day.symbol,
        "p": _price(change, scale),
        "P": f"{change / day.open * 100.0 if day.open else 0.0:.3f}",
        "w": f"{mean:.8f}",
        "c": _price(day.last, scale),
        "Q": "0",
        "o": _price(day.open, scale),
        "h": _price(day.high, scale),
        "l": _price(day.low, scale),
        "v": f"{day.volume:.8f}",
        "q": f"{day.quote_volume:.8f}",
        "O": day.open_ns // _MS,
        "C": day.close_ns // _MS,
        "F": max(0, number - day.trades + 1),
        "L": number,
        "n": day.trades,
    }


def book_ticker(symbol: str, bid: Level, ask: Level, now_ms: int, update_id: int) -> dict[str, Any]:
    """Best bid and ask."""
    return {
        "e": "bookTicker",
        "u": update_id,
        "s": symbol,
        "b": bid[0],
        "B": bid[1],
        "a": ask[0],
        "A": ask[1],
        "T": now_ms,
        "E": now_ms,
    }


def mark_price(
    symbol: str, mark_ticks: float, scale: Scale, rate: float, next_ms: int, now_ms: int
) -> dict[str, Any]:
    """Mark price (the index equals it), funding rate and time of the next settlement."""
    mark = scale.fine_price(mark_ticks)
    return {
        "e": "markPriceUpdate",
        "E": now_ms,
        "s": symbol,
        "p": mark,
        "ap": mark,
        "P": mark,
        "i": mark,
        "r": f"{rate:.8f}",
        "T": next_ms,
    }


class Traded(NamedTuple):
    """A market trade in texts; the buyer is the maker after a fall."""

    symbol: str
    price: str
    quantity: str
    number: int
    buyer_is_maker: bool


def trade(done: Traded, now_ms: int) -> dict[str, Any]:
    """One market trade."""
    return {
        "e": "trade",
        "E": now_ms,
        "T": now_ms,
        "s": done.symbol,
        "t": done.number,
        "p": done.price,
        "q": done.quantity,
        "X": "MARKET",
        "m": done.buyer_is_maker,
    }


def agg_trade(done: Traded, now_ms: int) -> dict[str, Any]:
    """An aggregated trade, here of one trade."""
    return {
        "e": "aggTrade",
        "E": now_ms,
        "s": done.symbol,
        "a": done.number,
        "p": done.price,
        "q": done.quantity,
        "f": done.number,
        "l": done.number,
        "T": now_ms,
        "m": done.buyer_is_maker,
    }


def depth_update(
    symbol: str, bids: Sequence[Level], asks: Sequence[Level], ids: tuple[int, int, int],
    now_ms: int,
) -> dict[str, Any]:  # fmt: skip
    """Levels of the book that changed (quantity 0 removes one); ``ids`` are U, u and pu."""
    first, last, previous = ids
    return {
        "e": "depthUpdate",
        "E": now_ms,
        "T": now_ms,
        "s": symbol,
        "U": first,
        "u": last,
        "pu": previous,
        "b": [list(level) for level in bids],
        "a": [list(level) for level in asks],
    }


def changed_levels(before: Mapping[str, str], after: Mapping[str, str], zero: str) -> list[Level]:
    """What turns one side of a book into another: new quantities, and 0 for what is gone."""
    gone = [(price, zero) for price in before if price not in after]
    return gone + [(p, q) for p, q in after.items() if before.get(p) != q]


def _price(ticks: float, scale: Scale) -> str:
    whole = int(ticks)
    return scale.price(whole) if whole == ticks else scale.fine_price(ticks)
