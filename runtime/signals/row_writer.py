"""One row of signals at a time, as a live process makes them."""

from __future__ import annotations

import numpy as np

from agents.reinforcement.manager import ReinforcementManager
from envs.core.rules.vote import ev_long
from envs.core.series import MarketSeries
from envs.core.settings import CoreSettings
from envs.core.tape import EvLine, ExitSlope, SignalTape, VoteTable
from envs.core.types import BoolArray, Consensus, EntryStyle, Float64Array
from envs.kernel.signal import votes_of
from envs.market.indicators import QUANTILE_MIN, WARMUP_BARS
from runtime.signals.known_tape import slope_rows


def empty_tape(
    rows: int, votes: VoteTable, algorithm: str, slopes: tuple[ExitSlope | None, ...]
) -> SignalTape:
    """A tape of ``rows`` rows without a signal, to be filled row by row."""
    symbols, models = votes.p_up.shape[1:]
    shape, per_model = (rows, symbols), (rows, symbols, models)
    unknown = [np.full(shape, np.nan) for _ in range(4)]
    side, level, reason = (np.zeros(shape, dtype=np.int8) for _ in range(3))
    return SignalTape(
        side, unknown[0], unknown[1], unknown[2], np.zeros(shape), np.zeros(shape), unknown[3],
        level, reason, np.zeros(per_model), np.ones(per_model), np.zeros(shape, dtype=np.bool_),
        slope_rows(slopes, rows), votes.origin, algorithm,
    )  # fmt: skip


class RowWriter:
    """Fills rows of a tape: pooled probabilities in, side, edge and candidates out.

    A row's candidates look at the edges of the 1,024 rows that end with it. Whether the bar after
    it exists is not known yet; ``confirm`` takes candidates back whose next bar did not come.
    """

    def __init__(
        self,
        data: MarketSeries,
        votes: VoteTable,
        tape: SignalTape,
        settings: CoreSettings,
        line: EvLine | None,
    ) -> None:
        self._data, self._votes, self._tape, self._settings = data, votes, tape, settings
        self._slope = np.nan if line is None else ev_long(line.b, line.se, 0.0, 1.0, 1.0)
        self._mean = np.nan if line is None else line.s_mean
        self._post_only = settings.entry.style is EntryStyle.POST_ONLY
        self._level = int(Consensus[settings.signal.min_consensus.upper()])

    def weigh(self, row: int, manager: ReinforcementManager) -> None:
        """Pool the row's votes by the manager as it stands, and write the row."""
        votes = self._votes
        n = votes.p_up.shape[1]
        up, down = np.full(n, np.nan), np.full(n, np.nan)
        for s in np.flatnonzero(votes.valid[row].any(axis=1)).tolist():
            up[s], down[s], _ = manager.predict(votes.p_up[row, s], votes.p_down[row, s])
        self.write(row, up, down, manager.raw_weights(), manager.vote_scalers())

    def write(
        self,
        row: int,
        p_up: Float64Array,
        p_down: Float64Array,
        weights: Float64Array,
        scalers: Float64Array,
    ) -> None:
        """Write the row from pooled probabilities (S,), NaN where nothing votes."""
        tape, votes, market = self._tape, self._votes, self._data.market
        here = slice(row, row + 1)
        score = p_up - p_down
        ev = self._slope * (score - self._mean) * market.atr_frac[row]
        known = np.where(market.complete[row], ev, np.nan)[None]
        slip = np.array([[x[row] for x in self._data.slip_next]])
        found = votes_of(
            known, votes.ev[here], votes.valid[here], slip, self._settings, self._post_only
        )
        tape.side[here], tape.confidence[here], tape.edge[here] = found[:3]
        tape.consensus[here], tape.reason[here] = found[3:]
        tape.p_up[row], tape.p_down[row], tape.score[row] = p_up, p_down, score
        tape.ev[row] = np.nan_to_num(ev)
        tape.weights[row], tape.scalers[row] = weights, scalers
        tape.candidate[row] = self._candidates(row)

    def confirm(self, row: int) -> None:
        """Take back candidates of the row before whose bar at ``row`` does not exist."""
        if row > 0:
            self._tape.candidate[row - 1] &= self._data.market.valid[row]

    def _candidates(self, row: int) -> BoolArray:
        """The rule of spec 8.0, but for the bar after."""
        tape, rule = self._tape, self._settings.signal
        edge = np.nan_to_num(tape.edge[row])
        worth = edge >= rule.min_edge
        if rule.top > 0.0:
            worth |= edge >= self._mark(row, 1.0 - rule.top)
        complete = self._data.market.complete[row]
        wanted = complete & (tape.side[row] != 0) & (tape.consensus[row] >= self._level)
        return np.asarray(wanted & worth & (edge > 0.0))

    def _mark(self, row: int, quantile: float) -> Float64Array:
        """Each symbol's threshold of the trailing rank, infinite with too few values."""
        last = self._tape.edge[max(0, row + 1 - WARMUP_BARS) : row + 1]
        n = np.count_nonzero(last == last, axis=0)
        ordered = np.sort(last, axis=0)
        place = (quantile * np.maximum(n - 1, 0)).astype(np.int64)
        mark = ordered[place, np.arange(last.shape[1])]
        return np.where(n >= QUANTILE_MIN, mark, np.inf)
