"""The label-taught state at moments of the past, small enough to be committed with every bar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.reinforcement.aggregating import LabelPass, PoolTape, uniform_pool
from agents.reinforcement.calibration import scalers_of
from agents.reinforcement.manager import ReinforcementManager
from envs.core.market_data import MarketData
from envs.core.tape import VoteTable
from envs.market.indicators import WARMUP_BARS
from runtime.signals.known_tape import NEVER_NS

EVERY_BARS = 64
"""Bars between two snapshots."""

_POOL = ("platt", "platt_bars", "posterior", "gap", "rounds")


@dataclass(frozen=True)
class Snapshot:
    """Pool and calibration as of a close: enough to weigh again what came after.

    ``close_ns`` is -1 for what a bundle holds; ``last_ns`` the end of the last label learned.
    """

    close_ns: int
    last_ns: int
    arrays: dict[str, np.ndarray[Any, Any]]

    @classmethod
    def of(cls, manager: ReinforcementManager, close_ns: int) -> Snapshot:
        """What a manager holds now."""
        arrays = {k: v.copy() for k, v in manager.pool.arrays().items()}
        arrays["stats"] = manager.calibration.stats.copy()
        arrays["counts"] = manager.calibration.counts.copy()
        return cls(close_ns, manager.labels.last_ns, arrays)

    def into(self, manager: ReinforcementManager) -> None:
        """Put it back into a manager; which labels were learned is known by time alone."""
        manager.pool.load_arrays({k: self.arrays[k] for k in _POOL})
        manager.calibration.stats = self.arrays["stats"].copy()
        manager.calibration.counts = self.arrays["counts"].copy()
        manager.labels.last_ns = self.last_ns

    def to_json(self) -> dict[str, Any]:
        """Plain dictionary."""
        arrays = {k: v.tolist() for k, v in self.arrays.items()}
        return {"close_ns": self.close_ns, "last_ns": self.last_ns, "arrays": arrays}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Snapshot:
        """Rebuild what ``to_json`` gave."""
        whole = ("rounds", "counts")
        arrays: dict[str, np.ndarray[Any, Any]] = {
            k: np.asarray(v, dtype=np.int64 if k in whole else np.float64)
            for k, v in data["arrays"].items()
        }
        return cls(int(data["close_ns"]), int(data["last_ns"]), arrays)


class Snapshots:
    """The snapshots that a restart may need, oldest first."""

    def __init__(self, first: Snapshot) -> None:
        self._held = [first]

    def note(self, manager: ReinforcementManager, close_ns: int, interval_ns: int) -> None:
        """Keep the manager's state of a close, where one is due."""
        if close_ns // interval_ns % EVERY_BARS == 0 and close_ns > self._held[-1].close_ns:
            self._held.append(Snapshot.of(manager, close_ns))

    def before(self, close_ns: int, interval_ns: int) -> Snapshot:
        """The newest from which all rows that the ranks at ``close_ns`` look at can be weighed."""
        limit = close_ns - WARMUP_BARS * interval_ns
        while len(self._held) > 1 and self._held[1].close_ns <= limit:
            del self._held[0]
        return self._held[0]

    def replay(
        self, manager: ReinforcementManager, market: MarketData, votes: VoteTable, learning: bool
    ) -> PoolTape:
        """Learn the labels of a market again from the oldest snapshot; keeps those on the way.

        ``manager`` gives the algorithm and is not changed.
        """
        live = manager.copy()
        start = self._held[0]
        del self._held[1:]
        start.into(live)
        after = start.last_ns if learning else NEVER_NS
        course = LabelPass(votes, market.close_ns, live.pool, live.calibration, after)
        for row in range(market.n_bars):
            close_ns = int(market.close_ns[row])
            due = close_ns // market.interval_ns % EVERY_BARS == 0
            if (due and close_ns > start.close_ns) or row == market.n_bars - 1:
                learned = course.run_to(row + 1)
                if learned.size:
                    ends = votes.label_end[learned[:, 0], learned[:, 1]]
                    live.labels.last_ns = int(market.close_ns[ends].max())
                self.note(live, close_ns, market.interval_ns)
        tape = course.tape
        if manager.algorithm == "uniform":
            tape = uniform_pool(votes, tape, scalers_of(tape.excess, manager.settings.vote_kappa))
        return tape
