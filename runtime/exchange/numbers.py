"""Ticks, steps and units as the decimal texts the dialect sends."""

from __future__ import annotations

from functools import lru_cache

from envs.core.rules.booking import price_of
from envs.core.rules.sizing import Contract

_UNITS = 10**8
_MOST_DECIMALS = 12


def money_text(units: int) -> str:
    """An amount of int64 units (1e-8 quote) with eight decimals, exactly."""
    whole, rest = divmod(abs(units), _UNITS)
    return f"{'-' if units < 0 else ''}{whole}.{rest:08d}"


class Scale:
    """Prices and quantities of one contract; whole ticks and steps are written exactly."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self._price = _multiplier(contract.tick_num, contract.tick_den)
        self._quantity = _multiplier(contract.step_num, contract.step_den)

    def price(self, ticks: int) -> str:
        """Price of whole ticks."""
        if self._price is None:
            return f"{price_of(ticks, self.contract):.8f}"
        return _fixed(ticks, *self._price)

    def fine_price(self, ticks: float) -> str:
        """Price of ticks that need not be whole, such as marks and averages."""
        return f"{price_of(ticks, self.contract):.8f}"

    def quantity(self, steps: int) -> str:
        """Quantity of whole steps."""
        if self._quantity is None:
            return f"{steps * self.contract.step_num / self.contract.step_den:.8f}"
        return _fixed(steps, *self._quantity)


@lru_cache(maxsize=1024)
def scale_for(contract: Contract) -> Scale:
    """Scale of a contract, made once."""
    return Scale(contract)


def _multiplier(numerator: int, denominator: int) -> tuple[int, int] | None:
    """Factor and decimals with which a fraction is a whole number; None beyond the decimals."""
    for decimals in range(_MOST_DECIMALS + 1):
        if 10**decimals % denominator == 0:
            return numerator * 10**decimals // denominator, decimals
    return None


def _fixed(count: int, factor: int, decimals: int) -> str:
    value = abs(count) * factor
    sign = "-" if count < 0 else ""
    if not decimals:
        return f"{sign}{value}"
    whole, rest = divmod(value, 10**decimals)
    return f"{sign}{whole}.{rest:0{decimals}d}"
