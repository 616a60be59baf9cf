"""The contract's filters: exact decimals become whole ticks and steps, or a code."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from runtime.exchange.errors import VenueError
from runtime.exchange.orders import BUY
from runtime.exchange.rest.params import Decimal
from runtime.exchange.rest.refusals import too_precise
from runtime.exchange.state import Listing, Quote

MAX_TICKS = 10**9
MAX_STEPS = 10**9
MULTIPLIER_UP, MULTIPLIER_DOWN = Fraction("1.15"), Fraction("0.85")
_LONGEST = 12


@dataclass(frozen=True)
class Filters:
    """Limits of one contract; precisions are decimals of a price and a quantity."""

    tick: Fraction
    step: Fraction
    min_notional: Fraction
    price_precision: int
    quantity_precision: int

    def price(self, sent: Decimal) -> int:
        """Limit price in ticks.

        Raises:
            VenueError: -4001, -4013, -4002, -1111 or -4014.
        """
        if sent.value < 0:
            raise VenueError(-4001, "Price less than 0.")
        if 0 <= sent.value < self.tick:
            raise VenueError(-4013, "Price less than min price.")
        return self._ticks(sent, VenueError(-4002, "Price greater than max price."))

    def trigger(self, sent: Decimal) -> int:
        """Trigger or activation price in ticks.

        Raises:
            VenueError: -4006, -4007, -1111 or -4014.
        """
        if sent.value <= 0:
            raise VenueError(-4006, "Stop price less than or equal to zero.")
        return self._ticks(sent, VenueError(-4007, "Stop price greater than max price."))

    def quantity(self, sent: Decimal) -> int:
        """Quantity in steps.

        Raises:
            VenueError: -4003, -4004, -4005, -1111 or -4023.
        """
        if sent.value <= 0:
            raise VenueError(-4003, "Quantity less than or equal to zero.")
        if sent.decimals > self.quantity_precision:
            raise too_precise()
        steps = sent.value / self.step
        if steps > MAX_STEPS:
            raise VenueError(-4005, "Quantity greater than max quantity.")
        if steps < 1:
            raise VenueError(-4004, "Quantity less than min quantity.")
        if steps.denominator != 1:
            raise VenueError(-4023, "Qty not increased by step size.")
        return steps.numerator

    def check_notional(self, ticks: int, steps: int) -> None:
        """The smallest value of an order that may open.

        Raises:
            VenueError: -4164, below it.
        """
        if self.tick * ticks * self.step * steps < self.min_notional:
            text = f"Order's notional must be no smaller than {float(self.min_notional):g}"
            raise VenueError(-4164, f"{text} (unless you choose reduce only).")

    def check_percent(self, side: int, ticks: int, quote: Quote) -> None:
        """A limit may not be far beyond the mark on the taking side.

        Raises:
            VenueError: -4016 too high a buy, -4024 too low a sell.
        """
        mark = Fraction(quote.mark_ticks)
        if side == BUY and ticks > mark * MULTIPLIER_UP:
            raise VenueError(-4016, "Price is higher than mark price multiplier cap.")
        if side != BUY and ticks < mark * MULTIPLIER_DOWN:
            raise VenueError(-4024, "Price is lower than mark price multiplier floor.")

    def _ticks(self, sent: Decimal, too_high: VenueError) -> int:
        if sent.decimals > self.price_precision:
            raise too_precise()
        ticks = sent.value / self.tick
        if ticks > MAX_TICKS:
            raise too_high
        if ticks.denominator != 1:
            raise VenueError(-4014, "Price not increased by tick size.")
        return ticks.numerator


def filters_of(listing: Listing) -> Filters:
    """Filters of a contract, made once."""
    one = listing.instrument
    return _filters(one.tick, one.step, one.min_notional_quote)


@lru_cache(maxsize=1_024)
def _filters(tick: Fraction, step: Fraction, min_notional: float) -> Filters:
    floor = Fraction(repr(min_notional))
    return Filters(tick, step, floor, _decimals(tick), _decimals(step))


def _decimals(size: Fraction) -> int:
    """Decimals that write every multiple exactly, 12 at most."""
    for decimals in range(_LONGEST):
        if (size * 10**decimals).denominator == 1:
            return decimals
    return _LONGEST
