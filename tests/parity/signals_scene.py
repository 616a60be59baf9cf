"""A market with votes, a manager that learned its first half, and the tape training would make."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cache

import numpy as np

from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.settings import ReinforcementSettings
from envs.core.series import MarketSeries, prepare
from envs.core.settings import CoreSettings
from envs.core.tape import EvLine, ExitSlope, SignalTape, VoteTable
from envs.core.types import Int64Array
from envs.market.planted import synthetic_market
from envs.market.synthetic import SyntheticSettings
from training.tape import Tape, make_tape

CORE = CoreSettings()
NO_EDGES: Int64Array = np.zeros(0, dtype=np.int64)
BARS, TRAINED = 4_200, 2_600


@dataclass(frozen=True)
class Scene:
    """What a bundle freezes, and all that came after."""

    data: MarketSeries
    votes: VoteTable
    line: EvLine
    slopes: tuple[ExitSlope | None, ...]
    manager: ReinforcementManager
    learning: ReinforcementSettings

    def tape(self) -> Tape:
        """Training's tape, continued from the manager."""
        return make_tape(
            self.data, self.votes, CORE, self.learning, NO_EDGES, self.line,
            self.learning.algorithm, self.manager, self.slopes,
        )  # fmt: skip


@cache
def scene(algorithm: str, vote_kappa: float = 0.0) -> Scene:
    """The built-in market under an algorithm, its manager as of row ``TRAINED``."""
    made = synthetic_market(SyntheticSettings(n_bars=BARS, seed=5))
    data = prepare(made.market, CORE)
    learning = replace(ReinforcementSettings(), algorithm=algorithm, vote_kappa=vote_kappa)
    trained = make_tape(
        data, made.votes, CORE, learning, np.array([TRAINED]), made.pool_line, algorithm, None,
        made.exit_slopes,
    )  # fmt: skip
    return Scene(data, made.votes, made.pool_line, made.exit_slopes, trained.manager, learning)


def same_rows(got: SignalTape, want: SignalTape, row: int, expected: int | None = None) -> None:
    """Row ``row`` of one tape is, bit for bit, row ``expected`` (the same) of the other."""
    other = row if expected is None else expected
    for f in fields(SignalTape):
        a, b = getattr(got, f.name), getattr(want, f.name)
        if isinstance(a, np.ndarray):
            assert a[row].tobytes() == b[other].tobytes(), (f.name, row, a[row], b[other])
        else:
            assert a == b, f.name


def same_manager(a: ReinforcementManager, b: ReinforcementManager) -> None:
    """Both learned the same, to the last bit."""
    pairs = [(a.pool.arrays()[k], b.pool.arrays()[k]) for k in a.pool.arrays()]
    pairs += [(a.gap, b.gap), (a.calibration.stats, b.calibration.stats)]
    pairs += [(a.calibration.counts, b.calibration.counts)]
    pairs += [(a.labels.to_arrays()[1], b.labels.to_arrays()[1])]
    for x, y in pairs:
        assert x.tobytes() == y.tobytes(), (x, y)
    assert a.labels.last_ns == b.labels.last_ns
    assert (a.weights, a.trades, list(a.signals)) == (b.weights, b.trades, list(b.signals))
