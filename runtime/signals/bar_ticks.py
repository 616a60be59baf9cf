"""Bars of a feed in the whole ticks of their contracts."""

from __future__ import annotations

from collections.abc import Sequence

from envs.core.errors import FixData
from envs.core.instrument import Instrument
from envs.core.series import MarketSeries
from runtime.port_market import Bar

NS_PER_MS = 1_000_000
_NAMES = ("open", "high", "low", "close")


def ticks_of(bar: Bar, instrument: Instrument) -> tuple[int, int, int, int]:
    """Open, high, low and close in ticks.

    Raises:
        FixData: A price that is not a positive whole number of ticks, or no bar's prices at all.
    """
    num, den = instrument.tick.numerator, instrument.tick.denominator
    prices = (bar.open, bar.high, bar.low, bar.close)
    found = []
    for name, price in zip(_NAMES, prices, strict=True):
        ticks = round(price * den / num) if 0.0 < price < 1e15 else 0
        if ticks <= 0 or abs(ticks * num / den - price) > 1e-12 * price:
            raise FixData(
                f"{bar.symbol}: bar closing at {bar.close_ms} ms: {name} {price!r} is no whole "
                f"number of ticks of {instrument.tick}: take the contract's tick from the venue"
            )
        found.append(ticks)
    o, h, low, c = found
    if h < max(o, c) or low > min(o, c):
        raise FixData(f"{bar.symbol}: bar closing at {bar.close_ms} ms: high or low inside the bar")
    return o, h, low, c


def require_same(data: MarketSeries, row: int, bars: Sequence[Bar]) -> None:
    """Refuse bars that are not those of the data's row, compared in whole ticks.

    Raises:
        FixData: A bar too many, too few, at another time, or with another price.
    """
    market = data.market
    close_ms = int(market.close_ns[row]) // NS_PER_MS
    missing = {name for s, name in enumerate(market.symbols) if market.valid[row, s]}
    for bar in bars:
        if bar.symbol not in missing:
            raise FixData(f"{bar.symbol}: a bar closing at {close_ms} ms that the data has not")
        missing.discard(bar.symbol)
        s = market.symbols.index(bar.symbol)
        found = bar.close_ms, *ticks_of(bar, market.instruments[s])
        expected = close_ms, *data.bars[s][row]
        for name, got, want in zip(("close time", *_NAMES), found, expected, strict=True):
            if got != want:
                raise FixData(
                    f"{bar.symbol}: bar closing at {close_ms} ms: {name} of the feed is {got}, "
                    f"of the data {want}: the exchange runs on other bars than the trader"
                )
    if missing:
        raise FixData(
            f"{', '.join(sorted(missing))}: the data has a bar closing at {close_ms} ms, the feed "
            "gave none"
        )
