"""A manager that learns labels when somebody looks: many rows in one compiled pass."""

from __future__ import annotations

import numpy as np

from agents.reinforcement.aggregating import LabelPass, PoolTape
from agents.reinforcement.algorithms import AGGREGATING
from agents.reinforcement.manager import ReinforcementManager
from envs.core.market_data import MarketData
from envs.core.tape import VoteTable
from envs.core.types import Float64Array, Int64Array
from runtime.signals.label_rows import LabelRows


class CatchingUp:
    """Keeps one manager where label-by-label learning up to a row would have put it.

    The manager is changed in place. Somebody else may restore it in between: the next call goes on
    from the last label it then knows.

    Args:
        issued: forecasts of the algorithm as of every row.
    """

    def __init__(
        self,
        manager: ReinforcementManager,
        market: MarketData,
        votes: VoteTable,
        labels: LabelRows,
        issued: PoolTape,
    ) -> None:
        self.manager = manager
        self._issued = issued
        fixed = manager.algorithm == "uniform" and manager.settings.vote_kappa == 0.0
        self._compiled = fixed or manager.algorithm in AGGREGATING
        self._market, self._votes, self._labels = market, votes, labels
        self._pass: LabelPass | None = None
        self._known_ns = manager.labels.last_ns

    def to(self, row: int) -> None:
        """Learn every label that ended by the close of ``row``."""
        manager = self.manager
        if not self._compiled:
            self._learn_each(row)
            return
        if self._pass is None or manager.labels.last_ns != self._known_ns:
            self._begin()
        course = self._pass
        if course is None or row < course.row:
            return
        first = course.row
        learned = course.run_to(row + 1)
        if learned.size:
            self._note(learned)
            self._add_gap(self._own_loss(course, learned)[first:], course.tape.expert_loss[first:])
        self._known_ns = manager.labels.last_ns

    def _begin(self) -> None:
        m = self.manager
        self._pass = LabelPass(
            self._votes, self._market.close_ns, m.pool, m.calibration, m.labels.last_ns
        )
        # Rows before hold nothing new; their forecasts are not wanted either.
        self._pass.row = self._market.row_at(m.labels.last_ns + 1)

    def _own_loss(self, course: LabelPass, learned: Int64Array) -> Float64Array:
        """Mean squared errors (T, 2) of the manager's forecasts when the labels ended.

        Those of the aggregating family are the pool's; even weights without scalers forecast the
        same at any time, hence what they issued.
        """
        if self.manager.algorithm in AGGREGATING:
            return course.tape.loss
        rows, symbols = learned.T
        ends = self._votes.label_end[rows, symbols]
        out = np.full_like(course.tape.loss, np.nan)
        n = np.bincount(ends, minlength=out.shape[0])
        pairs = (self._issued.p_up, self._votes.y_long), (self._issued.p_down, self._votes.y_short)
        for game, (p, y) in enumerate(pairs):
            miss = p[rows, symbols] - y[rows, symbols]
            total = np.bincount(ends, weights=miss * miss, minlength=out.shape[0])
            out[:, game] = np.where(n > 0, total / np.maximum(n, 1), np.nan)
        return out

    def _learn_each(self, row: int) -> None:
        """Scaled forecasts change with every label: the manager makes each of them."""
        first = self._market.row_at(self.manager.labels.last_ns + 1)
        for end in range(first, row + 1):
            self.manager.learn_labels(self._labels.ending(end, end + 1))

    def _note(self, learned: Int64Array) -> None:
        votes, close_ns = self._votes, self._market.close_ns
        for s, name in enumerate(self._market.symbols):
            rows = learned[learned[:, 1] == s, 0]
            if rows.size:
                ended = int(close_ns[votes.label_end[rows, s]].max())
                self.manager.labels.add(name, close_ns[rows].tolist(), ended)

    def _add_gap(self, loss: Float64Array, expert_loss: Float64Array) -> None:
        """One update after the other, as the manager adds them up: sums round in that order."""
        above = loss[:, :, None] - expert_loss
        steps = np.where(np.isnan(above), 0.0, above)
        steps = steps[np.isfinite(loss[:, 0])]
        self.manager.gap = np.cumsum(np.concatenate([self.manager.gap[None], steps]), axis=0)[-1]
