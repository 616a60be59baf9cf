"""Weights that trades have moved: when they changed, so that past rows can be weighed again."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np

from agents.reinforcement.aggregating import PoolTape
from agents.reinforcement.algorithms import AGGREGATING
from agents.reinforcement.calibration import scalers_of
from agents.reinforcement.manager import ReinforcementManager
from envs.core.rules.blend import blend
from envs.core.tape import VoteTable
from envs.core.types import Float64Array
from runtime.signals.row_writer import RowWriter


class WeightCourse:
    """Raw weights by the close from which on they were used."""

    def __init__(self, close_ns: int, weights: Sequence[float]) -> None:
        self._since = [close_ns]
        self._weights = [tuple(weights)]

    def note(self, close_ns: int, weights: Sequence[float]) -> None:
        """Note the weights of a row; rows in time order."""
        if tuple(weights) != self._weights[-1]:
            self._since.append(close_ns)
            self._weights.append(tuple(weights))

    def at(self, close_ns: int) -> tuple[float, ...]:
        """Weights of a row."""
        return self._weights[max(0, bisect_right(self._since, close_ns) - 1)]

    def forget(self, before_ns: int) -> None:
        """Drop what no row from ``before_ns`` on was weighed with."""
        keep = max(0, bisect_right(self._since, before_ns) - 1)
        del self._since[:keep], self._weights[:keep]

    def to_json(self) -> list[Any]:
        """Rows of close and weights."""
        return [[t, list(w)] for t, w in zip(self._since, self._weights, strict=True)]

    @classmethod
    def from_json(cls, rows: Sequence[Any]) -> WeightCourse:
        """Rebuild what ``to_json`` gave."""
        out = cls(int(rows[0][0]), rows[0][1])
        for close_ns, weights in rows[1:]:
            out.note(int(close_ns), weights)
        return out


def weigh_again(
    writer: RowWriter,
    votes: VoteTable,
    pool: PoolTape,
    manager: ReinforcementManager,
    course: WeightCourse,
    close_ns: Sequence[int],
    first: int,
    stop: int,
) -> None:
    """Write the rows [first, stop) as they were weighed when they were the last.

    ``pool`` holds, as of each row, what labels had taught; ``course`` what trades had.
    """
    scalers = scalers_of(pool.excess, manager.settings.vote_kappa)
    for row in range(first, stop):
        if manager.algorithm in AGGREGATING:
            writer.write(row, pool.p_up[row], pool.p_down[row], pool.weights[row], scalers[row])
            continue
        even = manager.algorithm == "uniform"
        raw = manager.raw_weights() if even else np.asarray(course.at(int(close_ns[row])))
        calibrated = manager.algorithm == "platt_exponential"
        up, down = (
            _blended(p[row], votes.valid[row].any(axis=1), platt, calibrated, raw, scalers[row])
            for p, platt in ((votes.p_up, pool.platt[row, 0]), (votes.p_down, pool.platt[row, 1]))
        )
        writer.write(row, up, down, raw, scalers[row])


def _blended(
    p: Float64Array, awake: Any, platt: Any, calibrated: bool, raw: Float64Array, scalers: Any
) -> Float64Array:
    out = np.full(p.shape[0], np.nan)
    for s in np.flatnonzero(awake).tolist():
        out[s] = blend(p[s], platt, calibrated, raw, scalers)
    return out
