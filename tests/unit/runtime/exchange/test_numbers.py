"""Texts of prices, quantities and money are exact."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from envs.core.rules.sizing import Contract
from runtime.exchange.numbers import Scale, money_text

CONTRACTS = st.sampled_from(
    [
        Contract(1, 10, 1, 1_000, 5.0), Contract(1, 100, 1, 1, 5.0), Contract(1, 1, 1, 8, 5.0),
        Contract(5, 1, 10, 1, 5.0), Contract(1, 10_000_000, 1, 1, 5.0),
    ]
)  # fmt: skip


@given(CONTRACTS, st.integers(-(10**12), 10**12))
def test_whole_ticks_and_steps_are_written_exactly(contract: Contract, count: int) -> None:
    scale = Scale(contract)
    price = Fraction(count * contract.tick_num, contract.tick_den)
    assert Fraction(Decimal(scale.price(count))) == price
    quantity = Fraction(count * contract.step_num, contract.step_den)
    assert Fraction(Decimal(scale.quantity(count))) == quantity


@given(st.integers(-(2**62), 2**62))
def test_money_is_written_to_the_last_unit(units: int) -> None:
    assert Decimal(money_text(units)).scaleb(8) == units


def test_a_tick_without_a_finite_decimal_is_rounded() -> None:
    assert Scale(Contract(1, 3, 1, 7, 5.0)).price(2) == "0.66666667"
    assert Scale(Contract(1, 3, 1, 7, 5.0)).quantity(7) == "1.00000000"
