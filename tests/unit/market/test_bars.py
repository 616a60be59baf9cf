from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from envs.core.errors import FixData
from envs.core.types import NS_PER_HOUR
from envs.market.bars import RawSeries, validate

Walk = Callable[..., RawSeries]
ROW = 7


def spoil(raw: RawSeries, name: str, value: float) -> RawSeries:
    column = getattr(raw, name).copy()
    column[ROW] = value
    return replace(raw, **{name: column})


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("open", np.nan, "column open is NaN"),
        ("high", np.inf, "column high is NaN or infinite"),
        ("low", 0.0, "column low is not a positive price"),
        ("close", -1.0, "column close is not a positive price"),
        ("high", 1.0, "high < low"),
        ("volume", np.nan, "column volume is not a number"),
        ("volume", -1.0, "column volume is negative"),
    ],
)
def test_a_bad_value_names_file_row_and_column(
    walk: Walk, column: str, value: float, what: str
) -> None:
    with pytest.raises(FixData, match=r"BTCUSDT-1h.parquet: row 7 \(2019.*Z\): ") as error:
        validate(spoil(walk(20), column, value))
    assert what in str(error.value)


def test_high_and_low_must_enclose_open_and_close(walk: Walk) -> None:
    raw = walk(20)
    body = max(raw.open[ROW], raw.close[ROW]), min(raw.open[ROW], raw.close[ROW])
    flat = spoil(spoil(raw, "low", body[1]), "high", body[0])
    validate(flat)
    with pytest.raises(FixData, match=r"row 7.*column high is below open or close"):
        validate(spoil(flat, "high", 0.5 * (body[0] + body[1])))
    with pytest.raises(FixData, match=r"row 7.*column low is above open or close"):
        validate(spoil(flat, "low", 0.5 * (body[0] + body[1])))


@pytest.mark.parametrize(
    ("shift", "what"),
    [
        (-NS_PER_HOUR, "duplicate timestamp"),
        (-2 * NS_PER_HOUR, "earlier than the row before"),
        (1, "not on the grid"),
    ],
)
def test_bad_timestamps_are_refused(walk: Walk, shift: int, what: str) -> None:
    raw = walk(20)
    open_ns = raw.open_ns.copy()
    open_ns[ROW] += shift
    with pytest.raises(FixData, match=rf"row 7.*column timestamp: {what}"):
        validate(replace(raw, open_ns=open_ns))


def test_rows_are_the_files_even_in_a_cut(walk: Walk) -> None:
    raw = spoil(walk(40), "close", np.nan)
    cut = raw.between(int(raw.open_ns[5]), int(raw.open_ns[30]))
    assert cut.open_ns.size == 25
    with pytest.raises(FixData, match="row 7 "):
        validate(cut)
    validate(raw.between(int(raw.open_ns[8]), None))


def test_a_cut_takes_bars_that_open_and_close_inside(walk: Walk) -> None:
    raw = walk(10)
    cut = raw.between(int(raw.open_ns[2]) - 1, int(raw.open_ns[6]) - 1)
    assert cut.open_ns.tolist() == raw.open_ns[2:5].tolist()
    assert cut.funding_ns is raw.funding_ns


def test_gaps_zero_volume_and_flat_bars_are_counted(walk: Walk) -> None:
    raw = walk(60)
    keep = np.ones(60, dtype=bool)
    keep[[10, 20, 21, 22]] = False
    columns = {
        k: getattr(raw, k)[keep] for k in ("open_ns", "open", "high", "low", "close", "volume")
    }
    columns["volume"][3:5] = 0.0
    columns["open"][4] = columns["high"][4] = columns["low"][4] = columns["close"][4]
    report = validate(replace(raw, **columns))
    assert (report.bars, report.gaps, report.missing_bars, report.longest_gap_bars) == (56, 2, 4, 3)
    assert (report.zero_volume_bars, report.flat_bars) == (2, 1)


def test_no_bars_is_an_error(walk: Walk) -> None:
    with pytest.raises(FixData, match="no bars in the period"):
        validate(walk(5).between(0, 1))


def test_bad_marks_and_funding_are_refused(walk: Walk) -> None:
    raw = walk(60)
    mark = np.array(raw.mark)
    mark[4, 2] = 2.0 * mark[4, 1]
    with pytest.raises(FixData, match=r"BTCUSDT mark: row 4.*high < low"):
        validate(replace(raw, mark=mark))
    rate = np.array(raw.funding_rate)
    rate[2] = np.nan
    with pytest.raises(FixData, match=r"BTCUSDT funding: row 2.*funding_rate is NaN"):
        validate(replace(raw, funding_rate=rate))
