"""Instruments: what they refuse, tiers, and their file form."""

from __future__ import annotations

from fractions import Fraction

import pytest

from envs.core.errors import FixInput
from envs.core.instrument import Bracket, Instrument

INF = float("inf")


@pytest.mark.parametrize(("tick", "step", "name"), [("0", "1", "tick"), ("1", "-1", "step")])
def test_grids_must_be_positive(tick: str, step: str, name: str) -> None:
    with pytest.raises(FixInput, match=f"instrument X: {name} must be > 0"):
        Instrument.of("X", tick, step)


def test_brackets_must_be_there_and_ascend() -> None:
    one = Fraction(1)
    with pytest.raises(FixInput, match="instrument X: at least one margin bracket"):
        Instrument("X", one, one, 5.0, ())
    with pytest.raises(FixInput, match="instrument X: brackets must ascend"):
        Instrument("X", one, one, 5.0, (Bracket(INF, 0.01), Bracket(10.0, 0.004)))


def test_a_notional_at_the_cap_belongs_to_the_next_tier() -> None:
    tiers = (Bracket(100.0, 0.004), Bracket(200.0, 0.01))
    x = Instrument("X", Fraction(1, 100), Fraction(1, 3), 5.0, tiers)
    assert [x.bracket_of(n).mmr for n in (0.0, 99.9, 100.0, 1e9)] == [0.004, 0.004, 0.01, 0.01]
    assert x.price(12_345) == 123.45
    assert x.quantity(3) == 1.0


def test_what_is_written_is_read() -> None:
    tiers = (Bracket(100.0, 0.004, 1.0), Bracket(INF, 0.01, 2.0))
    x = Instrument("X", Fraction(1, 100), Fraction(1, 1000), 7.0, tiers)
    assert Instrument.from_json(x.to_json()) == x
    assert x.to_json()["brackets"][1]["notional_cap"] is None
