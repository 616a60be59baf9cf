"""A market laid out for the compiled environments; shared by all of them, never written."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from envs.core.actions import ActionPreset
from envs.core.decide import PresetArrays
from envs.core.errors import FixInput
from envs.core.gate import RECOVERING_POSITIONS, STOP_WINDOW_NS, stop_limits
from envs.core.rules.lifecycle import Fees
from envs.core.rules.limits import StopLimits
from envs.core.rules.sizing import Contract, SizeRules
from envs.core.series import MarketSeries
from envs.core.settings import CoreSettings
from envs.core.tape import SignalTape, VoteTable
from envs.core.types import BoolArray, EntryStyle, Float64Array
from envs.observe import BOUND, mean_known

SIDE, SCORE, EV, CONFIDENCE, UP, DOWN, VALID_VOTES, REGIME = range(8)
"""Columns of ``signals`` (T, S, 8)."""

MAX_SYMBOLS = 63


class Market(NamedTuple):
    """What every environment reads.

    ``rows`` (T, S, 16) see ``rules.columns``; ``signals`` (T, S, 8); ``features`` (T, S, F) float32
    clipped; ``queue`` (T, S) candidate symbols in the order of decision, -1 behind them;
    ``next_row`` (T + 1,) first row at or after with a candidate (T: none); ``contracts`` (S, 5);
    ``brackets`` (S, K, 3) padded with their last row; ``detail`` (T, S, K, 4) with K = 0 without
    finer bars; ``actions`` (A, 3) size, leverage, exit; ``constants`` see ``constants_of``.
    """

    rows: Any
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
    constants: Any


class Rules(NamedTuple):
    """Constants of a run as scalars, unpacked from ``constants`` at each call."""

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


def rules_of(c: Any) -> Rules:
    """Rebuild the rules' tuples from the packed constants."""
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


def constants_of(data: MarketSeries, settings: CoreSettings) -> Float64Array:
    """Pack every constant of a run as float64 (all whole numbers stay below 2**53)."""
    entry = settings.entry
    values = [
        *data.fees, *data.size_rules, *stop_limits(settings), data.market.interval_ns,
        entry.cooldown_s * 1_000_000_000, settings.risk.max_positions, RECOVERING_POSITIONS,
        STOP_WINDOW_NS, int(entry.intrabar), entry.style is EntryStyle.POST_ONLY,
        int(entry.unfilled), round(settings.start_equity_quote * 1e8),
        settings.ruin_fraction * settings.start_equity_quote, settings.ess.max_stops_15m + 1,
    ]  # fmt: skip
    return np.asarray(values, dtype=np.float64)


def contract_at(contracts: Any, s: int) -> Contract:
    """Instrument of a symbol as the rules read it.

    Ticks and steps stay floats: whole numbers below 2**53 give the same products and quotients.
    """
    return Contract(
        contracts[s, 0], contracts[s, 1], contracts[s, 2], contracts[s, 3], contracts[s, 4]
    )


def lay_out(
    data: MarketSeries,
    tape: SignalTape,
    votes: VoteTable | None,
    settings: CoreSettings,
    preset: ActionPreset,
    candidates: BoolArray,
    by_confidence: bool = True,
) -> Market:
    """Lay out a market, its signals and what is decided when.

    Args:
        candidates: (T, S) rows at which a symbol may be decided.
        by_confidence: decide the symbols of a bar by descending confidence, then by name; off, by
            name alone.

    Raises:
        FixInput: More symbols than an environment can address.
    """
    market = data.market
    s = candidates.shape[1]
    if s > MAX_SYMBOLS:
        raise FixInput(f"{s} symbols: a compiled environment holds at most {MAX_SYMBOLS}")
    arrays = PresetArrays(preset)
    series = data.series
    return Market(
        data.rows,
        market.close_ns,
        _signals(data, tape, votes),
        np.clip(market.features_f32, -BOUND, BOUND).astype(np.float32),
        _queue(candidates, tape.confidence if by_confidence else np.zeros(candidates.shape)),
        _next_rows(candidates),
        np.asarray([list(c) for c in data.contracts], dtype=np.float64),
        _padded(data.brackets),
        np.stack([x.detail for x in series], axis=1),
        np.stack([x.detail_ok for x in series], axis=1),
        np.stack([arrays.sizes, arrays.leverages, arrays.exits], axis=1).astype(np.float64),
        constants_of(data, settings),
    )


def _signals(data: MarketSeries, tape: SignalTape, votes: VoteTable | None) -> Float64Array:
    market = data.market
    out = np.zeros((market.n_bars, market.n_symbols, 8), dtype=np.float64)
    out[:, :, SIDE] = tape.side
    out[:, :, SCORE] = np.where(np.isnan(tape.score), 0.0, tape.score)
    out[:, :, EV] = tape.ev
    out[:, :, CONFIDENCE] = tape.confidence
    out[:, :, REGIME] = market.sizing_regime
    if votes is not None:
        flat = out.reshape(-1, 8)
        up = votes.p_up.reshape(-1, votes.p_up.shape[2])
        down = votes.p_down.reshape(-1, up.shape[1])
        flat[:, UP] = _means(up)
        flat[:, DOWN] = _means(down)
        flat[:, VALID_VOTES] = (~np.isnan(up)).sum(axis=1) / 4.0
    return out


def _means(values: Float64Array) -> Float64Array:
    return np.asarray([mean_known(row) for row in values.tolist()], dtype=np.float64)


def _queue(candidates: BoolArray, confidence: Float64Array) -> Any:
    out = np.full(candidates.shape, -1, dtype=np.int16)
    key = np.where(candidates, -confidence, np.inf)
    order = np.argsort(key, axis=1, kind="stable")
    count = candidates.sum(axis=1)
    for k in range(candidates.shape[1]):
        has = count > k
        out[has, k] = order[has, k]
    return out


def _next_rows(candidates: BoolArray) -> Any:
    n = candidates.shape[0]
    out = np.full(n + 1, n, dtype=np.int64)
    some = np.any(candidates, axis=1)
    for t in range(n - 1, -1, -1):
        out[t] = t if some[t] else out[t + 1]
    return out


def _padded(brackets: tuple[Float64Array, ...]) -> Float64Array:
    """(S, K, 3): the last tier repeated, so a look-up beyond it finds it again."""
    most = max(len(b) for b in brackets)
    rows = [np.vstack([b, np.repeat(b[-1:], most - len(b), axis=0)]) for b in brackets]
    return np.stack(rows)
