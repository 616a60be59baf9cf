"""Multiply-add with one rounding, against exact fractions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from envs.market.fused import fused

sizes = st.floats(1e-60, 1e60)
numbers = st.one_of(st.just(0.0), sizes, sizes.map(lambda x: -x))


def exact(a: float, b: float, c: float) -> float:
    return float(Fraction(a) * Fraction(b) + Fraction(c))


# Next to the middle of two neighbours, where a tail rounded to nearest would fall on it.
@example([((1.0 + 2.0**-52) * 2.0**-53, 1.0 - 2.0**-52, 1.0 + 2.0**-52)])
@given(st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=20))
def test_it_rounds_once(rows: list[tuple[float, float, float]]) -> None:
    a, b, c = np.array(rows).T
    assert fused(a, b, c).tolist() == [exact(*row) for row in rows]


@given(st.integers(0, 2**32 - 1))
@example(0)
def test_it_rounds_once_where_product_and_sum_nearly_cancel(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 50)) * 10.0 ** rng.integers(-8, 9, (2, 50))
    c = -a * b * (1.0 + rng.integers(-3, 4, 50) * 2.0**-52)
    rows = zip(a.tolist(), b.tolist(), c.tolist(), strict=True)
    assert fused(a, b, c).tolist() == [exact(*row) for row in rows]


def test_it_is_not_the_product_rounded_first() -> None:
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, 1_000))
    assert (fused(a, b, c) != a * b + c).any()
