"""The rolling window of a live process: market, votes and tape in arrays of bounded length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from ensemble.protocol import Dataset
from envs.core.instrument import Instrument
from envs.core.market_data import MarketData
from envs.core.rules import columns as packed
from envs.core.rules.walk import Series
from envs.core.series import (
    MarketSeries,
    brackets_of,
    contract_of,
    fees_of,
    size_rules_of,
    slippage_column,
)
from envs.core.settings import CoreSettings
from envs.core.tape import ExitSlope, SignalTape, VoteTable
from envs.core.types import MODEL_NAMES, Float32Array, Float64Array, Int64Array
from envs.market.features import feature_names, schema_hash
from envs.market.following import BarColumns
from envs.market.grid import SymbolColumns
from envs.market.stream import MarketRow
from runtime.signals.row_writer import empty_tape

KEPT_ROWS = 2_048
"""Rows that stay when the oldest leave: more than features, ranks, labels and models look back."""
CAPACITY = KEPT_ROWS + 512

_MODELS = len(MODEL_NAMES)


@dataclass(frozen=True)
class _LiveMarket(MarketData):
    """Market columns whose observation cast is kept row by row."""

    shown: Float32Array = field(default_factory=lambda: np.zeros(0, np.float32), compare=False)

    @property
    def features_f32(self) -> Float32Array:
        """Observation cast of ``features`` with NaN as 0; shape (T, S, F)."""
        return self.shown


class LiveWindow:
    """Columns of S symbols over ``CAPACITY`` rows; rows after the last one are blank.

    All views share their arrays, which never move: whoever holds ``data``, ``votes`` or ``tape``
    sees every new row. ``shift`` drops the oldest rows.

    Attributes:
        market, data, votes, tape: the views of the core.
        dataset: what the models read. ``columns``: what the features read.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        interval_ns: int,
        first_close_ns: int,
        settings: CoreSettings,
        algorithm: str,
        slopes: tuple[ExitSlope | None, ...],
        origin: str,
    ) -> None:
        self.instruments, self.interval_ns, self.settings = instruments, interval_ns, settings
        n, horizon = len(instruments), settings.signal.horizon_bars
        self.market = _blank_market(tuple(instruments), interval_ns, first_close_ns)
        self.data = _blank_data(self.market, settings)
        self.votes = _blank_votes(n, origin, horizon)
        self.tape = empty_tape(CAPACITY, self.votes, algorithm, slopes)
        prices = np.zeros((CAPACITY, n, 4))
        zeros = [np.zeros((CAPACITY, n)) for _ in range(3)]
        self.columns = BarColumns(
            self.market.symbols, interval_ns, self.market.close_ns, self.market.valid, prices,
            self.market.volume, zeros[0], zeros[1], np.zeros(n, dtype=np.int64),
        )  # fmt: skip
        unknown = np.full((CAPACITY, n), np.nan)
        self.dataset = Dataset(self.market, unknown, zeros[2], unknown.copy(), horizon)
        self._ticks = np.array([float(i.tick) for i in instruments])
        self._arrays = self._all_arrays()
        self._blank = [a[-1].copy() for a in self._arrays]

    def load(
        self, market: MarketData, laid: Sequence[SymbolColumns], data: MarketSeries,
        dataset: Dataset, votes: VoteTable, tape: SignalTape,
    ) -> int:  # fmt: skip
        """Take over the last rows of a history; returns the last row's place."""
        n = market.n_bars
        first = max(0, n - KEPT_ROWS)
        k = n - first
        # The oldest row's slippage belongs to fills in it, which are over.
        _copy(self.market, market, first, k)
        self.market.shown[:k] = np.nan_to_num(
            market.features[first:], nan=0.0, posinf=0.0, neginf=0.0
        )
        self.market.close_ns[:] = market.close_ns[first] + self.interval_ns * np.arange(CAPACITY)
        self.market.has_mark[:] = market.has_mark
        for mine, theirs in zip(self.data.series, data.series, strict=True):
            for name, a, b in zip(Series._fields, mine, theirs, strict=True):
                if name not in ("close_ns", "detail", "detail_ok"):
                    a[:k] = b[first:]
        for name in ("bars", "marks", "slip_next"):
            for mine, theirs in zip(getattr(self.data, name), getattr(data, name), strict=True):
                mine[:k] = theirs[first:]
        self.data.rows[:k] = data.rows[first:]
        _copy(self.votes, votes, first, k)
        ends = self.votes.label_end[:k]
        ends[:] = np.where(ends < first, -1, ends - first)
        _copy(self.tape, tape, first, k)
        for s, c in enumerate(laid):
            bars = c.bars
            for place, column in enumerate((bars.open, bars.high, bars.low, bars.close)):
                self.columns.prices[:k, s, place] = column[first:]
            self.columns.funding[:k, s] = bars.funding[first:]
            self.columns.basis[:k, s] = bars.basis[first:]
            self.columns.listed[s] = c.listed + int(market.close_ns[0]) // self.interval_ns
        for name in ("classes", "cost", "log_close"):
            getattr(self.dataset, name)[:k] = getattr(dataset, name)[first:]
        return k - 1

    def put_bars(
        self,
        row: int,
        bars: Mapping[int, tuple[tuple[int, int, int, int], float]],
        marks: Mapping[int, tuple[float, float, float, float]],
        funding: Sequence[tuple[float, float, bool]],
    ) -> None:
        """Write the bars that close at a row: ticks and volume by symbol.

        ``marks`` in quote by symbol; ``funding`` per symbol: last rate known at the close, rate
        charged at the open, whether a stamp falls there.
        """
        for s, (ticks, volume) in bars.items():
            self._put_bar(row, s, ticks, volume, marks.get(s))
        m = self.market
        before = row - 1 if row > 0 else row
        for s, (known, rate, stamp) in enumerate(funding):
            self.columns.funding[row, s] = known
            m.funding_rate[row, s], m.funding_stamp[row, s] = rate, stamp
            one = self.data.series[s]
            one.funding[row], one.stamp[row] = rate, stamp
            one.slip[row] = self.data.slip_next[s][before]
            # Until the row's own is known: positions are looked after meanwhile.
            self.data.slip_next[s][row] = self.data.slip_next[s][before]
            packed_row = self.data.rows[row, s]
            packed_row[packed.FUNDING], packed_row[packed.STAMP] = rate, stamp
            packed_row[packed.SLIP] = one.slip[row]
        self._put_logs(row)

    def mend_bar(
        self, row: int, s: int, ticks: tuple[int, int, int, int], volume: float,
        mark: tuple[float, float, float, float] | None,
    ) -> None:  # fmt: skip
        """Write a bar that came late into a row of the past."""
        self._put_bar(row, s, ticks, volume, mark)
        self._put_logs(row)

    def _put_logs(self, row: int) -> None:
        m = self.market
        price = np.where(m.valid[row], m.close_ticks[row], 1) * self._ticks
        self.dataset.log_close[row] = np.where(m.valid[row], np.log(price), np.nan)

    def _put_bar(
        self, row: int, s: int, ticks: tuple[int, int, int, int], volume: float,
        mark: tuple[float, float, float, float] | None,
    ) -> None:  # fmt: skip
        m, one, tick = self.market, self.data.series[s], self.instruments[s].tick
        num, den = tick.numerator, tick.denominator
        m.open_ticks[row, s], m.high_ticks[row, s] = ticks[0], ticks[1]
        m.low_ticks[row, s], m.close_ticks[row, s] = ticks[2], ticks[3]
        m.volume[row, s], m.valid[row, s] = volume, True
        prices = np.asarray(ticks, dtype=np.int64) * num / den
        m.has_mark[s] |= mark is not None
        m.mark[row, s] = prices if mark is None else mark
        self.columns.prices[row, s] = prices
        self.columns.basis[row, s] = m.mark[row, s, 3] / prices[3] - 1.0
        one.ohlc[row], one.valid[row] = ticks, True
        one.mark[row] = m.mark[row, s] * den / num if m.has_mark[s] else ticks
        self.data.bars[s][row] = ticks
        self.data.marks[s][row] = tuple(one.mark[row].tolist())
        packed_row = self.data.rows[row, s]
        packed_row[packed.OPEN : packed.CLOSE + 1] = ticks
        packed_row[packed.MARK_OPEN : packed.MARK_CLOSE + 1] = one.mark[row]
        packed_row[packed.VALID] = True

    def put_features(self, row: int, found: MarketRow) -> None:
        """Write what was computed of a row at its close."""
        m, costs = self.market, self.settings.costs
        m.features[row], m.atr[row], m.atr_frac[row] = found.features, found.atr, found.atr_frac
        m.regime[row], m.sizing_regime[row] = found.regime, found.sizing_regime
        m.market_state[row], m.complete[row] = found.market_state, found.complete
        m.shown[row] = np.nan_to_num(found.features, nan=0.0, posinf=0.0, neginf=0.0)
        slip = slippage_column(found.atr_frac, costs.slippage_min_bps, costs.slippage_max_bps)
        self.dataset.cost[row] = 2.0 * (costs.taker_fee + slip)
        rows = self.data.rows[row]
        rows[:, packed.SLIP_NEXT], rows[:, packed.ATR] = slip, found.atr
        rows[:, packed.ATR_FRAC], rows[:, packed.REGIME] = found.atr_frac, found.regime
        for s, value in enumerate(slip.tolist()):
            self.data.slip_next[s][row] = value
            self.data.series[s].atr[row] = found.atr[s]

    def shift(self, k: int) -> None:
        """Drop the ``k`` oldest rows; the last ``k`` become blank."""
        for array, blank in zip(self._arrays, self._blank, strict=True):
            array[:-k] = array[k:]
            array[-k:] = blank
        close_ns = self.market.close_ns
        close_ns += k * self.interval_ns
        ends = self.votes.label_end
        ends[:] = np.where(ends < k, -1, ends - k)
        empty: tuple[list[Any], ...] = (*self.data.bars, *self.data.marks, *self.data.slip_next)
        for rows in empty:
            last = rows[-1]
            del rows[:k]
            rows += [last] * k

    def _all_arrays(self) -> list[Any]:
        """Every array with rows, once; the times move by themselves."""
        holders: list[Any] = [getattr(self.market, f.name) for f in fields(self.market)]
        holders += [getattr(t, f.name) for t in (self.votes, self.tape) for f in fields(t)]
        holders += [getattr(self.columns, f.name) for f in fields(self.columns)]
        holders += [self.dataset.classes, self.dataset.cost, self.dataset.log_close]
        holders += [self.data.rows, *(a for one in self.data.series for a in one)]
        found = {
            id(a): a for a in holders if isinstance(a, np.ndarray) and a.shape[:1] == (CAPACITY,)
        }
        del found[id(self.market.close_ns)]
        return list(found.values())


