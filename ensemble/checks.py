"""Conformance suite for forecasters: what any model must keep to, checked on the model itself."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ensemble.demands import (
    SAFE_FORMATS,
    FailedCheck,
    copy_of,
    is_safe,
    part,
    refusal,
    require,
    require_probabilities,
    require_same,
    silent,
    text_of,
    unchanged,
)
from ensemble.protocol import Dataset, Forecaster, RawVotes
from ensemble.window import last_bars
from envs.core.errors import FixInput
from envs.core.types import BoolArray, Int64Array

__all__ = ["FailedCheck", "MakeForecaster", "check_forecaster"]

MakeForecaster = Callable[[], Forecaster]
_OTHER = "another-schema"


@dataclass(frozen=True)
class _Case:
    """What the checks ask about: N rows after training, in drawn order."""

    make: MakeForecaster
    data: Dataset
    train: BoolArray
    seed: int
    rows: Int64Array
    symbols: Int64Array


def check_forecaster(
    make: MakeForecaster, data: Dataset, train: BoolArray, seed: int = 0, n_rows: int = 120
) -> None:
    """Check a forecaster; ``make`` returns a new, unfitted one, always the same.

    Fitting is seeded and reads no label outside ``train`` and no bar after its last label; votes
    are probabilities rounded to 1e-6 that depend on neither their batch nor later bars nor bars
    before the window; unknown rows abstain; the saved model votes the same, in formats that execute
    nothing; what does not fit is refused in words.

    Args:
        train: (T, S) rows to fit on; complete rows after the last label of these are voted on.
        n_rows: how many of those, drawn with ``seed``.

    Raises:
        FailedCheck: The first rule that is broken.
        FixInput: No complete row after training.
    """
    last = int(np.flatnonzero(train.any(axis=1))[-1]) + data.horizon + 1
    later = data.market.complete.copy()
    later[: last + 1] = False
    rows, symbols = np.nonzero(later)
    if rows.size < 2:
        raise FixInput("check_forecaster needs complete rows after the last training label")
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(rows.size)[:n_rows]
    case = _Case(make, data, train, seed, rows[drawn], symbols[drawn])
    _check_shape(make())
    _check_unfitted(case)
    model = _fitted(case, data)
    votes = _ask(model, case)
    _check_batch(model, case, votes)
    _check_fit(case, votes, last)
    _check_unknown(model, case)
    _check_reach(model, case, votes)
    _check_refusals(model, case)
    with tempfile.TemporaryDirectory() as folder:
        _check_saved(model, case, votes, Path(folder))


def _check_shape(model: Forecaster) -> None:
    if not isinstance(model, Forecaster):
        raise FailedCheck(f"{type(model).__name__} lacks a member of the protocol Forecaster")
    require(model.name != "", type(model).__name__, "has no name")
    require(model.length >= 1, model.name, f"reads {model.length} bars for a vote")


def _check_unfitted(case: _Case) -> None:
    model = case.make()
    with refusal(model.name, "votes without having been fitted", model.name):
        model.predict(case.data, case.rows, case.symbols)
    with refusal(model.name, "fits on no rows", model.name):
        model.fit(case.data, np.zeros_like(case.train), case.seed)


def _check_fit(case: _Case, votes: RawVotes, last: int) -> None:
    twin = _fitted(case, case.data)
    name = twin.name
    require_same(_ask(twin, case), votes, name, "votes differently after an equal fit: chance")
    twin.fit(case.data, case.train, case.seed)
    require_same(_ask(twin, case), votes, name, "remembers an earlier fit when fitted again")
    unseen = np.where(case.train, case.data.classes, 2.0 - case.data.classes)
    other = _fitted(case, replace(case.data, classes=unseen))
    require_same(_ask(other, case), votes, name, "learned labels outside the training rows")
    other = _fitted(case, _spoiled_after(case.data, last))
    require_same(_ask(other, case), votes, name, "learned from bars after its training labels")


def _check_batch(model: Forecaster, case: _Case, votes: RawVotes) -> None:
    name, n = model.name, case.rows.size
    require_probabilities(votes, n, name)
    known = np.isfinite(votes.up)
    require(bool(known.any()), name, "abstains on every complete row")
    varied = np.unique(votes.up[known]).size > 1
    require(varied, name, "votes the same on every row: fit it for longer, or on more rows")
    require_same(_ask(model, case), votes, name, "votes differently when asked twice")
    for i in range(n):
        one = slice(i, i + 1)
        alone = _predict(model, case.data, case.rows[one], case.symbols[one])
        what = f"votes on row {case.rows[i]} alone as {text_of(alone, 0)}, in a batch as "
        require_same(alone, part(votes, one), name, what + text_of(votes, i))
    turned = _predict(model, case.data, case.rows[::-1].copy(), case.symbols[::-1].copy())
    whole = slice(None, None, -1)
    require_same(turned, part(votes, whole), name, "votes differently in another order")
    none = np.zeros(0, dtype=np.int64)
    require_probabilities(_predict(model, case.data, none, none), 0, name)


def _check_unknown(model: Forecaster, case: _Case) -> None:
    """Rows without features, with one feature missing, and without a window abstain."""
    market, half = case.data.market, case.rows.size // 2
    features, complete = market.features.copy(), market.complete.copy()
    for i, (row, symbol) in enumerate(zip(case.rows, case.symbols, strict=True)):
        features[row, symbol, i % features.shape[2] if i < half else slice(None)] = np.nan
        complete[row, symbol] = False
    holed = replace(case.data, market=replace(market, features=features, complete=complete))
    what = "votes although a required column is NaN"
    require(silent(_predict(model, holed, case.rows, case.symbols)), model.name, what)
    first = np.zeros(market.n_symbols, dtype=np.int64)
    early = _predict(model, case.data, first, np.arange(market.n_symbols))
    unknown = ~market.complete[0] | (model.length > 1)
    require(silent(part(early, unknown)), model.name, "votes on row 0 without a full window")


def _check_reach(model: Forecaster, case: _Case, votes: RawVotes) -> None:
    """Neither bars after a row nor bars before its window change its vote."""
    few = range(min(8, case.rows.size))
    for i in few:
        row = int(case.rows[i])
        past = case.rows <= row
        got = _predict(model, _spoiled_after(case.data, row), case.rows[past], case.symbols[past])
        require_same(got, part(votes, past), model.name, "votes differently when later bars change")
    for i in few:
        window = last_bars(case.data, int(case.rows[i]), model.length)
        at = np.array([window.market.n_bars - 1])
        got = _predict(model, window, at, case.symbols[i : i + 1])
        what = f"reads more than the {model.length} bars it names"
        require_same(got, part(votes, slice(i, i + 1)), model.name, what)


def _check_refusals(model: Forecaster, case: _Case) -> None:
    market = case.data.market
    other = replace(case.data, market=replace(market, feature_hash=_OTHER))
    what = "votes on another feature schema"
    with refusal(model.name, what, _OTHER, market.feature_hash):
        model.predict(other, case.rows, case.symbols)
    for row, symbol in ((-1, 0), (market.n_bars, 0), (market.n_bars - 1, market.n_symbols)):
        what = f"votes on row {row}, symbol {symbol}, outside the market"
        with refusal(model.name, what, model.name):
            model.predict(case.data, np.array([row]), np.array([symbol]))


def _check_saved(model: Forecaster, case: _Case, votes: RawVotes, folder: Path) -> None:
    name, schema = model.name, case.data.market.feature_hash
    model.save(folder)
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    require(bool(files), name, "saves no file")
    for path in files:
        require(is_safe(path), name, f"saves {path.name}: not {', '.join(SAFE_FORMATS)}")
    loaded = case.make()
    loaded.load(folder, schema)
    require_same(_ask(loaded, case), votes, name, "votes differently after loading")
    require(loaded.version == model.version != "", name, "has no version, or another when loaded")
    with refusal(name, "loads a model of another feature schema", _OTHER, schema):
        case.make().load(folder, _OTHER)
    for path in files:
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with refusal(name, f"loads with half of {path.name}", path.name):
            case.make().load(folder, schema)
        path.unlink()
        with refusal(name, f"loads without {path.name}", path.name):
            case.make().load(folder, schema)
        path.write_bytes(whole)


def _fitted(case: _Case, data: Dataset) -> Forecaster:
    """Fit a new one, and see that fitting leaves everything it was given alone."""
    model = case.make()
    before, train = copy_of(data), case.train.copy()
    try:
        model.fit(data, train, case.seed)
    except Exception as error:
        raise FailedCheck(f"forecaster {model.name} cannot be fitted: {error!r}") from error
    same = unchanged(before, data) and bool(np.array_equal(train, case.train))
    require(same, model.name, "changes its inputs while fitting")
    return model


def _ask(model: Forecaster, case: _Case) -> RawVotes:
    return _predict(model, case.data, case.rows, case.symbols)


def _predict(model: Forecaster, data: Dataset, rows: Int64Array, symbols: Int64Array) -> RawVotes:
    before, asked = copy_of(data), (rows.copy(), symbols.copy())
    try:
        votes = model.predict(data, *asked)
    except Exception as error:
        where = f"on {rows.size} rows"
        raise FailedCheck(f"forecaster {model.name} cannot vote {where}: {error!r}") from error
    same = np.array_equal(asked[0], rows) and np.array_equal(asked[1], symbols)
    require(bool(same) and unchanged(before, data), model.name, "changes its inputs while voting")
    return votes


def _spoiled_after(data: Dataset, row: int) -> Dataset:
    """Return the dataset with everything after a row changed."""
    market, rest = data.market, slice(row + 1, None)
    features, atr_frac = market.features.copy(), market.atr_frac.copy()
    classes, cost, log_close = data.classes.copy(), data.cost.copy(), data.log_close.copy()
    features[rest] *= -0.5
    atr_frac[rest] *= 2.0
    classes[rest] = 2.0 - classes[rest]
    cost[rest] *= 3.0
    log_close[rest] += 0.01 * np.arange(1, log_close[rest].shape[0] + 1)[:, None]
    spoiled = replace(market, features=features, atr_frac=atr_frac)
    return Dataset(spoiled, classes, cost, log_close, data.horizon)
