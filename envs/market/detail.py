"""Finer bars inside each bar, for the ``detail`` rule of walking a bar."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from envs.core.errors import FixData
from envs.core.instrument import Instrument
from envs.core.market_data import DetailBars
from envs.core.types import BoolArray, Int64Array
from envs.market.bars import RawSeries, validate
from envs.market.contracts import to_ticks

_NAMES = ("open", "high", "low", "close")


def detail_bars(
    series: Sequence[RawSeries],
    instruments: Sequence[Instrument],
    first_open_ns: int,
    whole: Int64Array,
) -> tuple[DetailBars | None, list[tuple[int, int]]]:
    """Lay finer bars out inside the grid; ``whole`` (T, S, 4) are the bars themselves in ticks.

    A bar whose finer bars, all present, do not roll up to it is walked as a whole: its ``valid``
    is cleared. Returned per symbol: bars with their detail, and bars contradicted by it.

    Raises:
        FixData: Bad finer bars, or an interval that does not divide the timeframe.
    """
    if all(r.finer is None for r in series):
        return None, [(0, 0)] * len(series)
    interval = series[0].interval_ns
    widths = {r.finer.interval_ns for r in series if r.finer is not None}
    width = min(widths)
    if len(widths) != 1 or width >= interval or interval % width != 0:
        raise FixData("detail bars must have one interval that divides the timeframe")
    parts, (n, s) = interval // width, whole.shape[:2]
    ticks = [np.zeros((n, parts, s), dtype=np.int64) for _ in _NAMES]
    valid: BoolArray = np.zeros((n, parts, s), dtype=np.bool_)
    counts = []
    for i, (raw, instrument) in enumerate(zip(series, instruments, strict=True)):
        if raw.finer is None or raw.finer.open_ns.size == 0:
            counts.append((0, 0))
            continue
        validate(raw.finer)
        number = (raw.finer.open_ns - first_open_ns) // width
        inside = (number >= 0) & (number < n * parts)
        t, k = number[inside] // parts, number[inside] % parts
        for column, name in zip(ticks, _NAMES, strict=True):
            column[t, k, i] = to_ticks(getattr(raw.finer, name), instrument.tick)[inside]
        valid[t, k, i] = True
        full = valid[:, :, i].all(axis=1)
        wrong = full & _contradicts([c[:, :, i] for c in ticks], whole[:, i])
        valid[wrong, :, i] = False
        counts.append((int(np.count_nonzero(full & ~wrong)), int(np.count_nonzero(wrong))))
    return DetailBars(ticks[0], ticks[1], ticks[2], ticks[3], valid), counts


def _contradicts(finer: list[Int64Array], whole: Int64Array) -> BoolArray:
    first, high, low, last = finer
    same = first[:, 0] == whole[:, 0]
    same &= high.max(axis=1) == whole[:, 1]
    same &= low.min(axis=1) == whole[:, 2]
    same &= last[:, -1] == whole[:, 3]
    return np.asarray(~same)
