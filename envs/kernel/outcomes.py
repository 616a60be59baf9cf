"""The outcome of every action of many decisions in one compiled call."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from types import FunctionType
from typing import Any, cast

import numba
import numpy as np
from numba import prange
from numba.np.ufunc import parallel as numba_parallel

from envs.core.actions import ActionPreset
from envs.core.errors import FixInput
from envs.core.rules.columns import ATR, ATR_FRAC, CLOSE, REGIME, SLIP_NEXT
from envs.core.rules.costs import round_trip_frac
from envs.core.rules.course import MAX_STAMPS
from envs.core.rules.rounding import from_units, to_units
from envs.core.rules.sizing import Funds, size_ladder
from envs.core.series import MarketSeries
from envs.core.settings import CoreSettings
from envs.core.types import BoolArray, Float64Array, Int64Array
from envs.kernel.compile import compiled, register
from envs.kernel.counterfactual import Entry, fill_outcomes, register_outcomes
from envs.kernel.layout import lay_out_rules
from envs.kernel.market import contract_at, market_at, rules_at
from envs.kernel.pointer import address_of, array_at
from envs.kernel.threads import PARALLEL_LOCK, quiet_threads

ASKED = np.dtype(
    [
        ("row", "i8"), ("last_row", "i8"), ("symbol", "i8"), ("side", "i8"), ("spare_units", "i8"),
        ("equity", "f8"), ("gross_notional", "f8"), ("total_risk", "f8"), ("size_factor", "f8"),
    ]
)  # fmt: skip
"""One decision: its row and symbol, the last row its trade may live through, and the account as the
decision sees it (``spare_units`` free margin in units, the others in quote)."""

thread_of: Any = numba_parallel.get_thread_id
COLUMNS = (
    "asked", "stamps", "sizes", "reward", "net_units", "end_row", "qty_steps", "notional_quote",
    "clamped", "mask", "reasons",
)  # fmt: skip
BATCH = np.dtype([(n, "i8") for n in ("world", "n", "n_actions", "reward_kind", *COLUMNS)])
"""What a call is handed: the world's address, sizes, and the addresses of its columns."""


def fill_one(batch: int, k: int, thread: int) -> None:
    """Size and simulate every action of the k-th decision."""
    b = array_at(batch, 1, BATCH)[0]
    m, r = market_at(b.world), rules_at(b.world)
    d = array_at(b.asked, b.n, ASKED)[k]
    shape = (b.n, b.n_actions)
    qty, mask = array_at(b.qty_steps, shape, np.int64)[k], array_at(b.mask, shape, np.bool_)[k]
    reasons = array_at(b.reasons, shape, np.int8)[k]
    row = m.rows[d.row, d.symbol]
    close = int(row[CLOSE])
    size_ladder(
        Funds(d.equity, from_units(d.spare_units), d.gross_notional, d.total_risk, d.size_factor),
        r.size, contract_at(m.contracts, d.symbol), m.brackets[d.symbol], d.side, close,
        row[ATR_FRAC], round_trip_frac(r.post_only, r.fees.maker, r.fees.taker, row[SLIP_NEXT]),
        array_at(b.sizes, b.n_actions, np.float64), m.axes[:, 0], m.axes[:, 1], qty,
        array_at(b.notional_quote, shape, np.float64)[k], array_at(b.clamped, shape, np.bool_)[k],
        reasons,
    )  # fmt: skip
    for a in range(b.n_actions):
        mask[a] = reasons[a] == 0
    entry = Entry(
        d.row, d.last_row, d.symbol, d.side, int(row[REGIME]), row[ATR], row[ATR_FRAC],
        d.side * close, d.spare_units, from_units(to_units(d.equity)), b.reward_kind,
    )  # fmt: skip
    stamps = array_at(b.stamps + thread * MAX_STAMPS * 16, (MAX_STAMPS, 2), np.float64)
    fill_outcomes(
        b.world, entry, qty, mask, stamps, array_at(b.reward, shape, np.float64)[k],
        array_at(b.net_units, shape, np.int64)[k], array_at(b.end_row, shape, np.int64)[k],
    )  # fmt: skip


def fill_all(batch: int) -> None:
    """Every decision of a batch, shared among threads; no result depends on their number."""
    for k in prange(array_at(batch, 1, BATCH)[0].n):
        fill_one(batch, k, thread_of())


@cache
def compiled_batch() -> Any:
    """``fill_all`` compiled for this process, from the disk cache where possible."""
    quiet_threads()
    register_outcomes()
    register(cast(FunctionType, fill_one), inline=False)
    return compiled(fill_all, parallel=True)


