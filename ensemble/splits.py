"""Walk-forward folds, purged and embargoed (spec 2, Folds; Lopez de Prado 2018, chapter 7)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.core.types import NS_PER_DAY, BoolArray, Int64Array

MONTH_NS = 365 * NS_PER_DAY // 12
_EMBARGO_SHARE = 0.01
_EMBARGO_MAX_NS = 30 * NS_PER_DAY


@dataclass(frozen=True)
class Fold:
    """Rows [first, train_end) train, [test_start, test_end) are voted on."""

    first: int
    train_end: int
    test_start: int
    test_end: int


def walk_forward(
    close_ns: Int64Array, first: int, last: int, first_months: int, fold_months: int, horizon: int
) -> list[Fold]:
    """Expanding folds over rows [first, last): blocks of ``fold_months`` after ``first_months``.

    Training ends an embargo before its test block: 1 % of the sample, at most 30 days, at least
    the label horizon. Empty when the period is too short.
    """
    if last - first < 2:
        return []
    start = int(close_ns[first])
    edge = start + first_months * MONTH_NS
    folds = []
    interval = int(close_ns[1] - close_ns[0])
    while edge < int(close_ns[last - 1]):
        test_start = int(np.searchsorted(close_ns, edge))
        test_end = min(last, int(np.searchsorted(close_ns, edge + fold_months * MONTH_NS)))
        train_end = test_start - embargo_bars(test_start - first, interval, horizon)
        if train_end > first and test_end > test_start:
            folds.append(Fold(first, train_end, test_start, test_end))
        edge += fold_months * MONTH_NS
    return folds


def embargo_bars(sample_bars: int, interval_ns: int, horizon: int) -> int:
    """1 % of the sample, at most 30 days, at least the horizon."""
    return max(horizon, min(int(_EMBARGO_SHARE * sample_bars), _EMBARGO_MAX_NS // interval_ns))


def purged(label_end: Int64Array, usable: BoolArray, fold: Fold) -> BoolArray:
    """Rows (T, S) of a fold's training set: usable, labelled, and ended before training ends."""
    out = usable & (label_end >= 0) & (label_end < fold.train_end)
    out[: fold.first] = False
    out[fold.train_end :] = False
    return np.asarray(out)
