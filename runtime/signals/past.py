"""What a live process knows when it starts: the history it was given, with votes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ensemble.crossfit import prepare_data
from ensemble.protocol import Dataset
from envs.core.errors import FixData
from envs.core.instrument import Instrument
from envs.core.market_data import MarketData
from envs.core.series import MarketSeries, prepare
from envs.core.tape import VoteTable
from envs.core.types import MODEL_NAMES
from envs.market.bars import RawSeries
from envs.market.build import build_market
from envs.market.grid import SymbolColumns, on_common_grid
from runtime.settings import Settings
from runtime.signals.live_labels import complete_labels
from runtime.signals.voters import Voter

LEAST_BARS = 1_600
"""Bars without which no row of features is complete."""
FULL_BARS = 2_700
"""Bars from which the trailing ranks and every weight since the last snapshot follow."""


@dataclass(frozen=True)
class Past:
    """Market, votes and labels of a history, in the forms that the window takes over."""

    market: MarketData
    laid: tuple[SymbolColumns, ...]
    data: MarketSeries
    dataset: Dataset
    votes: VoteTable


def past_of(
    series: Sequence[RawSeries], instruments: Sequence[Instrument], settings: Settings, voter: Voter
) -> Past:
    """Features, votes and labels of closed bars.

    Raises:
        FixData: Bad bars, or too few of a symbol.
    """
    for raw in series:
        if raw.open_ns.size < LEAST_BARS:
            raise FixData(
                f"{raw.symbol}: {raw.open_ns.size} bars of history, {LEAST_BARS} are needed: ask "
                f"the venue for {FULL_BARS}, or leave the symbol out"
            )
    rate = settings.core.costs.funding_rate
    market, _ = build_market(series, instruments, settings=settings.market, default_rate=rate)
    laid = tuple(
        on_common_grid(r, i, market.close_ns, rate)
        for r, i in zip(series, instruments, strict=True)
    )
    dataset, _ = prepare_data(market, settings.core)
    votes = voter.table(market, settings.core)
    complete_labels(market, votes, settings.core.costs)
    return Past(market, laid, prepare(market, settings.core), dataset, votes)


def silence(
    market: MarketData, votes: VoteTable, abstained: Iterable[tuple[int, str]],
    unvoted: Iterable[tuple[int, str]],
) -> None:  # fmt: skip
    """Take away votes that were never given: (close, model) and (close, symbol)."""
    for close_ns, name in abstained:
        row, m = market.row_at(close_ns), MODEL_NAMES.index(name)
        if row < market.n_bars:
            _forget(votes, (row, slice(None), m))
    for close_ns, symbol in unvoted:
        row, s = market.row_at(close_ns), market.symbols.index(symbol)
        if row < market.n_bars:
            _forget(votes, (row, s, slice(None)))


def without(raw: RawSeries, closes_ns: set[int]) -> RawSeries:
    """The series without the bars of some closes."""
    if not closes_ns:
        return raw
    keep = ~np.isin(raw.open_ns + raw.interval_ns, np.fromiter(closes_ns, dtype=np.int64))
    names = ("open_ns", "open", "high", "low", "close", "volume")
    rows = None if raw.rows is None else raw.rows[keep]
    return replace(raw, rows=rows, finer=None, **{n: getattr(raw, n)[keep] for n in names})


def _forget(votes: VoteTable, where: tuple[int | slice, ...]) -> None:
    votes.p_up[where] = np.nan
    votes.p_down[where] = np.nan
    votes.valid[where] = False
    votes.ev[where] = 0.0
