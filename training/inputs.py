"""Everything a run needs before learning: market, votes, tape and the spans of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from envs.core.errors import FixData, FixSettings
from envs.core.market_data import MarketData
from envs.core.tape import EvLine, ExitSlope, VoteTable
from envs.core.types import NS_PER_DAY, NS_PER_SECOND, Int64Array
from envs.market.build import MarketReport, load_market
from runtime.settings import RunSettings, Settings
from runtime.signals.market import detail_of, generated
from training.tape import fifth_edges, half_year_edges

_TRAIN_SHARE = 0.65
_EMBARGO_SHARE = 0.01
_EMBARGO_MAX_DAYS = 30
_QUICK_DAYS = 183
_MIN_TEST_BARS = 100


@dataclass(frozen=True)
class Spans:
    """Grid rows: training [first, train_last], held out [test_first, test_last]."""

    first: int
    train_last: int
    test_first: int
    test_last: int

    def to_json(self, market: MarketData) -> dict[str, str]:
        """ISO times of the four rows."""
        rows = {"train_start": self.first, "train_end": self.train_last,
                "test_start": self.test_first, "test_end": self.test_last}  # fmt: skip
        return {k: iso(int(market.close_ns[r])) for k, r in rows.items()}


@dataclass(frozen=True)
class Inputs:
    """Market, votes and spans of a run; ``models`` is the ensemble behind real votes, if any."""

    market: MarketData
    report: MarketReport
    votes: VoteTable
    first_line: EvLine | None
    edges: Int64Array
    spans: Spans
    models: Any = None
    first_slopes: tuple[ExitSlope | None, ...] = (None, None, None)


def iso(time_ns: int) -> str:
    """UTC time as ISO text to the second."""
    return datetime.fromtimestamp(time_ns / NS_PER_SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def load_inputs(settings: Settings, cache: Path, progress: Any = None) -> Inputs:
    """Read or generate the market, obtain its votes, and cut the spans.

    Raises:
        FixData, FixSettings: Bad data or periods; the message says what to change.
    """
    run = settings.run
    if run.is_synthetic:
        return _synthetic(settings)
    return _real(settings, cache, progress)


def _synthetic(settings: Settings) -> Inputs:
    run, made = settings.run, generated(settings)
    market = made.market
    spans = spans_of(market, run, settings.core.signal.horizon_bars)
    edges = fifth_edges(spans.first, spans.train_last)
    return Inputs(
        market, made.report, made.votes, made.pool_line, edges, spans, None, made.exit_slopes
    )


def _real(settings: Settings, cache: Path, progress: Any) -> Inputs:
    from ensemble.crossfit import first_row, votes_for_run
    from ensemble.splits import walk_forward

    run = settings.run
    market, report = load_market(
        Path(run.data).expanduser(), run.symbols, run.timeframe, run.start_ns,
        run.test_end_ns, funding_default=run.funding == "default",
        default_rate=settings.core.costs.funding_rate, settings=settings.market,
        default_mmr=settings.core.costs.default_mmr, detail=detail_of(settings),
    )  # fmt: skip
    for s, name in enumerate(market.symbols):
        if not market.complete[:, s].any():
            raise FixData(f"{name}: no bar of the period has complete features; start earlier")
    spans = spans_of(market, run, settings.core.signal.horizon_bars)
    horizon = settings.core.signal.horizon_bars
    months = settings.ensemble.first_months, settings.ensemble.fold_months
    stop = spans.train_last + 1
    if not walk_forward(market.close_ns, first_row(market), stop, *months, horizon):
        raise _too_short(settings)
    votes, models = votes_for_run(
        market, settings.core, settings.ensemble, spans.train_last, run.seed, cache, progress
    )
    voted = np.flatnonzero(votes.valid.any(axis=(1, 2)))
    if voted.size == 0 or int(voted[0]) >= spans.train_last:
        raise _too_short(settings)
    first = int(voted[0])
    spans = Spans(first, spans.train_last, spans.test_first, spans.test_last)
    edges = half_year_edges(market.close_ns, first, spans.train_last)
    return Inputs(market, report, votes, None, edges, spans, models)


def _said(moment_ns: int | None) -> str:
    return "" if moment_ns is None else f" {iso(moment_ns)}"


def _too_short(settings: Settings) -> FixData:
    return FixData(
        "the training period is too short for one fold of votes: it needs "
        f"{settings.ensemble.first_months} months (QT_ENSEMBLE_FIRST_MONTHS) before the first of "
        f"{settings.ensemble.fold_months} (QT_ENSEMBLE_FOLD_MONTHS): start earlier or end later"
    )


def spans_of(market: MarketData, run: RunSettings, horizon: int) -> Spans:
    """Cut training and held-out spans with an embargo between them.

    Raises:
        FixSettings: Periods overlap, are reversed, or leave too few bars.
    """
    known = np.flatnonzero(market.complete.any(axis=1))
    if known.size == 0:
        raise FixData("no bar has complete features: give a longer period")
    first, last = int(known[0]), market.n_bars - 1
    train_end = run.train_end_ns
    if run.quick:
        days = _QUICK_DAYS * NS_PER_DAY // market.interval_ns
        last = min(last, first + int(days / _TRAIN_SHARE)) if train_end is None else last
    cut = first + int((last - first) * _TRAIN_SHARE)
    if train_end is not None:
        cut = market.row_at(train_end)
    embargo = max(
        horizon,
        min(
            int(_EMBARGO_SHARE * (last - first)),
            _EMBARGO_MAX_DAYS * NS_PER_DAY // market.interval_ns,
        ),
    )
    spans = Spans(first, cut - 1, cut + embargo, last)
    if spans.train_last - first < _MIN_TEST_BARS or last - spans.test_first < _MIN_TEST_BARS:
        raise FixSettings(
            f"training has {max(0, spans.train_last - first)} and the held-out period "
            f"{max(0, last - spans.test_first)} usable bars; each needs {_MIN_TEST_BARS}: "
            f"check --start, --train-end{_said(run.train_end_ns)} and --test-end against the "
            f"bars, {iso(int(market.close_ns[0]))} to {iso(int(market.close_ns[-1]))}"
        )
    return spans
