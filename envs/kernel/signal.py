"""Signals and exit walks of whole periods, compiled loops over the core's rules."""

from __future__ import annotations

from functools import cache
from types import FunctionType
from typing import Any, cast

import numpy as np

from envs.core.rules.alone import walk_alone
from envs.core.rules.costs import round_trip_frac
from envs.core.rules.exits import stop_atr, template
from envs.core.rules.rounding import floor_whole
from envs.core.rules.vote import consensus, edge_confidence, hold_reason, model_side
from envs.core.rules.walk import Order
from envs.core.series import MarketSeries
from envs.core.settings import CoreSettings
from envs.core.types import BoolArray, Consensus, Float64Array, Int8Array, Int64Array
from envs.kernel.compile import compiled, register
from envs.market.indicators import QUANTILE_MIN, WARMUP_BARS, rolling_quantile

_WALK_QUOTE = 1_000_000.0


def vote_rows(
    ev: Any,
    model_ev: Any,
    valid: Any,
    slip: Any,
    quorum: int,
    post_only: bool,
    maker: float,
    taker: float,
    side: Any,
    confidence: Any,
    edge: Any,
    level: Any,
    reason: Any,
) -> None:
    """Vote of every (bar, symbol) from pooled and model EVs (long side, fractions)."""
    for t in range(ev.shape[0]):
        for s in range(ev.shape[1]):
            pooled = 0
            if ev[t, s] == ev[t, s]:
                pooled = model_side(ev[t, s])
            n_valid, support, against = count_votes(model_ev[t, s], valid[t, s], pooled)
            why = hold_reason(n_valid, quorum, pooled, support, against)
            reason[t, s] = why
            level[t, s] = consensus(support, against, n_valid)
            edge[t, s] = np.nan
            confidence[t, s] = 0.0
            side[t, s] = 0
            if n_valid >= quorum and ev[t, s] == ev[t, s]:
                trip = round_trip_frac(post_only, maker, taker, slip[t, s])
                edge[t, s] = abs(ev[t, s]) / trip
                if why == 0:
                    side[t, s] = pooled
                    confidence[t, s] = edge_confidence(pooled * ev[t, s], trip)


def count_votes(model_ev: Any, valid: Any, pooled: int) -> tuple[int, int, int]:
    """Valid models, those that vote the pooled side, and those that vote another one."""
    n_valid = 0
    support = 0
    against = 0
    for m in range(model_ev.shape[0]):
        if valid[m]:
            n_valid += 1
            own = model_side(model_ev[m])
            if own != 0 and own == pooled:
                support += 1
            elif own != 0:
                against += 1
    return n_valid, support, against


def walk_exits(
    series: Any,
    rows: Any,
    sides: Any,
    regimes: Any,
    last_row: int,
    interval_ns: int,
    rule: int,
    fees: Any,
    contract: Any,
    brackets: Any,
    gross: Any,
    ends: Any,
) -> None:
    """Outcome of each exit strategy at leverage 1 for each row: (N, 3) net in ATRs, exit rows."""
    for i in range(rows.shape[0]):
        t = rows[i]
        price = series.ohlc[t, 3] * contract.tick_num / contract.tick_den
        qty = floor_whole(_WALK_QUOTE / price * contract.step_den / contract.step_num)
        atr_frac = series.atr[t] / price
        for e in range(3):
            order = Order(
                sides[i],
                qty,
                1,
                series.atr[t],
                stop_atr(e),
                template(e, regimes[i]),
                0,
                False,
                sides[i] * series.ohlc[t, 3],
            )
            got = walk_alone(
                series, t, last_row, order, 0, interval_ns, rule, fees, contract, brackets
            )
            gross[i, e] = got.net / got.notional / atr_frac if got.opened else np.nan
            ends[i, e] = got.end_row


@cache
def _vote_rows() -> Any:
    register(cast(FunctionType, count_votes))
    return compiled(vote_rows)


@cache
def _walk_exits() -> Any:
    return compiled(walk_exits)


def votes_of(
    ev: Float64Array,
    model_ev: Float64Array,
    valid: BoolArray,
    slip: Float64Array,
    settings: CoreSettings,
    post_only: bool,
) -> tuple[Int8Array, Float64Array, Float64Array, Int8Array, Int8Array]:
    """Side, confidence, edge, consensus and reason of every (bar, symbol)."""
    shape = ev.shape
    side, level, reason = (np.zeros(shape, dtype=np.int8) for _ in range(3))
    confidence, edge = np.zeros(shape), np.full(shape, np.nan)
    _vote_rows()(
        ev,
        model_ev,
        valid,
        slip,
        settings.signal.quorum,
        post_only,
        settings.costs.maker_fee,
        settings.costs.taker_fee,
        side,
        confidence,
        edge,
        level,
        reason,
    )
    return side, confidence, edge, level, reason


def exits_of(
    data: MarketSeries,
    settings: CoreSettings,
    s: int,
    rows: Int64Array,
    sides: Int8Array,
    last_row: int,
    with_costs: bool,
) -> tuple[Float64Array, Int64Array]:
    """Outcome in ATRs and exit row (N, 3) of every exit strategy for rows of one symbol.

    Without costs: no fee, slippage or funding, so the figure is the gross outcome.
    """
    series, fees = data.series[s], data.fees
    if not with_costs:
        quiet = np.zeros_like(series.slip)
        series = series._replace(slip=quiet, funding=quiet)
        fees = fees._replace(maker=0.0, taker=0.0, liquidation=0.0)
    gross = np.full((rows.size, 3), np.nan)
    ends = np.full((rows.size, 3), -1, dtype=np.int64)
    regimes = data.market.regime[:, s][rows].astype(np.int64)
    _walk_exits()(
        series,
        rows,
        sides.astype(np.int64),
        regimes,
        last_row,
        data.market.interval_ns,
        int(settings.entry.intrabar),
        fees,
        data.contracts[s],
        data.brackets[s],
        gross,
        ends,
    )
    return gross, ends


def candidates_of(
    complete: BoolArray,
    valid: BoolArray,
    side: Int8Array,
    edge: Float64Array,
    level: Int8Array,
    settings: CoreSettings,
) -> BoolArray:
    """The rule of spec 8.0: a side, consensus, and an edge worth a decision."""
    rule = settings.signal
    wanted = Consensus[rule.min_consensus.upper()]
    worth = np.nan_to_num(edge) >= rule.min_edge
    if rule.top > 0.0:
        for s in range(edge.shape[1]):
            mark = rolling_quantile(edge[:, s], WARMUP_BARS, 1.0 - rule.top, QUANTILE_MIN)
            worth[:, s] |= np.nan_to_num(edge[:, s]) >= np.where(np.isnan(mark), np.inf, mark)
    out = complete & (side != 0) & (level >= int(wanted)) & worth & (np.nan_to_num(edge) > 0.0)
    following = np.zeros_like(valid)
    following[:-1] = valid[1:]
    return np.asarray(out & following)
