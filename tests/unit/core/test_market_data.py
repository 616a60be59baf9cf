"""Columns that do not fit together are refused by name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from envs.core.errors import FixData
from tests.property.strategies import small_market

MARKET = small_market(1, 20, 2, 0.1, True)


def test_a_column_of_the_wrong_shape_is_named() -> None:
    with pytest.raises(FixData, match=r"column atr has shape \(19, 2\), expected \(20, 2\)"):
        replace(MARKET, atr=MARKET.atr[1:])


def test_a_hole_in_the_grid_is_refused() -> None:
    close_ns = MARKET.close_ns.copy()
    close_ns[10:] += 1
    with pytest.raises(FixData, match="close_ns must advance by exactly one interval"):
        replace(MARKET, close_ns=close_ns)


def test_symbols_are_sorted_and_have_instruments() -> None:
    with pytest.raises(FixData, match="symbols must be sorted"):
        replace(MARKET, symbols=("B", "A"))
    with pytest.raises(FixData, match="2 symbols but 1 instruments"):
        replace(MARKET, instruments=MARKET.instruments[:1])


def test_a_row_is_found_by_its_close() -> None:
    assert MARKET.row_at(int(MARKET.close_ns[3])) == 3
    assert MARKET.row_at(int(MARKET.close_ns[3]) + 1) == 4
    assert MARKET.row_at(int(MARKET.close_ns[-1]) + 1) == MARKET.n_bars
