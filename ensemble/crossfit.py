"""Cross-fitted votes for a whole history, and the frozen models of the bundle.

Every vote comes from a model that never saw its bar, nor any bar whose label reached into its test
block. Calibrators and EV lines of block k come from the votes of the blocks before k; block 1 uses
the last fifth of its training part, voted on by a model fitted to the first four fifths.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ensemble.calibrated import calibrated
from ensemble.calibrators import IDENTITY, Calibrator, fit_calibrator
from ensemble.fitted import Fitted
from ensemble.models import LIBRARY, new_forecaster
from ensemble.protocol import Dataset, Forecaster, RawVotes, dataset_of
from ensemble.settings import EnsembleSettings
from ensemble.splits import Fold, embargo_bars, purged, walk_forward
from ensemble.store import load_votes, save_votes, votes_key
from envs.core.market_data import MarketData
from envs.core.series import slippage_column
from envs.core.settings import CoreSettings
from envs.core.tape import EvLine, VoteTable
from envs.core.types import MODEL_NAMES, BoolArray, Float64Array
from envs.market.labels import Labels, triple_barrier
from envs.market.lines import fit_line

Report = Callable[[str], None]
_CALIBRATION_SHARE = 0.2


@dataclass
class _Work:
    """Raw and calibrated columns while the folds run, (T, S, M)."""

    raw_up: Float64Array
    raw_down: Float64Array
    up: Float64Array
    down: Float64Array
    ev: Float64Array


def votes_for_run(
    market: MarketData,
    core: CoreSettings,
    settings: EnsembleSettings,
    train_last: int,
    seed: int,
    cache: Path,
    report: Report | None = None,
) -> tuple[VoteTable, Fitted]:
    """Votes of the whole market: cross-fitted up to ``train_last``, by the bundle's models after.

    Cached by data and configuration, so a second run does not refit.
    """
    key = votes_key(market, core, settings, train_last, seed)
    folder = cache / "votes" / key
    names = [n for n in settings.models if importlib.util.find_spec(LIBRARY.get(n, n))]
    stored = load_votes(folder, market, names, settings)
    if stored is not None:
        return stored
    data, labels = prepare_data(market, core)
    work = _empty(market)
    horizon = core.signal.horizon_bars
    first = first_row(market)
    folds = walk_forward(
        market.close_ns, first, train_last + 1, settings.first_months, settings.fold_months, horizon
    )
    for k, fold in enumerate(folds):
        if report is not None:
            report(f"fold {k + 1} of {len(folds)}")
        _run_fold(data, labels, settings, names, fold, folds[:k], work, seed)
    fitted = _bundle_models(data, labels, settings, names, folds, work, first, train_last, seed)
    after = np.zeros_like(market.complete)
    after[train_last + 1 :] = market.complete[train_last + 1 :]
    for m, name in enumerate(MODEL_NAMES):
        if name in fitted.models:
            _vote(data, fitted.models[name], m, after, work)
            up, down = fitted.calibrators[name]
            _apply(market, work, m, after, up, down, fitted.lines[m])
    votes = _table(work, labels, horizon)
    save_votes(folder, votes, fitted, market)
    return votes, fitted


def prepare_data(market: MarketData, core: CoreSettings) -> tuple[Dataset, Labels]:
    """Dataset and labels of a market under given costs and horizon."""
    costs, horizon = core.costs, core.signal.horizon_bars
    labels = triple_barrier(market, horizon, costs)
    slip = np.stack(
        [
            slippage_column(market.atr_frac[:, s], costs.slippage_min_bps, costs.slippage_max_bps)
            for s in range(market.n_symbols)
        ],
        axis=1,
    )
    return dataset_of(market, labels.classes(), horizon, costs.taker_fee, slip), labels


def first_row(market: MarketData) -> int:
    """First row with complete features."""
    known = np.flatnonzero(market.complete.any(axis=1))
    return int(known[0]) if known.size else market.n_bars


def _run_fold(
    data: Dataset,
    labels: Labels,
    settings: EnsembleSettings,
    names: list[str],
    fold: Fold,
    before: list[Fold],
    work: _Work,
    seed: int,
) -> None:
    market = data.market
    train = purged(labels.end, market.complete, fold)
    block = _block(market, fold.test_start, fold.test_end)
    past = np.zeros_like(block)
    for old in before:
        past[old.test_start : old.test_end] = market.complete[old.test_start : old.test_end]
    past &= (labels.end >= 0) & (labels.end < fold.test_start)
    for m, name in enumerate(MODEL_NAMES):
        if name not in names:
            continue
        if not before:
            known = _calibration_votes(data, labels, settings, name, m, fold, work, seed)
        else:
            known = past
        model = new_forecaster(name, settings)
        model.fit(data, train, seed)
        _vote(data, model, m, block, work)
        up, down, line = _calibrate(labels, settings, market, m, known, work)
        _apply(market, work, m, block, up, down, line)
        if not before:
            work.raw_up[: fold.test_start, :, m] = np.nan
            work.raw_down[: fold.test_start, :, m] = np.nan


def _calibration_votes(
    data: Dataset,
    labels: Labels,
    settings: EnsembleSettings,
    name: str,
    m: int,
    fold: Fold,
    work: _Work,
    seed: int,
) -> BoolArray:
    """Out-of-sample votes of the first block's last training fifth; returns their rows."""
    cut = fold.train_end - int(_CALIBRATION_SHARE * (fold.train_end - fold.first))
    gap = embargo_bars(cut - fold.first, data.market.interval_ns, data.horizon)
    inner = Fold(fold.first, cut - gap, cut, fold.train_end)
    model = new_forecaster(name, settings)
    model.fit(data, purged(labels.end, data.market.complete, inner), seed)
    rows = _block(data.market, inner.test_start, inner.test_end)
    rows &= (labels.end >= 0) & (labels.end < fold.test_start)
    _vote(data, model, m, rows, work)
    return rows


