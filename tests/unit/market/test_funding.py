from __future__ import annotations

import numpy as np
import pytest

from envs.core.errors import FixData
from envs.core.types import NS_PER_DAY, NS_PER_HOUR
from envs.market.funding import check_funding, funding_columns, last_known, whole_minutes

DAY = 18_000 * NS_PER_DAY
EIGHT = 8 * NS_PER_HOUR


def hours(n: int) -> np.ndarray:
    return DAY + NS_PER_HOUR * np.arange(n, dtype=np.int64)


def test_a_stamp_is_charged_when_its_bar_opens() -> None:
    stamps = DAY + EIGHT * np.arange(4, dtype=np.int64)
    rate, stamp, default = funding_columns(
        stamps, np.array([1e-4, 2e-4, -3e-4, 0.0]), hours(25), NS_PER_HOUR, 9.0
    )
    assert np.flatnonzero(stamp).tolist() == [0, 8, 16, 24]
    assert rate[[0, 8, 16, 24]].tolist() == [1e-4, 2e-4, -3e-4, 0.0]
    assert rate.sum() == pytest.approx(0.0, abs=1e-18)
    assert default.sum() == 0


def test_holes_of_more_than_a_day_take_the_default_rate() -> None:
    stamps = DAY + EIGHT * np.array([0, 1, 5, 6, 9], dtype=np.int64)
    rate, stamp, default = funding_columns(stamps, np.full(5, 5e-4), hours(80), NS_PER_HOUR, 1e-4)
    # From stamp 1 to stamp 5 it is 32 h, a hole; from 6 to 9 exactly a day, which is none.
    assert np.flatnonzero(default).tolist() == [16, 24, 32]
    assert rate[[16, 24, 32]].tolist() == [1e-4] * 3
    assert not stamp[[56, 64]].any()
    assert np.flatnonzero(stamp).tolist() == [0, 8, 16, 24, 32, 40, 48, 72]


def test_without_a_file_the_default_rate_applies_three_times_a_day() -> None:
    rate, stamp, default = funding_columns(None, None, hours(48), NS_PER_HOUR, 1e-4)
    assert np.flatnonzero(stamp).tolist() == [0, 8, 16, 24, 32, 40]
    assert rate.sum() == pytest.approx(6e-4)
    days = DAY + NS_PER_DAY * np.arange(3, dtype=np.int64)
    rate, _, default = funding_columns(None, None, days, NS_PER_DAY, 1e-4)
    assert rate.tolist() == pytest.approx([3e-4] * 3)
    assert default.tolist() == [3, 3, 3]


def test_stamps_inside_a_long_bar_are_charged_together() -> None:
    days = DAY + NS_PER_DAY * np.arange(3, dtype=np.int64)
    stamps = DAY + EIGHT * np.arange(7, dtype=np.int64)
    rate, stamp, _ = funding_columns(stamps, np.full(7, 1e-4), days, NS_PER_DAY, 9.0)
    assert rate.tolist() == pytest.approx([1e-4, 3e-4, 3e-4])
    assert stamp.all()


def test_the_known_rate_is_the_last_one_settled() -> None:
    stamps, rates = DAY + EIGHT * np.arange(2, dtype=np.int64), np.array([2e-4, 3e-4])
    known = last_known(stamps, rates, hours(10) - NS_PER_HOUR, 1e-4)
    assert known.tolist() == [1e-4] + [2e-4] * 8 + [3e-4]


def test_jitter_is_rounded_away() -> None:
    stamps = DAY + np.array([3_000_000, -2_000_000, 0], dtype=np.int64)
    assert whole_minutes(stamps).tolist() == [DAY] * 3


@pytest.mark.parametrize(
    ("stamps", "rates", "what"),
    [
        ([0, 0], [0.0, 0.0], "row 1.*duplicate timestamp"),
        ([8, 0], [0.0, 0.0], "row 1.*earlier than the row before"),
        ([0, 8], [0.0, float("nan")], "row 1.*funding_rate is NaN"),
        ([0, 8], [0.5, 0.0], "row 0.*beyond 10 %"),
    ],
)
def test_bad_funding_names_file_and_row(stamps: list[int], rates: list[float], what: str) -> None:
    at = DAY + NS_PER_HOUR * np.array(stamps, dtype=np.int64)
    with pytest.raises(FixData, match=f"x-funding.parquet: {what}"):
        check_funding("x-funding.parquet", at, np.array(rates))
