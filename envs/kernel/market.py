"""A market as compiled code sees it: arrays at addresses, constants, names of columns."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from envs.core.rules.columns import WIDTH
from envs.core.rules.lifecycle import Fees
from envs.core.rules.limits import StopLimits
from envs.core.rules.sizing import Contract, SizeRules
from envs.core.rules.walk import Series
from envs.kernel.pointer import array_at

SIDE, SCORE, EV, CONFIDENCE, UP, DOWN, VALID_VOTES, REGIME = range(8)
CLOSE, ATR, ATR_FRAC, SLIP_NEXT, RUN_REGIME = range(8, 13)
N_SIGNALS = 16
"""Columns of ``signals`` (T, S, 16), two cache lines: what a decision at a close reads. The last
named are those of ``rules.columns`` (``RUN_REGIME`` its ``REGIME``); three are spare."""
N_SERIES = len(Series._fields)
N_CONSTANTS = 40

TRADED, STAMPED, KNOWN = 1, 2, 4
"""Flags of a glance: the bar exists, a funding stamp falls on its open, its marks are known."""

GLANCE = np.dtype(
    [
        ("price0", "f8"), ("price1", "f8"), ("price2", "f8"), ("price3", "f8"),
        ("least", "i4"), ("most", "i4"), ("low", "i4"), ("high", "i4"), ("close", "i4"),
        ("flags", "i4"), ("open", "i4"), ("spare", "i4"),
        ("mark0", "f8"), ("mark1", "f8"), ("mark2", "f8"), ("mark3", "f8"), ("slip", "f8"),
        ("funding", "f8"), ("more", "f8", (2,)),
    ],
    align=True,
)  # fmt: skip
"""Two cache lines a (symbol, bar): mark in quote at the path's vertices; ``least`` and ``most`` of
last and mark price, low, high, close and open of the last price, in unsigned ticks; then, for bars
in which something happens, mark in ticks at the vertices, slippage and funding rate."""

ARRAYS = (
    "rows", "glances", "close_ns", "signals", "features", "queue", "next_row", "contracts",
    "brackets", "detail", "detail_ok", "actions", "axes", "series",
)  # fmt: skip
SIZES = ("n_bars", "n_symbols", "n_features", "n_brackets", "n_detail", "n_actions")

WORLD = np.dtype(
    [(name, "i8") for name in (*ARRAYS, *SIZES)] + [("constants", "f8", (N_CONSTANTS,))]
)
"""Addresses of a market's arrays, their sizes, and a run's constants (``layout.constants_of``)."""


class Market(NamedTuple):
    """What every environment reads; the arrays are those of ``layout.MarketMemory``."""

    address: int
    rows: Any
    glances: Any
    close_ns: Any
    signals: Any
    features: Any
    queue: Any
    next_row: Any
    contracts: Any
    brackets: Any
    detail: Any
    detail_ok: Any
    actions: Any
    axes: Any


def market_at(address: int) -> Market:
    """The market at an address (compiled code only)."""
    w = array_at(address, 1, WORLD)[0]
    t, s = w.n_bars, w.n_symbols
    return Market(
        address,
        array_at(w.rows, (t, s, WIDTH), np.float64),
        array_at(w.glances, (s, t), GLANCE),
        array_at(w.close_ns, t, np.int64),
        array_at(w.signals, (t, s, N_SIGNALS), np.float64),
        array_at(w.features, (t, s, w.n_features), np.float32),
        array_at(w.queue, (t, s), np.int16),
        array_at(w.next_row, t + 1, np.int64),
        array_at(w.contracts, (s, 5), np.float64),
        array_at(w.brackets, (s, w.n_brackets, 3), np.float64),
        array_at(w.detail, (t, s, w.n_detail, 4), np.int64),
        array_at(w.detail_ok, (t, s), np.bool_),
        array_at(w.actions, (w.n_actions, 3), np.float64),
        array_at(w.axes, (w.n_actions, 3), np.int64),
    )


def series_at(address: int, s: int) -> Series:
    """The columns of one symbol, as a lone walk reads them (compiled code only)."""
    w = array_at(address, 1, WORLD)[0]
    t = w.n_bars
    at = array_at(w.series, (w.n_symbols, N_SERIES), np.int64)[s]
    return Series(
        array_at(at[0], (t, 4), np.int64),
        array_at(at[1], (t, 4), np.float64),
        array_at(at[2], t, np.float64),
        array_at(at[3], t, np.bool_),
        array_at(at[4], t, np.float64),
        array_at(at[5], t, np.float64),
        array_at(at[6], t, np.int64),
        array_at(at[7], t, np.bool_),
        array_at(at[8], (t, w.n_detail, 4), np.int64),
        array_at(at[9], t, np.bool_),
    )


class Rules(NamedTuple):
    """Constants of a run as scalars, read where they are used."""

    fees: Fees
    size: SizeRules
    stops: StopLimits
    interval_ns: int
    cooldown_ns: int
    max_positions: int
    recovering_positions: int
    stop_window_ns: int
    intrabar: int
    post_only: bool
    unfilled_market: bool
    start_units: int
    ruin_quote: float
    stop_ring: int


def rules_at(address: int) -> Rules:
    """The constants of the world at an address (compiled code only)."""
    c = array_at(address, 1, WORLD)[0].constants
    return Rules(
        Fees(c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]),
        SizeRules(
            c[8], c[9], c[10] != 0.0, c[11], c[12], c[13], c[14], c[15], int(c[16]), c[17]
        ),
        StopLimits(
            c[18], c[19], c[20], c[21], int(c[22]), int(c[23]), int(c[24]), int(c[25]),
            int(c[26]), int(c[27]), c[28],
        ),
        int(c[29]), int(c[30]), int(c[31]), int(c[32]), int(c[33]), int(c[34]), c[35] != 0.0,
        c[36] != 0.0, int(c[37]), c[38], int(c[39]),
    )  # fmt: skip


def contract_at(contracts: Any, s: int) -> Contract:
    """Instrument of a symbol as the rules read it.

    Ticks and steps stay floats: whole numbers below 2**53 give the same products and quotients.
    """
    return Contract(
        contracts[s, 0], contracts[s, 1], contracts[s, 2], contracts[s, 3], contracts[s, 4]
    )
