from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from envs.core.errors import FixData
from envs.core.instrument import Instrument
from envs.core.types import NS_PER_HOUR
from envs.market.bars import RawSeries
from envs.market.contracts import to_ticks
from envs.market.detail import detail_bars

QUARTER = NS_PER_HOUR // 4
CENT = Fraction("0.01")
Walk = Callable[..., RawSeries]
Contract = Callable[..., Instrument]


def split(raw: RawSeries) -> RawSeries:
    """Four quarter-hours that roll up to each hour: open, high, low, close in that order."""
    n = raw.open_ns.size
    points = np.stack([raw.open, raw.high, raw.low, raw.close, raw.close], axis=1)
    first, last = points[:, :4].reshape(-1), points[:, 1:].reshape(-1)
    opens = (raw.open_ns[:, None] + QUARTER * np.arange(4)).reshape(-1)
    return RawSeries(
        raw.symbol, QUARTER, opens, first, np.maximum(first, last), np.minimum(first, last), last,
        np.ones(4 * n),
    )  # fmt: skip


def ticks_of(raw: RawSeries) -> np.ndarray:
    columns = [to_ticks(getattr(raw, k), CENT) for k in ("open", "high", "low", "close")]
    return np.stack(columns, axis=1)[:, None, :]


def test_finer_bars_lie_inside_their_bar(walk: Walk, contract_of: Contract) -> None:
    raw = walk(20)
    raw = replace(raw, finer=split(raw))
    found, counts = detail_bars([raw], [contract_of()], int(raw.open_ns[0]), ticks_of(raw))
    assert found is not None
    assert found.open_ticks.shape == (20, 4, 1)
    assert found.valid.all()
    assert counts == [(20, 0)]
    assert (found.high_ticks.max(axis=1)[:, 0] == ticks_of(raw)[:, 0, 1]).all()
    assert (found.close_ticks[:, 3, 0] == ticks_of(raw)[:, 0, 3]).all()


def test_missing_and_contradicting_finer_bars_are_not_used(
    walk: Walk, contract_of: Contract
) -> None:
    raw = walk(20)
    finer = split(raw)
    high = finer.high.copy()
    high[4 * 5 + 1] += 0.01
    keep = np.ones(80, dtype=bool)
    keep[4 * 9 + 2] = False
    names = ("open_ns", "open", "low", "close", "volume")
    finer = replace(finer, high=high[keep], **{k: getattr(finer, k)[keep] for k in names})
    raw = replace(raw, finer=finer)
    found, counts = detail_bars([raw], [contract_of()], int(raw.open_ns[0]), ticks_of(raw))
    assert found is not None
    assert counts == [(18, 1)]
    assert np.flatnonzero(~found.valid.all(axis=1)[:, 0]).tolist() == [5, 9]
    assert not found.valid[5].any()


def test_without_finer_bars_there_is_no_detail(walk: Walk, contract_of: Contract) -> None:
    raw = walk(20)
    assert detail_bars([raw], [contract_of()], 0, ticks_of(raw)) == (None, [(0, 0)])


def test_the_finer_interval_must_divide_the_timeframe(walk: Walk, contract_of: Contract) -> None:
    raw = walk(20)
    bad = replace(raw, finer=raw)
    with pytest.raises(FixData, match="one interval that divides"):
        detail_bars([bad], [contract_of()], int(raw.open_ns[0]), ticks_of(raw))