@dataclass(frozen=True)
class Outcomes:
    """All actions of N decisions, each simulated alone from the same bars; arrays (N, A).

    ``reward`` of each action (NaN masked, 0 where nothing opened); ``net_units`` of 1e-8 quote;
    ``end_row`` at whose close the outcome is known (-1: nothing opened, or still open at the last
    row); ``qty_steps`` and ``notional_quote`` as sized, ``clamped`` where a cap cut;
    ``mask`` True = allowed, ``reasons`` why not (``rules.sizing``).
    """

    reward: Float64Array
    net_units: Int64Array
    end_row: Int64Array
    qty_steps: Int64Array
    notional_quote: Float64Array
    clamped: BoolArray
    mask: BoolArray
    reasons: Any


def _room(n: int, n_actions: int) -> Outcomes:
    kinds = {"reward": "f8", "notional_quote": "f8", "clamped": "?", "mask": "?", "reasons": "i1"}
    shape = (n, n_actions)
    return Outcomes(**{f.name: np.empty(shape, kinds.get(f.name, "i8")) for f in fields(Outcomes)})


class BatchOutcomes:
    """Computes ``Outcomes``; one instance a market, preset, settings and kind of reward.

    ``reward_kind``: 0 log growth of the account, 1 R multiple, 2 shaped.
    """

    def __init__(
        self, data: MarketSeries, settings: CoreSettings, preset: ActionPreset, reward_kind: int = 0
    ) -> None:
        if reward_kind not in (0, 1, 2):
            raise FixInput(f"reward_kind must be 0, 1 or 2, got {reward_kind!r}")
        self._data, self._settings, self._kind = data, settings, reward_kind
        self._memory = lay_out_rules(data, settings, preset)
        self._sizes = np.ascontiguousarray(self._memory.actions[:, 0])
        self._fill = compiled_batch()

    def flat(self, rows: Int64Array, symbols: Int64Array, sides: Int64Array) -> Any:
        """Decisions (N,) of ``ASKED`` of an account that holds nothing but its start equity."""
        asked = np.zeros(len(rows), dtype=ASKED)
        asked["row"], asked["symbol"], asked["side"] = rows, symbols, sides
        asked["last_row"] = self._data.market.n_bars - 1
        equity = self._settings.start_equity_quote
        asked["equity"], asked["size_factor"] = equity, 1.0
        asked["spare_units"] = round(equity * 1e8)
        return asked

    def outcomes(self, asked: Any, out: Outcomes | None = None) -> Outcomes:
        """Size and simulate every action of every decision.

        Args:
            asked: decisions (N,) of ``ASKED``.
            out: a result of as many decisions that may be overwritten; fresh memory costs about as
                much time as the outcomes themselves.

        Raises:
            FixInput: A decision outside the market, or not an array of ``ASKED``.
        """
        self._check(asked)
        n, a = asked.size, self._sizes.size
        if out is None or out.reward.shape != (n, a):
            out = _room(n, a)
        columns: dict[str, Any] = {
            "asked": np.ascontiguousarray(asked),
            "stamps": np.empty((numba.get_num_threads(), MAX_STAMPS, 2)),
            "sizes": self._sizes,
            **vars(out),
        }
        batch = np.zeros(1, dtype=BATCH)
        batch["world"], batch["n"], batch["n_actions"] = self._memory.address, n, a
        batch["reward_kind"] = self._kind
        for name, array in columns.items():
            batch[name] = address_of(array)
        with PARALLEL_LOCK:
            self._fill(address_of(batch))
        return out

    def _check(self, asked: Any) -> None:
        if not isinstance(asked, np.ndarray) or asked.dtype != ASKED or asked.ndim != 1:
            raise FixInput("decisions must be a one-dimensional array of outcomes.ASKED")
        market = self._data.market
        last = asked["last_row"]
        bad = (asked["row"] < 0) | (last >= market.n_bars) | (asked["row"] > last)
        bad |= (asked["symbol"] < 0) | (asked["symbol"] >= market.n_symbols)
        bad |= np.abs(asked["side"]) != 1
        if bool(bad.any()):
            k = int(np.flatnonzero(bad)[0])
            raise FixInput(
                f"decision {k}: row {asked['row'][k]} to {last[k]}, symbol {asked['symbol'][k]}, "
                f"side {asked['side'][k]}: rows lie in 0..{market.n_bars - 1}, symbols in "
                f"0..{market.n_symbols - 1}, sides are +1 or -1"
            )
