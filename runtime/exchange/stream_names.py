"""Names of market streams: what they ask for, how often it comes, and where it is served."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass

from envs.core.errors import FixInput

PUBLIC, MARKET = "public", "market"
_MS = 1_000_000
_KINDS: dict[str, tuple[str, int]] = {
    "trade": (PUBLIC, 0),
    "bookTicker": (PUBLIC, 0),
    "depth": (PUBLIC, 250),
    "aggTrade": (MARKET, 100),
    "kline": (MARKET, 250),
    "miniTicker": (MARKET, 1_000),
    "ticker": (MARKET, 1_000),
    "markPrice": (MARKET, 3_000),
}
_ONE = re.compile(
    r"(?P<symbol>[a-z0-9]+)@(?:"
    r"(?P<plain>trade|aggTrade|bookTicker|miniTicker|ticker|markPrice)"
    r"|kline_(?P<interval>[0-9]+[mhdwM])"
    r"|depth(?P<levels>5|10|20)?)"
    r"(?:@(?P<speed>1s|100ms|250ms|500ms))?"
)
_ALL = re.compile(r"!(?P<plain>miniTicker|ticker|markPrice)@arr(?:@(?P<speed>1s))?|!bookTicker")
_SPEEDS = {"1s": 1_000, "100ms": 100, "250ms": 250, "500ms": 500}


@dataclass(frozen=True)
class StreamName:
    """A market stream.

    ``symbol`` is empty for all contracts at once; ``levels`` is 0 for the changes of the whole
    book; at most one message comes in ``period_ns`` of market time.
    """

    name: str
    kind: str
    symbol: str
    interval: str
    levels: int
    period_ns: int
    category: str


def parse_stream(name: str, symbols: Container[str], served: Container[str]) -> StreamName:
    """Read a stream's name; ``served`` are the candle intervals there are.

    Raises:
        FixInput: No such stream, contract, interval or speed.
    """
    every = _ALL.fullmatch(name)
    if every is not None:
        kind = every["plain"] or "bookTicker"
        return _named(name, kind, "", "", 0, every["speed"])
    one = _ONE.fullmatch(name)
    if one is None:
        raise FixInput(f"invalid stream {name[:80]!r}")
    symbol = one["symbol"].upper()
    if symbol not in symbols:
        raise FixInput(f"invalid stream {name[:80]!r}: {symbol} is not listed here")
    interval = one["interval"] or ""
    if interval and interval not in served:
        raise FixInput(f"invalid stream {name!r}: no candles of {interval} from these bars")
    kind = one["plain"] or ("kline" if interval else "depth")
    return _named(name, kind, symbol, interval, int(one["levels"] or 0), one["speed"])


def _named(
    name: str, kind: str, symbol: str, interval: str, levels: int, speed: str | None
) -> StreamName:
    category, period_ms = _KINDS[kind]
    if speed is not None:
        if (kind == "markPrice") != (speed == "1s") or kind not in ("markPrice", "depth"):
            raise FixInput(f"invalid stream {name!r}: {kind} has no speed {speed}")
        period_ms = _SPEEDS[speed]
    return StreamName(name, kind, symbol, interval, levels, period_ms * _MS, category)
