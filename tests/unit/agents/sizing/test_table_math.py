from __future__ import annotations

import math

import numpy as np
import pytest

from agents.sizing.table_math import compiled, has_line, net_move, prior_of, shrunk_score, spread

K = (1000.0, 100.0, 30.0)
NAN = math.nan
ROUNDED = 5e-10  # the known answers are given to nine places


def test_row_51_three_level_score() -> None:
    own = (0.0012, 0.0006, 0.0003)
    assert shrunk_score(50, 5000, 20000, *own, *K, 0.02, 1.0, 0.0) == pytest.approx(
        0.000324163, abs=ROUNDED
    )
    assert shrunk_score(50, 5000, 20000, *own, *K, 0.0, 1.0, 0.0) == pytest.approx(
        0.000622961, abs=ROUNDED
    )
    # Only the regime level, then only regime and confidence: mu3 and mu2 on their own.
    assert shrunk_score(0, 0, 20000, *own, *K, 0.0, 1.0, 0.0) == pytest.approx(
        0.000299551, abs=ROUNDED
    )
    assert shrunk_score(0, 5000, 20000, *own, *K, 0.0, 1.0, 0.0) == pytest.approx(
        0.000594109, abs=ROUNDED
    )


def test_row_51_with_few_rows_is_a_skip() -> None:
    own = (0.0012, 0.0006, 0.0003)
    assert shrunk_score(50, 200, 800, *own, *K, 0.0, 1.0, 0.0) == pytest.approx(
        0.000529891, abs=ROUNDED
    )
    assert shrunk_score(50, 200, 800, *own, *K, 0.02, 1.0, 0.0) == pytest.approx(
        -0.000578041, abs=ROUNDED
    )


def test_the_root_adds_and_caution_subtracts() -> None:
    plain = shrunk_score(10, 20, 30, 0.1, 0.2, 0.3, *K, 0.5, 0.0, 0.0)
    assert shrunk_score(10, 20, 30, 0.1, 0.2, 0.3, *K, 0.5, 0.0, 0.7) == pytest.approx(plain + 0.7)
    w1 = 10 / 1010
    error = math.sqrt((1 - w1) ** 2 / 120 + w1**2 / 10)
    assert shrunk_score(10, 20, 30, 0.1, 0.2, 0.3, *K, 0.5, 2.0, 0.0) == pytest.approx(
        plain - 2.0 * 0.5 * error
    )


def test_no_rows_and_no_shrinkage_stay_finite() -> None:
    assert shrunk_score(0, 0, 0, 0, 0, 0, 0.0, 0.0, 0.0, 0.02, 1.0, 0.0) == pytest.approx(-0.02)
    # Less than one effective decision counts as one in the standard error.
    assert shrunk_score(0.5, 0, 0, 1.0, 0, 0, 0.0, 0.0, 0.0, 0.02, 1.0, 0.0) == pytest.approx(0.98)


def test_row_53_prior() -> None:
    ev = 0.0010666667
    assert net_move(4.2, 1.6, ev, 0.00156, 0.5) == pytest.approx(0.00206667, rel=1e-5)
    f, m2 = 0.3, 4.0 * 0.02 * 0.02
    assert prior_of(f, 4.2, 1.6, 4.0, ev, 0.00156, 0.02, 0.5) == pytest.approx(
        f * 0.00206667 - f * f * m2 / 2, rel=1e-5
    )


def test_a_slope_that_caution_takes_away_leaves_the_costs() -> None:
    assert net_move(0.8, 1.8, 0.01, 0.00156, 0.5) == -0.00156
    assert net_move(-3.0, 0.1, 0.01, 0.00156, 0.5) == -0.00156


@pytest.mark.parametrize("line", [(NAN, 1.0, 1.0), (1.0, NAN, 1.0), (1.0, 1.0, NAN)])
def test_without_a_whole_line_there_is_no_prior(line: tuple[float, float, float]) -> None:
    assert not has_line(*line)
    assert prior_of(1.0, *line, 0.01, 0.001, 0.02, 0.5) == 0.0


def test_spread_never_turns_imaginary() -> None:
    assert spread(0.0, 4.0) == 2.0
    assert spread(1.0, 1.0 - 1e-16) == 0.0


def test_compiled_and_plain_agree_bit_for_bit() -> None:
    from agents.sizing.table_math import score_actions, update_rows

    update, score = compiled()
    rng = np.random.default_rng(4)
    n = 76
    fast, plain = _tables(n), _tables(n)
    exits = np.arange(n) % 3
    for k in range(200):
        state = int(rng.integers(300))
        mask = rng.random(n) < 0.8
        f = np.where(mask, rng.random(n), 0.0)
        slopes = rng.random((3, 3)) if k % 4 else np.full((3, 3), np.nan)
        reward = np.where(mask, rng.normal(0, 0.02, n), np.nan)
        args = (state, reward, mask, f, slopes, exits, np.array([1, 4, 9]), 0.003, 0.0015, 0.02)
        assert update(*fast, *args, 0.5, True, 2.0, 0.0003, np.empty(n)) == -1
        assert update_rows(*plain, *args, 0.5, True, 2.0, 0.0003, np.empty(n)) == -1
        a, b = np.empty(n), np.empty(n)
        asked = (state, mask, f, slopes, exits, 0.003, 0.0015, 0.02, 0.5, True, *K, 1.0, 0.5)
        score(*fast, *asked, a)
        score_actions(*plain, *asked, b)
        assert a.tobytes() == b.tobytes()
    for one, other in zip(fast, plain, strict=True):
        assert one.tobytes() == other.tobytes()


def test_an_infinite_reward_changes_nothing() -> None:
    update, _ = compiled()
    n, tables = 4, _tables(4)
    reward = np.array([0.0, 0.1, np.inf, 0.2])
    bad = update(
        *tables, 7, reward, np.ones(n, dtype=np.bool_), np.array([0.0, 1.0, 1.0, 1.0]),
        np.full((3, 3), np.nan), np.array([1, 0, 1, 2]), np.array([0, 0, 0]), 0.0, 0.0, 0.02, 0.5,
        True, 1.0, 0.0003, np.empty(n),
    )  # fmt: skip
    assert bad == 2
    assert not any(table.any() for table in tables)


def _tables(n: int) -> tuple[np.ndarray, ...]:
    return (*(np.zeros((3, 300, n)) for _ in range(4)), *(np.zeros(n) for _ in range(3)))
