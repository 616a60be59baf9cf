"""The exponential family in time order: weights, votes and reference trades wait for each other.

Weights decide which rows are candidates, and candidates that could be executed are traded by the
reference account, whose closed trades move the weights. So rows run in order: compiled loops go
from one closed trade to the next, and the manager itself learns each trade in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.reinforcement.aggregating import PoolTape
from agents.reinforcement.calibration import scalers_of
from agents.reinforcement.manager import ReinforcementManager
from agents.reinforcement.rewards import TradeResult
from envs.core.rules.vote import ev_long
from envs.core.series import MarketSeries
from envs.core.settings import CoreSettings
from envs.core.tape import EvLine, VoteTable
from envs.core.types import BoolArray, Consensus, EntryStyle, Float64Array, Int64Array
from envs.market.indicators import QUANTILE_MIN, WARMUP_BARS
from training.reference import ReferenceTrades
from training.weight_rows import NEVER, compiled_rows

_ROOM = 256


@dataclass(frozen=True)
class _Open:
    """Per symbol: the open reference trade's row and side, when it ends, the last entry fill."""

    row: Int64Array
    side: Int64Array
    end: Int64Array
    busy: Int64Array
    entry_ns: Int64Array


class WeightPass:
    """Runs a manager of the exponential family over a period; ``run_to`` goes on piece by piece.

    Args:
        pool: label pass of the same votes, for online Platt and calibration as of each bar.
        trades: reference outcomes of every row that may become a candidate.
        manager: learns the trades; stands, after each piece, as of the close of its last row.
        first_row: nothing is traded before it.

    Attributes:
        p_up, p_down, ev: (T, S) pooled probabilities and EV of the long side, as of each bar.
        weights: (T, 4); ``line`` is the pool line in use.
    """

    def __init__(
        self,
        data: MarketSeries,
        votes: VoteTable,
        settings: CoreSettings,
        pool: PoolTape,
        trades: ReferenceTrades,
        manager: ReinforcementManager,
        line: EvLine | None,
        first_row: int = 0,
    ) -> None:
        t, s = votes.label_end.shape
        self._data, self._votes, self._settings = data, votes, settings
        self._reference, self._manager, self.line = trades, manager, line
        self._platt = pool.platt
        self.scalers = scalers_of(pool.excess, manager.settings.vote_kappa)
        self.p_up, self.p_down = np.full((t, s), np.nan), np.full((t, s), np.nan)
        self.ev, self.weights = np.full((t, s), np.nan), np.zeros((t, 4))
        self._found: list[tuple[int, int, int]] = []
        self._open = _Open(
            np.zeros(s, dtype=np.int64),
            np.zeros(s, dtype=np.int64),
            np.full(s, NEVER, dtype=np.int64),
            np.full(s, first_row, dtype=np.int64),
            np.full(s, -(2**62), dtype=np.int64),
        )
        self._row = 0
        self._slip = np.stack([np.asarray(x) for x in data.slip_next], axis=1)
        self._work = _Work.of(t, s)

    def set_line(self, line: EvLine | None) -> None:
        """Pool line from the next row on; None keeps the present one."""
        self.line = line or self.line

    def run_to(self, stop: int) -> None:
        """Run the rows before ``stop``."""
        while self._row < stop:
            self._learn_due(self._row)
            self._row = int(self._advance(stop))

    def trades(self) -> Int64Array:
        """Row, symbol and side (K, 3) of the reference trades so far, in order of entry."""
        return np.asarray(self._found, dtype=np.int64).reshape(-1, 3)

    def _learn_due(self, row: int) -> None:
        due = [s for s, end in enumerate(self._open.end.tolist()) if end <= row]
        where = [(self._open.row[s], s, (1 - self._open.side[s]) // 2) for s in due]
        for place in sorted(where, key=lambda p: (int(self._reference.exit_ns[p]), p[1])):
            self._learn(*place)
            self._open.end[place[1]] = NEVER

    def _learn(self, row: int, s: int, k: int) -> None:
        got, votes, market = self._reference, self._votes, self._data.market
        side = 1 - 2 * int(k)
        up, down = votes.p_up[row, s].tolist(), votes.p_down[row, s].tolist()
        sides = votes.sides_at(row, s)
        stated = [u if g >= 0 else d for g, u, d in zip(sides, up, down, strict=True)]
        name = market.symbols[s]
        net, risk = float(got.net[row, s, k]), float(got.risk[row, s, k])
        trade = TradeResult(
            name,
            int(market.sizing_regime[row, s]),
            net,
            float(got.notional[row, s, k]),
            net / risk if risk > 0.0 else 0.0,
            int(got.exit_ns[row, s, k]),
        )
        self._manager.learn_trade(
            f"reference:{name}:{int(market.close_ns[row])}",
            trade,
            [g * side for g in sides],
            stated,
        )

    def _advance(self, stop: int) -> int:
        v, market, rules, got = self._votes, self._data.market, self._settings, self._reference
        line, signal, work, held = self.line, rules.signal, self._work, self._open
        slope = ev_long(line.b, line.se, 0.0, 1.0, 1.0) if line is not None else np.nan
        found = np.zeros((_ROOM + market.n_symbols, 3), dtype=np.int64)
        row, n = compiled_rows()(
            self._row,
            stop,
            v.p_up,
            v.p_down,
            v.ev,
            v.valid,
            self._platt,
            self._manager.algorithm == "platt_exponential",
            self._manager.raw_weights(),
            self.scalers,
            slope,
            line.s_mean if line is not None else 0.0,
            market.atr_frac,
            market.complete,
            market.valid,
            market.close_ns,
            self._slip,
            signal.quorum,
            rules.entry.style is EntryStyle.POST_ONLY,
            rules.costs.maker_fee,
            rules.costs.taker_fee,
            int(Consensus[signal.min_consensus.upper()]),
            signal.min_edge,
            signal.top,
            QUANTILE_MIN,
            rules.entry.cooldown_s * 1_000_000_000,
            got.end_row,
            got.opened,
            got.finished,
            got.entry_ns,
            held.row,
            held.side,
            held.end,
            held.busy,
            held.entry_ns,
            work.side,
            work.confidence,
            work.edge,
            work.level,
            work.reason,
            work.window,
            work.ordered,
            work.known,
            work.shown,
            found,
            self.p_up,
            self.p_down,
            self.ev,
            self.weights,
        )
        self._found += [tuple(x) for x in found[:n].tolist()]
        return int(row)


@dataclass(frozen=True)
class _Work:
    """Votes of the rows so far, and each symbol's trailing window of edges, plain and sorted."""

    side: Any
    confidence: Float64Array
    edge: Float64Array
    level: Any
    reason: Any
    window: Float64Array
    ordered: Float64Array
    known: Int64Array
    shown: Float64Array

    @classmethod
    def of(cls, t: int, s: int) -> _Work:
        """Empty for T bars of S symbols."""
        return cls(
            np.zeros((t, s), dtype=np.int8),
            np.zeros((t, s)),
            np.full((t, s), np.nan),
            np.zeros((t, s), dtype=np.int8),
            np.zeros((t, s), dtype=np.int8),
            np.full((s, WARMUP_BARS), np.nan),
            np.zeros((s, WARMUP_BARS + 1)),
            np.zeros(s, dtype=np.int64),
            np.full((1, s), np.nan),
        )


def may_be_candidates(
    complete: BoolArray, valid: BoolArray, votes: VoteTable, quorum: int
) -> BoolArray:
    """Rows (T, S) that could become candidates under some weights."""
    out = complete & (votes.valid.sum(axis=2) >= quorum)
    following = np.zeros_like(valid)
    following[:-1] = valid[1:]
    return np.asarray(out & following)
