"""The market's own trades: one a step, made of the price there and a share of the bar's volume."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.exchange.market import ExchangeMarket, Point


@dataclass(frozen=True)
class Print:
    """One trade of others; ``number`` is that of its step, the same in every run."""

    number: int
    symbol: str
    time_ns: int
    price_ticks: int
    qty_steps: int
    buyer_is_maker: bool


def print_at(market: ExchangeMarket, symbol: str, point: Point, lockstep: bool) -> Print:
    """The trade at a point where the symbol has a bar; a falling price was sold into bids."""
    price = market.quote(symbol, point)[0]
    earlier = market.before(point, lockstep)
    known = earlier.row >= 0 and market.trades_in(symbol, earlier.row)
    falls = known and price < market.quote(symbol, earlier)[0]
    s = market.index(symbol)
    contract = market.series.contracts[s]
    steps = 3 if lockstep else sum(market.ticks_after(point.row, v) for v in range(3))
    volume = float(market.series.market.volume[point.row, s]) / (steps + 1)
    qty = max(1, int(volume * contract.step_den / contract.step_num))
    return Print(market.number(point), symbol, market.time_of(point), price, qty, falls)


def prints_before(
    market: ExchangeMarket, symbol: str, at: Point, limit: int, lockstep: bool
) -> list[Print]:
    """The last ``limit`` trades up to a point, oldest first; gaps have none."""
    out: list[Print] = []
    while len(out) < limit and at.row >= 0:
        if market.trades_in(symbol, at.row):
            out.append(print_at(market, symbol, at, lockstep))
        at = market.before(at, lockstep)
    return out[::-1]