def _copy(mine: Any, theirs: Any, first: int, k: int) -> None:
    """Copy the rows of every column of a table that has some."""
    for f in fields(theirs):
        column = getattr(theirs, f.name)
        if isinstance(column, np.ndarray) and f.name not in ("close_ns", "has_mark"):
            getattr(mine, f.name)[:k] = column[first:]


def _blank_market(
    instruments: tuple[Instrument, ...], interval_ns: int, first_close_ns: int
) -> _LiveMarket:
    names, n = feature_names(), len(instruments)
    shape, cube = (CAPACITY, n), (CAPACITY, n, len(names))
    ticks: list[Int64Array] = [np.zeros(shape, dtype=np.int64) for _ in range(4)]
    flags = [np.zeros(shape, dtype=np.bool_) for _ in range(3)]
    kinds = [np.full(shape, -1, dtype=np.int8) for _ in range(3)]
    unknown: list[Float64Array] = [np.full(shape, np.nan) for _ in range(2)]
    return _LiveMarket(
        tuple(i.symbol for i in instruments), instruments, interval_ns,
        first_close_ns + interval_ns * np.arange(CAPACITY, dtype=np.int64),
        ticks[0], ticks[1], ticks[2], ticks[3], np.zeros(shape), flags[0],
        np.zeros((CAPACITY, n, 4)), np.zeros(n, dtype=np.bool_), np.zeros(shape), flags[1],
        unknown[0], unknown[1], kinds[0], kinds[1], kinds[2], np.full(cube, np.nan), names,
        schema_hash(names), flags[2], None, "live", np.zeros(cube, dtype=np.float32),
    )  # fmt: skip


