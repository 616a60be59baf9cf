"""Trades of the reference account: what the reference action earns from every row (spec 8.7).

The account holds a fixed amount, is not compounded, and each trade is simulated alone, so an
outcome depends on row, symbol and side only and is computed once for all weight algorithms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import FunctionType
from typing import Any, cast

import numpy as np

from envs.core.rules.alone import walk_alone
from envs.core.rules.costs import round_trip_frac
from envs.core.rules.exits import stop_atr, template
from envs.core.rules.rounding import from_units, to_units
from envs.core.rules.sizing import Funds, size_order
from envs.core.rules.walk import END, STYLE_MARKET, STYLE_POST_ONLY, Order
from envs.core.series import MarketSeries
from envs.core.settings import CoreSettings
from envs.core.types import (
    BoolArray,
    EntryStyle,
    EntryUnfilled,
    ExitStrategy,
    Float64Array,
    Int64Array,
)
from envs.kernel.compile import compiled, register

REFERENCE_QUOTE = 10_000.0
_BALANCED = int(ExitStrategy.BALANCED)
NOT_TRADED = -1


@dataclass(frozen=True)
class ReferenceTrades:
    """Outcomes (T, S, 2) of the reference action; last axis: 0 long, 1 short.

    ``end_row`` is the row in whose bar the symbol is flat again, -1 where nothing could be sent
    (filters, mask, row not asked for). ``opened`` is False for an entry that lapsed; ``finished``
    is False where the data ended before the trade did. ``net`` and ``notional`` in quote, ``risk``
    |fill - stop0| x quantity in quote.
    """

    end_row: Int64Array
    opened: BoolArray
    finished: BoolArray
    net: Float64Array
    notional: Float64Array
    risk: Float64Array
    entry_ns: Int64Array
    exit_ns: Int64Array


def reference_trades(
    data: MarketSeries, settings: CoreSettings, wanted: BoolArray, last_row: int
) -> ReferenceTrades:
    """Simulate size 1.0, leverage 1, balanced, both sides, for the rows ``wanted`` (T, S)."""
    market, entry = data.market, settings.entry
    shape = (*wanted.shape, 2)
    out = ReferenceTrades(
        np.full(shape, NOT_TRADED, dtype=np.int64),
        np.zeros(shape, dtype=np.bool_),
        np.zeros(shape, dtype=np.bool_),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape, dtype=np.int64),
        np.zeros(shape, dtype=np.int64),
    )
    post_only = entry.style is EntryStyle.POST_ONLY
    for s in range(market.n_symbols):
        _compiled()(
            np.flatnonzero(wanted[:, s]),
            data.series[s],
            market.regime[:, s].astype(np.int64),
            np.ascontiguousarray(market.atr_frac[:, s]),
            np.asarray(data.slip_next[s]),
            last_row,
            market.interval_ns,
            int(entry.intrabar),
            post_only,
            entry.unfilled is EntryUnfilled.MARKET,
            settings.costs.maker_fee,
            settings.costs.taker_fee,
            data.fees,
            data.contracts[s],
            data.brackets[s],
            data.size_rules,
            out.end_row[:, s],
            out.opened[:, s],
            out.finished[:, s],
            out.net[:, s],
            out.notional[:, s],
            out.risk[:, s],
            out.entry_ns[:, s],
            out.exit_ns[:, s],
        )
    return out


@cache
def _compiled() -> Any:
    register(cast(FunctionType, next_valid))
    return compiled(_reference_rows)


def _reference_rows(
    rows: Any,
    series: Any,
    regimes: Any,
    atr_frac: Any,
    slip_next: Any,
    last_row: int,
    interval_ns: int,
    rule: int,
    post_only: bool,
    unfilled_market: bool,
    maker: float,
    taker: float,
    fees: Any,
    contract: Any,
    brackets: Any,
    size_rules: Any,
    end_row: Any,
    opened: Any,
    finished: Any,
    net: Any,
    notional: Any,
    risk: Any,
    entry_ns: Any,
    exit_ns: Any,
) -> None:
    funds = Funds(REFERENCE_QUOTE, REFERENCE_QUOTE, 0.0, 0.0, 1.0)
    spare = to_units(REFERENCE_QUOTE)
    sl_atr = stop_atr(_BALANCED)
    for i in range(rows.shape[0]):
        t = rows[i]
        trip = round_trip_frac(post_only, maker, taker, slip_next[t])
        close = series.ohlc[t, 3]
        for k in range(2):
            side = 1 - 2 * k
            sized = size_order(
                funds,
                size_rules,
                contract,
                brackets,
                side,
                close,
                atr_frac[t],
                trip,
                1.0,
                1,
                sl_atr,
            )
            if sized.qty_steps == 0:
                continue
            order = Order(
                side,
                sized.qty_steps,
                1,
                series.atr[t],
                sl_atr,
                template(_BALANCED, regimes[t]),
                STYLE_POST_ONLY if post_only else STYLE_MARKET,
                unfilled_market,
                side * close,
            )
            got = walk_alone(
                series, t, last_row, order, spare, interval_ns, rule, fees, contract, brackets
            )
            if got.opened:
                end_row[t, k] = got.end_row
                opened[t, k] = True
                finished[t, k] = got.reason != END
                net[t, k] = from_units(got.net)
                notional[t, k] = from_units(got.notional)
                risk[t, k] = from_units(got.risk)
                entry_ns[t, k] = got.entry_ns
                exit_ns[t, k] = got.exit_ns
            else:
                end_row[t, k] = next_valid(series.valid, t)


def next_valid(valid: Any, row: int) -> int:
    """First row after ``row`` with a tradable bar, or the last row."""
    t = row + 1
    last: int = valid.shape[0] - 1
    while t < last and not valid[t]:
        t += 1
    return t
