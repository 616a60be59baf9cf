"""A synthetic order book: what an order meets with ``--book depth``, and what GET /depth shows.

Every number follows from seed, symbol, bar and price: the best prices lie one slippage off the
last price, as the core fills, and further levels hold shares of the bar before's volume. The book
refills at once: what an order took is there again for the next one.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtime.exchange.liquidity import Take, slipped
from runtime.exchange.market import ExchangeMarket, Point
from runtime.exchange.orders import BUY, SELL
from runtime.exchange.state import Quote

LEVELS = 20
_VOLUME_SHARE = 2e-3
"""Mean quantity of a level as a share of the volume of the bar before."""
_SPACING = 2e-5
"""Distance of two levels as a fraction of price, at least one tick."""
_MASK = 2**64 - 1


@dataclass(frozen=True)
class Book:
    """Bids and asks, best first: price in ticks and quantity in steps."""

    bids: tuple[Take, ...]
    asks: tuple[Take, ...]


class SyntheticBook:
    """Liquidity of a market, drawn from a seed."""

    def __init__(self, market: ExchangeMarket, seed: int) -> None:
        self.market, self.seed = market, seed

    def take(
        self, symbol: str, side: int, ref_ticks: int, slip: float, qty_steps: int, now_ns: int
    ) -> list[Take]:
        """Fills level by level from the best one; what is beyond the last finds nobody."""
        out: list[Take] = []
        left = qty_steps
        for level in self.side(symbol, side, ref_ticks, slip, now_ns):
            if left == 0:
                break
            qty = min(left, level.qty_steps)
            out.append(Take(level.price_ticks, qty))
            left -= qty
        return out

    def rest(self, symbol: str, side: int, limit_ticks: int, qty_steps: int, now_ns: int) -> int:
        """Steps of a resting order that those who come through its price fill."""
        return min(qty_steps, self._quantity(symbol, -side, limit_ticks, now_ns))

    def levels(self, symbol: str, quote: Quote, point: Point) -> Book:
        """The whole book around a quote."""
        now_ns = self.market.time_of(point)
        bids, asks = (
            tuple(self.side(symbol, side, quote.last_ticks, quote.slip, now_ns))
            for side in (SELL, BUY)
        )
        return Book(bids, asks)

    def side(self, symbol: str, side: int, ref_ticks: int, slip: float, now_ns: int) -> list[Take]:
        """Levels a taking order of ``side`` meets, best first; prices stay above 0."""
        best = slipped(ref_ticks, side, slip)
        gap = max(1, int(ref_ticks * _SPACING))
        prices = (best + side * gap * i for i in range(LEVELS))
        return [Take(p, self._quantity(symbol, side, p, now_ns)) for p in prices if p > 0]

    def _quantity(self, symbol: str, side: int, price_ticks: int, now_ns: int) -> int:
        market = self.market
        s = market.index(symbol)
        row = min(max(market.row_of(now_ns) - 1, 0), market.last_row)
        volume = float(market.series.market.volume[row, s])
        contract = market.series.contracts[s]
        steps = volume * contract.step_den / contract.step_num * _VOLUME_SHARE
        drawn = _mixed(self.seed, s, row, price_ticks * 2 + (side > 0)) / 2.0**64
        return max(1, int(steps * 2.0 * drawn))


def _mixed(*numbers: int) -> int:
    """One 64-bit number from several, by multiply-xor-shift rounds."""
    state = 0x9E3779B97F4A7C15
    for x in numbers:
        state = (state ^ (x & _MASK)) * 0xBF58476D1CE4E5B9 & _MASK
        state = (state ^ (state >> 29)) * 0x94D049BB133111EB & _MASK
        state ^= state >> 32
    return state
