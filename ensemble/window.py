"""The last bars of a dataset: what a live process keeps and passes on."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from ensemble.protocol import Dataset
from envs.core.errors import FixInput
from envs.core.market_data import MarketData


def last_bars(data: Dataset, row: int, n: int) -> Dataset:
    """Return the ``n`` bars that end with ``row`` (fewer where the dataset begins later), as views.

    Raises:
        FixInput: ``row`` lies outside the dataset, or ``n`` is below 1.
    """
    if not 0 <= row < data.market.n_bars or n < 1:
        raise FixInput(f"{n} bars up to row {row}: the dataset has {data.market.n_bars} rows")
    kept = slice(max(0, row + 1 - n), row + 1)
    return Dataset(
        _cut(data.market, kept), data.classes[kept], data.cost[kept], data.log_close[kept],
        data.horizon,
    )  # fmt: skip


def _cut(market: MarketData, kept: slice) -> MarketData:
    columns = {
        f.name: getattr(market, f.name)[kept]
        for f in fields(market)
        if isinstance(getattr(market, f.name), np.ndarray) and f.name != "has_mark"
    }
    detail = market.detail
    if detail is not None:
        detail = replace(detail, **{f.name: getattr(detail, f.name)[kept] for f in fields(detail)})
    return replace(market, detail=detail, **columns)