def _blank_data(market: MarketData, settings: CoreSettings) -> MarketSeries:
    n, calm = market.n_symbols, settings.costs.slippage_min_bps * 0.0001
    series = tuple(
        Series(
            np.zeros((CAPACITY, 4), dtype=np.int64), np.zeros((CAPACITY, 4)), np.zeros(CAPACITY),
            np.zeros(CAPACITY, dtype=np.bool_), np.full(CAPACITY, calm), np.full(CAPACITY, np.nan),
            market.close_ns, np.zeros(CAPACITY, dtype=np.bool_),
            np.zeros((CAPACITY, 0, 4), dtype=np.int64), np.zeros(CAPACITY, dtype=np.bool_),
        )
        for _ in range(n)
    )  # fmt: skip
    bars: Any = tuple([(0, 0, 0, 0)] * CAPACITY for _ in range(n))
    marks: Any = tuple([(0.0, 0.0, 0.0, 0.0)] * CAPACITY for _ in range(n))
    return MarketSeries(
        market, series, tuple(contract_of(i) for i in market.instruments),
        tuple(brackets_of(i) for i in market.instruments), bars, marks,
        tuple([calm] * CAPACITY for _ in range(n)), np.zeros((CAPACITY, n, packed.WIDTH)),
        fees_of(settings), size_rules_of(settings),
    )  # fmt: skip


def _blank_votes(n: int, origin: str, horizon: int) -> VoteTable:
    shape, cube = (CAPACITY, n), (CAPACITY, n, _MODELS)
    unknown: list[Float64Array] = [np.full(cube, np.nan) for _ in range(2)]
    labels: list[Float64Array] = [np.full(shape, np.nan) for _ in range(3)]
    return VoteTable(
        MODEL_NAMES, unknown[0], unknown[1], np.zeros(cube, dtype=np.bool_), np.zeros(cube),
        labels[0], labels[1], labels[2], np.full(shape, -1, dtype=np.int64), origin, horizon,
    )  # fmt: skip
