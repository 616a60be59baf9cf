"""One bar's votes of all symbols at once: each model is asked one question, not one a symbol."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ensemble.calibrated import calibrated
from ensemble.fitted import Fitted
from ensemble.protocol import Dataset
from envs.core.errors import FixInput, RefusedArtifact
from envs.core.types import MODEL_NAMES, BoolArray, Float64Array

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelAnswer:
    """One model's calibrated votes on all symbols of a bar, (S,) each.

    ``p_up``, ``p_down`` are NaN and ``valid`` False where it abstains; ``ev`` is the long side's
    expected gross move as a fraction of price, 0 where it abstains. ``reason`` is OK, or why it
    abstains on every symbol: NOT_INSTALLED, SCHEMA, ERROR, LATE.
    """

    model: str
    p_up: Float64Array
    p_down: Float64Array
    ev: Float64Array
    valid: BoolArray
    reason: str = "OK"


def silent(model: str, n_symbols: int, reason: str) -> ModelAnswer:
    """Answer of a model that abstains on every symbol."""
    nan = np.full(n_symbols, np.nan)
    return ModelAnswer(
        model, nan, nan.copy(), np.zeros(n_symbols), np.zeros(n_symbols, dtype=np.bool_), reason
    )


def ask_all(fitted: Fitted, data: Dataset, row: int) -> Iterator[ModelAnswer]:
    """Answers of the four models on every symbol with complete features, in their order.

    The same bits as the table of votes of the whole market. A model that fails abstains, with a
    logged warning; the others go on.

    Raises:
        FixInput: The market has no such row.
    """
    if not 0 <= row < data.market.n_bars:
        raise FixInput(f"row {row}: the market has rows 0 to {data.market.n_bars - 1}")
    for m, name in enumerate(MODEL_NAMES):
        yield _ask(fitted, name, m, data, row)


def _ask(fitted: Fitted, name: str, m: int, data: Dataset, row: int) -> ModelAnswer:
    market = data.market
    n = market.n_symbols
    if name not in fitted.models:
        return silent(name, n, "NOT_INSTALLED")
    symbols = np.flatnonzero(market.complete[row])
    out = silent(name, n, "OK")
    if symbols.size == 0:
        return out
    try:
        raw = fitted.models[name].predict(data, np.full(symbols.size, row), symbols)
        line, (up, down) = fitted.lines[m], fitted.calibrators[name]
        p, q, ev = calibrated(raw, up, down, line, market.atr_frac[row, symbols])
    except RefusedArtifact as error:
        _log.warning("%s abstains on all symbols: %s", name, error)
        return silent(name, n, "SCHEMA")
    except ImportError as error:
        _log.warning("%s abstains on all symbols: %s", name, error)
        return silent(name, n, "NOT_INSTALLED")
    except Exception:  # a model's failure must not stop the others
        _log.warning("%s abstains on all symbols", name, exc_info=True)
        return silent(name, n, "ERROR")
    known = np.isfinite(p) & np.isfinite(q)
    out.p_up[symbols], out.p_down[symbols], out.ev[symbols] = p, q, ev
    out.valid[symbols] = known
    return out
