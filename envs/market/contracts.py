"""Ticks and steps of well-known perpetuals, checked against the prices; inferred for others."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from envs.core.instrument import Bracket, Instrument
from envs.market.bars import RawSeries

_KNOWN = {
    "BTCUSDT": ("0.01", "0.001", 5.0),
    "ETHUSDT": ("0.01", "0.001", 5.0),
    "XRPUSDT": ("0.0001", "0.1", 5.0),
    "LTCUSDT": ("0.01", "0.001", 5.0),
    "SOLUSDT": ("0.001", "0.01", 5.0),
    "DOGEUSDT": ("0.000001", "1", 5.0),
    "BNBUSDT": ("0.001", "0.01", 5.0),
}
_TIERS = (
    Bracket(50_000.0, 0.004, 0.0),
    Bracket(500_000.0, 0.005, 50.0),
    Bracket(float("inf"), 0.01, 2_550.0),
)
_MAX_DECIMALS = 8


def instrument_for(raw: RawSeries) -> Instrument:
    """Contract of a series: the known one if its tick holds every price, else an inferred tick."""
    tick, step, least = _KNOWN.get(raw.symbol, ("0", "0.001", 5.0))
    if tick == "0" or not _holds(raw, Fraction(tick)):
        tick = str(finest_tick(raw))
    return Instrument(raw.symbol, Fraction(tick), Fraction(step), least, _TIERS)


def finest_tick(raw: RawSeries) -> Fraction:
    """Coarsest power of ten that represents every price of the series exactly."""
    for decimals in range(_MAX_DECIMALS + 1):
        tick = Fraction(1, 10**decimals)
        if _holds(raw, tick):
            return tick
    return Fraction(1, 10**_MAX_DECIMALS)


def to_ticks(prices: np.ndarray, tick: Fraction) -> np.ndarray:  # type: ignore[type-arg]
    """Nearest whole ticks of prices, int64."""
    return np.rint(prices * tick.denominator / tick.numerator).astype(np.int64)


def _holds(raw: RawSeries, tick: Fraction) -> bool:
    for prices in (raw.open, raw.high, raw.low, raw.close):
        ticks = to_ticks(prices, tick)
        back = ticks * tick.numerator / tick.denominator
        if not bool(np.all(np.abs(back - prices) <= 1e-12 * prices)):
            return False
    return True