def _bundle_models(
    data: Dataset,
    labels: Labels,
    settings: EnsembleSettings,
    names: list[str],
    folds: list[Fold],
    work: _Work,
    first: int,
    train_last: int,
    seed: int,
) -> Fitted:
    """One fit on all labels that end an embargo before the end of training."""
    market = data.market
    gap = embargo_bars(train_last - first, market.interval_ns, data.horizon)
    whole = Fold(first, train_last + 1 - gap, train_last + 1, market.n_bars)
    train = purged(labels.end, market.complete, whole)
    known = np.zeros_like(train)
    for fold in folds:
        known |= _block(market, fold.test_start, fold.test_end)
    known &= (labels.end >= 0) & (labels.end <= train_last)
    out = Fitted()
    lines: list[EvLine | None] = []
    for m, name in enumerate(MODEL_NAMES):
        line = None
        if name in names:
            model = new_forecaster(name, settings)
            model.fit(data, train, seed)
            up, down, line = _calibrate(labels, settings, market, m, known, work)
            out.models[name], out.calibrators[name] = model, (up, down)
        lines.append(line)
    out.lines = tuple(lines)
    return out


def _calibrate(
    labels: Labels,
    settings: EnsembleSettings,
    market: MarketData,
    m: int,
    known: BoolArray,
    work: _Work,
) -> tuple[Calibrator, Calibrator, EvLine | None]:
    ok = known & np.isfinite(work.raw_up[:, :, m]) & np.isfinite(labels.y_long)
    if not ok.any():
        return IDENTITY, IDENTITY, None
    raw_up, raw_down = work.raw_up[:, :, m][ok], work.raw_down[:, :, m][ok]
    up = fit_calibrator(settings.calibrator, raw_up, labels.y_long[ok])
    down = fit_calibrator(settings.calibrator, raw_down, labels.y_short[ok])
    score = up.apply(raw_up) - down.apply(raw_down)
    when = np.repeat(market.close_ns[:, None], ok.shape[1], axis=1)[ok]
    return up, down, fit_line(score, labels.gross[ok], when)


def _vote(data: Dataset, model: Forecaster, m: int, wanted: BoolArray, work: _Work) -> None:
    rows, symbols = np.nonzero(wanted)
    if rows.size == 0:
        return
    votes = model.predict(data, rows.astype(np.int64), symbols.astype(np.int64))
    work.raw_up[rows, symbols, m] = votes.up
    work.raw_down[rows, symbols, m] = votes.down


def _apply(
    market: MarketData,
    work: _Work,
    m: int,
    block: BoolArray,
    up: Calibrator,
    down: Calibrator,
    line: EvLine | None,
) -> None:
    rows, symbols = np.nonzero(block)
    atr_frac = market.atr_frac[rows, symbols]
    raw = RawVotes(work.raw_up[rows, symbols, m], work.raw_down[rows, symbols, m])
    p, q, ev = calibrated(raw, up, down, line, atr_frac)
    work.up[rows, symbols, m], work.down[rows, symbols, m] = p, q
    if line is not None:
        work.ev[rows, symbols, m] = ev


def _block(market: MarketData, start: int, end: int) -> BoolArray:
    out = np.zeros_like(market.complete)
    out[start:end] = market.complete[start:end]
    return out


def _empty(market: MarketData) -> _Work:
    shape = (market.n_bars, market.n_symbols, len(MODEL_NAMES))
    a, b, c, d = (np.full(shape, np.nan) for _ in range(4))
    return _Work(a, b, c, d, np.zeros(shape))


def _table(work: _Work, labels: Labels, horizon: int) -> VoteTable:
    valid = np.isfinite(work.up) & np.isfinite(work.down)
    return VoteTable(
        MODEL_NAMES, work.up, work.down, valid, work.ev, labels.y_long, labels.y_short,
        labels.gross, labels.end, "oos", horizon,
    )  # fmt: skip


def votes_of_bundle(market: MarketData, core: CoreSettings, fitted: Fitted) -> VoteTable:
    """Votes of frozen models, calibrators and lines for every bar of a market.

    Out of sample only after the span the models were fitted on: the caller sees to that.
    """
    data, labels = prepare_data(market, core)
    work = _empty(market)
    for m, name in enumerate(MODEL_NAMES):
        if name in fitted.models:
            _vote(data, fitted.models[name], m, market.complete, work)
            up, down = fitted.calibrators[name]
            _apply(market, work, m, market.complete, up, down, fitted.lines[m])
    return _table(work, labels, core.signal.horizon_bars)
