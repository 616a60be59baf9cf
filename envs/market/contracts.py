"""Ticks and steps of well-known perpetuals, checked against the prices; inferred for others."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from envs.core.errors import FixData
from envs.core.instrument import Bracket, Instrument
from envs.core.types import Float64Array, Int64Array
from envs.market.bars import RawSeries

# The finest tick a contract has had: exchanges made ticks coarser over the years, and the prices
# of the early ones must stay exact.
_KNOWN = {
    "BNBUSDT": ("0.001", "0.01"),
    "BTCUSDT": ("0.01", "0.001"),
    "DOGEUSDT": ("0.000001", "1"),
    "ETHUSDT": ("0.01", "0.001"),
    "LTCUSDT": ("0.01", "0.001"),
    "SOLUSDT": ("0.001", "0.01"),
    "XRPUSDT": ("0.0001", "0.1"),
}
_TIERS = (
    Bracket(50_000.0, 0.004, 0.0),
    Bracket(500_000.0, 0.005, 50.0),
    Bracket(float("inf"), 0.01, 2_550.0),
)
_STEP = "0.001"
_MIN_NOTIONAL = 5.0
_MAX_DECIMALS = 10


def instrument_for(raw: RawSeries, default_mmr: float = 0.004) -> Instrument:
    """Contract of a series: the known one if its tick holds every price, else an inferred one.

    Give the whole history, not a period of it: the tick follows from the prices.

    Raises:
        FixData: No decimal tick represents the prices.
    """
    known = _KNOWN.get(raw.symbol)
    if known is None:
        bracket = Bracket(float("inf"), default_mmr, 0.0)
        return Instrument(
            raw.symbol, inferred_tick(raw), Fraction(_STEP), _MIN_NOTIONAL, (bracket,)
        )
    tick = Fraction(known[0])
    if not holds(raw, tick):
        tick = inferred_tick(raw)
    return Instrument(raw.symbol, tick, Fraction(known[1]), _MIN_NOTIONAL, _TIERS)


def inferred_tick(raw: RawSeries) -> Fraction:
    """Coarsest power of ten that represents every price of the series exactly.

    Raises:
        FixData: There is none down to 1e-10.
    """
    for decimals in range(_MAX_DECIMALS + 1):
        tick = Fraction(1, 10**decimals)
        if holds(raw, tick):
            return tick
    raise FixData(
        f"{raw.source or raw.symbol}: prices are no multiples of a decimal tick; "
        "name the contract's tick in instruments.json"
    )


def to_ticks(prices: Float64Array, tick: Fraction) -> Int64Array:
    """Nearest whole ticks of prices, int64."""
    return np.rint(prices * tick.denominator / tick.numerator).astype(np.int64)


def holds(raw: RawSeries, tick: Fraction) -> bool:
    """Whether every price of the series is a whole number of ticks, to the last decimal."""
    for prices in (raw.open, raw.high, raw.low, raw.close):
        ticks = to_ticks(prices, tick)
        back = ticks * tick.numerator / tick.denominator
        if not bool(np.all(np.abs(back - prices) <= 1e-12 * prices)):
            return False
    return True
