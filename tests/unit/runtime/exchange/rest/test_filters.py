from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest

from runtime.exchange.errors import VenueError
from runtime.exchange.orders import BUY, SELL
from runtime.exchange.rest.filters import Filters
from runtime.exchange.rest.params import decimal
from runtime.exchange.state import Quote

F = Filters(Fraction("0.5"), Fraction("0.001"), Fraction(5), 1, 3)


def _code(work: Callable[[], object]) -> int:
    try:
        work()
    except VenueError as error:
        return error.code
    return 0


@pytest.mark.parametrize(
    ("sent", "ticks"), [("100", 200), ("100.5", 201), ("100.500000", 201), ("0.5", 1)]
)
def test_prices_become_ticks_exactly(sent: str, ticks: int) -> None:
    assert F.price(decimal("price", sent)) == ticks


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("100.25", -1111), ("100.1", -4014), ("0", -4013), ("0.1", -4013), ("-1", -4001),
        ("99999999999999999999", -4002), ("0.50000000000000000001", -1111),
    ],
)  # fmt: skip
def test_prices_that_no_order_may_have(sent: str, code: int) -> None:
    assert _code(lambda: F.price(decimal("price", sent))) == code


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ("0.001", 0), ("0.0010", 0), ("0.0015", -1111), ("0", -4003), ("-0.001", -4003),
        ("1000000.001", -4005),
    ],
)  # fmt: skip
def test_quantities(sent: str, code: int) -> None:
    assert _code(lambda: F.quantity(decimal("quantity", sent))) == code


def test_quantities_between_the_steps() -> None:
    coarse = Filters(Fraction("0.5"), Fraction("0.005"), Fraction(5), 1, 3)
    assert _code(lambda: coarse.quantity(decimal("quantity", "0.006"))) == -4023
    assert _code(lambda: coarse.quantity(decimal("quantity", "0.004"))) == -4004
    assert coarse.quantity(decimal("quantity", "0.015")) == 3


@pytest.mark.parametrize(("sent", "code"), [("0", -4006), ("-5", -4006), ("9" * 20, -4007)])
def test_triggers_have_codes_of_their_own(sent: str, code: int) -> None:
    assert _code(lambda: F.trigger(decimal("triggerPrice", sent))) == code


def test_the_smallest_value_itself_may_be_ordered() -> None:
    assert _code(lambda: F.check_notional(200, 50)) == 0
    assert _code(lambda: F.check_notional(200, 49)) == -4164


def test_limits_far_beyond_the_mark_are_refused_on_the_taking_side_only() -> None:
    quote = Quote(200, 200.0, 0.0)
    assert _code(lambda: F.check_percent(BUY, 230, quote)) == 0
    assert _code(lambda: F.check_percent(BUY, 231, quote)) == -4016
    assert _code(lambda: F.check_percent(SELL, 169, quote)) == -4024
    assert _code(lambda: F.check_percent(BUY, 1, quote)) == 0
    assert _code(lambda: F.check_percent(SELL, 1_000, quote)) == 0


@pytest.mark.parametrize(
    "sent",
    ["NaN", "Infinity", "1e5", "1e400", "+1", "1.", ".5", "1_0", " 1", "٣", "1" * 21, "1,5", "0x1"],
)
def test_texts_that_are_no_decimal_are_illegal_characters(sent: str) -> None:
    assert _code(lambda: decimal("price", sent)) == -1100
