"""Laying a market out in memory for the compiled environments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from envs.core.actions import ActionPreset
from envs.core.decide import PresetArrays
from envs.core.errors import FixInput
from envs.core.gate import RECOVERING_POSITIONS, STOP_WINDOW_NS, stop_limits
from envs.core.rules import columns
from envs.core.series import MarketSeries
from envs.core.settings import CoreSettings
from envs.core.tape import SignalTape, VoteTable
from envs.core.types import BoolArray, EntryStyle, Float64Array, Int64Array
from envs.kernel.market import (
    ATR,
    ATR_FRAC,
    CLOSE,
    CONFIDENCE,
    DOWN,
    EV,
    GLANCE,
    KNOWN,
    N_SIGNALS,
    REGIME,
    RUN_REGIME,
    SCORE,
    SIDE,
    SLIP_NEXT,
    STAMPED,
    TRADED,
    UP,
    VALID_VOTES,
    WORLD,
)
from envs.kernel.pointer import address_of, aligned_zeros
from envs.kernel.state import LARGEST_TICKS
from envs.observe import BOUND

MAX_SYMBOLS = 63


@dataclass(frozen=True)
class MarketMemory:
    """A market's arrays and ``address``, where compiled code finds them; never written again.

    ``rows`` (T, S, 16) see ``rules.columns``; ``glances`` (S, T) of ``GLANCE``; ``signals``
    (T, S, 16); ``features`` (T, S, F) float32, clipped; ``queue`` (T, S) candidate symbols in the
    order of decision, -1 behind them; ``next_row`` (T + 1,) first row at or after with a candidate
    (T: none); ``contracts`` (S, 5); ``brackets`` (S, K, 3) padded with their last row; ``detail``
    (T, S, K, 4) with K = 0 without finer bars; ``actions`` (A, 3) size, leverage, exit; ``axes``
    (A, 3) leverage, exit and twin (see ``PresetArrays``) as whole numbers; ``series`` (S, 10)
    addresses of the columns of ``data.series``.
    """

    rows: Float64Array
    glances: Any
    close_ns: Any
    signals: Float64Array
    features: Any
    queue: Any
    next_row: Any
    contracts: Float64Array
    brackets: Float64Array
    detail: Any
    detail_ok: Any
    actions: Float64Array
    axes: Int64Array
    series: Int64Array
    data: MarketSeries
    world: Any

    @property
    def address(self) -> int:
        """What compiled code is handed; valid as long as this object lives."""
        return address_of(self.world)


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


def lay_out(
    data: MarketSeries,
    tape: SignalTape,
    votes: VoteTable | None,
    settings: CoreSettings,
    preset: ActionPreset,
    candidates: BoolArray,
    by_confidence: bool = True,
) -> MarketMemory:
    """Lay out a market, its signals and what is decided when.

    Args:
        candidates: (T, S) rows at which a symbol may be decided.
        by_confidence: decide the symbols of a bar by descending confidence, then by name; off, by
            name alone.

    Raises:
        FixInput: More symbols than an environment can address, or prices of too many ticks.
    """
    market = data.market
    s = candidates.shape[1]
    if s > MAX_SYMBOLS:
        raise FixInput(f"{s} symbols: a compiled environment holds at most {MAX_SYMBOLS}")
    most = float(np.max(data.rows[:, :, columns.HIGH], initial=0.0))
    if most >= LARGEST_TICKS:
        raise FixInput(
            f"a price of {most:.0f} ticks does not fit a compiled environment, which holds prices "
            f"below {LARGEST_TICKS} ticks: use a coarser tick"
        )
    arrays = _rule_arrays(data, preset)
    arrays.update(
        glances=_glances(data.rows, arrays["contracts"]),
        signals=_signals(data, tape, votes),
        features=_features(market.features_f32),
        queue=_queue(candidates, tape.confidence if by_confidence else np.zeros(candidates.shape)),
        next_row=_next_rows(candidates),
    )
    return _laid(data, settings, arrays)


def lay_out_rules(data: MarketSeries, settings: CoreSettings, preset: ActionPreset) -> MarketMemory:
    """Lay out what outcomes need: prices, contracts, actions; no signals, no observations."""
    arrays = _rule_arrays(data, preset)
    arrays.update(
        glances=np.zeros((0, 0), dtype=GLANCE),
        signals=np.zeros((0, 0, N_SIGNALS)),
        features=np.zeros((0, 0, 0), dtype=np.float32),
        queue=np.zeros((0, 0), dtype=np.int16),
        next_row=np.zeros(0, dtype=np.int64),
    )
    return _laid(data, settings, arrays)


def _rule_arrays(data: MarketSeries, preset: ActionPreset) -> dict[str, Any]:
    axes, series = PresetArrays(preset), data.series
    return {
        "rows": data.rows,
        "close_ns": data.market.close_ns,
        "contracts": np.asarray([list(c) for c in data.contracts], dtype=np.float64),
        "brackets": _padded(data.brackets),
        "detail": np.stack([x.detail for x in series], axis=1),
        "detail_ok": np.stack([x.detail_ok for x in series], axis=1),
        "actions": np.stack([axes.sizes, axes.leverages, axes.exits], axis=1).astype(np.float64),
        "axes": np.stack([axes.leverages, axes.exits, axes.twins], axis=1),
        "series": np.array([[address_of(column) for column in x] for x in series]),
    }


def _laid(data: MarketSeries, settings: CoreSettings, arrays: dict[str, Any]) -> MarketMemory:
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    world = _world(arrays, constants_of(data, settings))
    return MarketMemory(**arrays, data=data, world=world)


def _world(arrays: dict[str, Any], constants: Float64Array) -> Any:
    world = np.zeros(1, dtype=WORLD)
    for name, array in arrays.items():
        world[name] = address_of(array)
    world["n_bars"], world["n_symbols"] = arrays["rows"].shape[:2]
    world["n_features"] = arrays["features"].shape[2]
    world["n_brackets"] = arrays["brackets"].shape[1]
    world["n_detail"] = arrays["detail"].shape[2]
    world["n_actions"] = arrays["actions"].shape[0]
    world["constants"][0, : constants.size] = constants
    return world


def _glances(rows: Float64Array, contracts: Float64Array) -> Any:
    """What a bar that leaves a position alone is judged by, see ``GLANCE``."""
    n, width = rows.shape[:2]
    out = aligned_zeros((width, n), GLANCE).T
    last = rows[:, :, [columns.OPEN, columns.HIGH, columns.LOW, columns.CLOSE]]
    mark = rows[:, :, [columns.MARK_OPEN, columns.MARK_HIGH, columns.MARK_LOW, columns.MARK_CLOSE]]
    up = last[:, :, 3] >= last[:, :, 0]
    order = (
        mark[:, :, 0],
        np.where(up, mark[:, :, 2], mark[:, :, 1]),
        np.where(up, mark[:, :, 1], mark[:, :, 2]),
        mark[:, :, 3],
    )
    for k, vertex in enumerate(order):
        out[f"mark{k}"] = vertex
        out[f"price{k}"] = vertex * contracts[:, 0] / contracts[:, 1]
    out["slip"], out["funding"] = rows[:, :, columns.SLIP], rows[:, :, columns.FUNDING]
    least = np.minimum(last[:, :, 2], np.floor(mark.min(axis=2)))
    most = np.maximum(last[:, :, 1], np.ceil(mark.max(axis=2)))
    traded = rows[:, :, columns.VALID] != 0.0
    known = np.isfinite(most) & np.isfinite(least)
    small = (least, most, last[:, :, 2], last[:, :, 1], last[:, :, 3], last[:, :, 0])
    for name, ticks in zip(("least", "most", "low", "high", "close", "open"), small, strict=True):
        out[name] = np.where(known, np.clip(ticks, -LARGEST_TICKS, LARGEST_TICKS), 0.0)
    flags = np.where(traded, TRADED, 0) | np.where(rows[:, :, columns.STAMP] != 0.0, STAMPED, 0)
    out["flags"] = flags | np.where(known, KNOWN, 0)
    turned: Any = out.T
    return turned


def _signals(data: MarketSeries, tape: SignalTape, votes: VoteTable | None) -> Float64Array:
    market = data.market
    shape = (market.n_bars, market.n_symbols, N_SIGNALS)
    out: Float64Array = aligned_zeros(shape, np.float64)
    out[:, :, CLOSE] = data.rows[:, :, columns.CLOSE]
    out[:, :, ATR] = data.rows[:, :, columns.ATR]
    out[:, :, ATR_FRAC] = data.rows[:, :, columns.ATR_FRAC]
    out[:, :, SLIP_NEXT] = data.rows[:, :, columns.SLIP_NEXT]
    out[:, :, RUN_REGIME] = data.rows[:, :, columns.REGIME]
    out[:, :, SIDE] = tape.side
    out[:, :, SCORE] = np.where(np.isnan(tape.score), 0.0, tape.score)
    out[:, :, EV] = tape.ev
    out[:, :, CONFIDENCE] = tape.confidence
    out[:, :, REGIME] = market.sizing_regime
    if votes is not None:
        flat = out.reshape(-1, N_SIGNALS)
        up = votes.p_up.reshape(-1, votes.p_up.shape[2])
        down = votes.p_down.reshape(-1, up.shape[1])
        flat[:, UP] = _means(up)
        flat[:, DOWN] = _means(down)
        flat[:, VALID_VOTES] = (~np.isnan(up)).sum(axis=1) / 4.0
    return out


def _features(values: Any) -> Any:
    out = aligned_zeros(values.shape, np.float32)
    np.clip(values, -BOUND, BOUND, out=out)
    return out


def _means(values: Float64Array) -> Float64Array:
    """Mean of the known values of each row, added left to right as ``observe.mean_known`` does."""
    total, n = np.zeros(values.shape[0]), np.zeros(values.shape[0])
    for column in values.T:
        known = ~np.isnan(column)
        total = np.where(known, total + column, total)
        n += known
    return np.asarray(np.where(n > 0, total / np.maximum(n, 1.0), 0.0))


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
