"""One causal pass of a reinforcement manager over the votes: pooled probabilities, lines, EV."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from agents.reinforcement.aggregating import LabelPass, PoolTape, uniform_pool
from agents.reinforcement.algorithms import AGGREGATING, EXPONENTIAL
from agents.reinforcement.calibration import scalers_of
from agents.reinforcement.manager import ReinforcementManager
from envs.core.rules.vote import ev_long
from envs.core.series import MarketSeries
from envs.core.settings import CoreSettings
from envs.core.tape import EvLine, VoteTable
from envs.core.types import Float64Array, Int64Array
from envs.market.lines import fit_line
from training.reference import ReferenceTrades, reference_trades
from training.weight_pass import WeightPass, may_be_candidates


@dataclass(frozen=True)
class Weighed:
    """Votes pooled in time order.

    ``pool`` holds the algorithm's own probabilities, weights and losses; ``ev`` (T, S) the long
    side's EV; ``line`` the last pool line; ``manager`` stands as of the last edge; ``trades``
    (K, 3) row, symbol and side of the reference trades, empty for algorithms that need none.
    """

    pool: PoolTape
    ev: Float64Array
    line: EvLine | None
    manager: ReinforcementManager
    trades: Int64Array


def run_weights(
    data: MarketSeries,
    votes: VoteTable,
    settings: CoreSettings,
    manager: ReinforcementManager,
    edges: Int64Array,
    first_line: EvLine | None = None,
    reference: ReferenceTrades | None = None,
    stop: int | None = None,
) -> Weighed:
    """Let a copy of ``manager`` weigh the votes of the rows before ``stop``, bar by bar.

    At the close of t labels and reference trades that ended by t are learned first, then t is
    weighed. Lines are refitted at ``edges``, from labels that ended before.

    Args:
        reference: outcomes of the reference action where they were computed already.
        stop: rows from here on stay empty; all rows by default.
    """
    market = data.market
    stop = market.n_bars if stop is None else stop
    frozen_at = min(stop, int(edges[-1]) + 1) if edges.size else stop
    live = manager.copy()
    labels = LabelPass(votes, market.close_ns, live.pool, live.calibration, live.labels.last_ns)
    _learn_labels(live, labels, votes, market.symbols, market.close_ns, frozen_at)
    frozen = live.copy()
    known_ns = max(manager.labels.last_ns, manager.last_trade_ns)
    first_row = int(np.searchsorted(market.close_ns, known_ns, side="right"))
    _learn_labels(live, labels, votes, market.symbols, market.close_ns, stop)
    bounds = [b for b in block_bounds(edges, stop) if b <= stop]
    if manager.algorithm in EXPONENTIAL:
        pool, ev, line, trades = _exponential(
            data, votes, settings, live, frozen, labels.tape, bounds, first_line, reference,
            frozen_at, first_row,
        )  # fmt: skip
    else:
        pool = labels.tape
        if manager.algorithm == "uniform":
            scalers = scalers_of(pool.excess, manager.settings.vote_kappa)
            pool = with_issued_losses(votes, uniform_pool(votes, pool, scalers))
        ev, line = _lines(data, votes, pool.p_up - pool.p_down, bounds, first_line)
        trades = np.zeros((0, 3), dtype=np.int64)
    if manager.algorithm in AGGREGATING:
        frozen.gap = frozen.pool.gap.copy()
    else:
        frozen.gap = manager.gap + gap_of(pool, frozen_at)
    return Weighed(pool, ev, line, frozen, trades)


def block_bounds(edges: Int64Array, n_bars: int) -> list[int]:
    """Rows at which blocks of one line begin, and the end."""
    return [0, *[int(e) for e in edges if int(e) < n_bars], n_bars]


def gap_of(pool: PoolTape, stop: int) -> Float64Array:
    """Cumulative loss (2, 7) of the forecasts above each expert over the updates before a row."""
    return np.asarray(np.nansum(pool.loss[:stop, :, None] - pool.expert_loss[:stop], axis=0))


def _learn_labels(
    manager: ReinforcementManager,
    labels: LabelPass,
    votes: VoteTable,
    symbols: tuple[str, ...],
    close_ns: Int64Array,
    stop: int,
) -> None:
    """Run the label pass to a row and note what was learned."""
    learned = labels.run_to(stop)
    for s, name in enumerate(symbols):
        rows = learned[learned[:, 1] == s, 0]
        if rows.size:
            ended = int(close_ns[votes.label_end[rows, s]].max())
            manager.labels.add(name, close_ns[rows].tolist(), ended)


def _lines(
    data: MarketSeries,
    votes: VoteTable,
    score: Float64Array,
    bounds: list[int],
    line: EvLine | None,
) -> tuple[Float64Array, EvLine | None]:
    """EV (T, S) of given scores, the line refitted at each bound."""
    ev, atr_frac = np.full(score.shape, np.nan), data.market.atr_frac
    for k, (a, b) in enumerate(pairwise(bounds)):
        if k > 0:
            line = _fit(data, votes, score, a) or line
        if line is not None:
            slope = ev_long(line.b, line.se, 0.0, 1.0, 1.0)
            ev[a:b] = slope * (score[a:b] - line.s_mean) * atr_frac[a:b]
    return ev, line


def _exponential(
    data: MarketSeries,
    votes: VoteTable,
    settings: CoreSettings,
    live: ReinforcementManager,
    frozen: ReinforcementManager,
    labelled: PoolTape,
    bounds: list[int],
    first_line: EvLine | None,
    reference: ReferenceTrades | None,
    frozen_at: int,
    first_row: int,
) -> tuple[PoolTape, Float64Array, EvLine | None, Int64Array]:
    """Weights from reference trades; ``frozen`` takes over the trades learned by ``frozen_at``."""
    if reference is None:
        reference = reference_of(data, votes, settings)
    course = WeightPass(data, votes, settings, labelled, reference, live, first_line, first_row)
    for k, (a, b) in enumerate(pairwise(bounds)):
        if k > 0:
            course.set_line(_fit(data, votes, course.p_up - course.p_down, a))
        if a < frozen_at <= b:
            course.run_to(frozen_at)
            frozen.take_trades(live)
        course.run_to(b)
    pool = replace(labelled, p_up=course.p_up, p_down=course.p_down, weights=course.weights)
    return with_issued_losses(votes, pool), course.ev, course.line, course.trades()


def reference_of(data: MarketSeries, votes: VoteTable, settings: CoreSettings) -> ReferenceTrades:
    """Outcomes of the reference action in every row that may become a candidate."""
    market = data.market
    wanted = may_be_candidates(market.complete, market.valid, votes, settings.signal.quorum)
    return reference_trades(data, settings, wanted, market.n_bars - 1)


def with_issued_losses(votes: VoteTable, pool: PoolTape) -> PoolTape:
    """The same tape with the losses of the forecasts as they were issued.

    A label pass notes what the aggregating pool would forecast when a label ends, by when it has
    learned from later bars; other algorithms' tapes begin with those losses too.
    """
    loss = np.full_like(pool.loss, np.nan)
    known = np.isfinite(pool.loss[:, 0])
    rows, symbols = np.nonzero((votes.label_end >= 0) & np.isfinite(votes.y_long))
    ends = votes.label_end[rows, symbols]
    for game, (p, y) in enumerate(((pool.p_up, votes.y_long), (pool.p_down, votes.y_short))):
        miss = p[rows, symbols] - y[rows, symbols]
        ok = np.isfinite(miss)
        total = np.bincount(ends[ok], weights=miss[ok] * miss[ok], minlength=loss.shape[0])
        count = np.bincount(ends[ok], minlength=loss.shape[0])
        loss[:, game] = np.where(known & (count > 0), total / np.maximum(count, 1), np.nan)
    return replace(pool, loss=loss)


def _fit(data: MarketSeries, votes: VoteTable, score: Float64Array, edge: int) -> EvLine | None:
    """Pool line from labels that ended before a row."""
    known = (votes.label_end >= 0) & (votes.label_end < edge)
    known &= np.isfinite(score) & np.isfinite(votes.gross)
    rows, symbols = np.nonzero(known)
    return fit_line(score[rows, symbols], votes.gross[rows, symbols], data.market.close_ns[rows])
