"""One learner per residue class of the bars and symbol: the bound holds although labels overlap.

A label of horizon H ends at most H bars after its forecast, so among the bars t, t + H + 1, ...
each label is known before the next forecast. Every class is thus an immediate, non-overlapping game
at rate 2, for which the bounds of ``regret`` are proved.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from agents.reinforcement.aggregating import run_pool
from agents.reinforcement.pool import AggregatingPool
from agents.reinforcement.regret import bound_of, used
from agents.reinforcement.settings import ReinforcementSettings
from envs.core.errors import FixInput
from envs.core.tape import VoteTable
from envs.core.types import Float64Array, Int64Array

_CLASS_HORIZON = 1


@dataclass(frozen=True)
class ClassTape:
    """Forecasts (T, S) of all classes together, and per class (K,) regret, bound and rounds."""

    p_up: Float64Array
    p_down: Float64Array
    regret: Float64Array
    bound: Float64Array
    rounds: Int64Array


def run_classes(votes: VoteTable, settings: ReinforcementSettings, algorithm: str) -> ClassTape:
    """Run ``aa`` or ``fixed_share`` once per class (row mod (H + 1), symbol) over all rows.

    Raises:
        FixInput: A label ends later than the horizon says, which would break the bound.
    """
    n, symbols = votes.label_end.shape
    step = votes.horizon_bars + 1
    late = votes.label_end - np.arange(n)[:, None] > step
    if late.any():
        row, s = (int(x[0]) for x in np.nonzero(late))
        raise FixInput(
            f"label of row {row}, symbol {s}: ends {int(votes.label_end[row, s]) - row} bars "
            f"later, the horizon is {votes.horizon_bars}"
        )
    up, down = np.full((n, symbols), np.nan), np.full((n, symbols), np.nan)
    found: list[tuple[float, float, int]] = []
    for residue in range(min(step, n)):
        for s in range(symbols):
            pool = AggregatingPool(settings, _CLASS_HORIZON, algorithm)
            tape = run_pool(class_votes(votes, residue, s), pool)
            up[residue::step, s] = tape.p_up[:-1, 0]
            down[residue::step, s] = tape.p_down[:-1, 0]
            rounds = int(pool.rounds.max())
            bound = bound_of(algorithm, _CLASS_HORIZON, rounds, settings.share)
            found.append((used(pool.gap), 0.0 if bound is None else bound, rounds))
    regret, bounds, counts = (np.array(x) for x in zip(*found, strict=True))
    return ClassTape(up, down, regret, bounds, counts.astype(np.int64))


def class_votes(votes: VoteTable, residue: int, s: int) -> VoteTable:
    """Votes of one class as a table of one symbol whose labels end at the next row.

    One empty row follows, at which the last label is learned.
    """
    rows = slice(residue, None, votes.horizon_bars + 1)

    def own(values: np.ndarray, empty: object) -> np.ndarray:
        last = np.full((1, 1, *values.shape[2:]), empty, dtype=values.dtype)
        return np.concatenate([values[rows, s : s + 1], last])

    ends = own(votes.label_end, -1)
    ends = np.where(ends >= 0, np.arange(1, ends.size + 1)[:, None], -1)
    return replace(
        votes,
        p_up=own(votes.p_up, np.nan),
        p_down=own(votes.p_down, np.nan),
        valid=own(votes.valid, False),
        ev=own(votes.ev, 0.0),
        y_long=own(votes.y_long, np.nan),
        y_short=own(votes.y_short, np.nan),
        gross=own(votes.gross, np.nan),
        label_end=ends.astype(np.int64),
        horizon_bars=_CLASS_HORIZON,
    )
