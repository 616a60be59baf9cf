"""One stretch of rows of the exponential pass, compiled: pool, vote, candidate rule, entry."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from envs.core.rules.blend import blend
from envs.kernel.compile import compiled, register
from envs.kernel.signal import count_votes, vote_rows
from training.reference import NOT_TRADED

NEVER = np.iinfo(np.int64).max


@cache
def compiled_rows() -> Any:
    """``advance_rows`` compiled."""
    for function in (blend, count_votes, vote_rows, _insert, _remove, _passes, _try_trade):
        register(function)  # type: ignore[arg-type]
    return compiled(advance_rows)


def advance_rows(
    row: int,
    stop: int,
    p_up: Any,
    p_down: Any,
    model_ev: Any,
    valid: Any,
    platt: Any,
    calibrated: bool,
    weights: Any,
    scalers: Any,
    slope: float,
    s_mean: float,
    atr_frac: Any,
    complete: Any,
    tradable: Any,
    close_ns: Any,
    slip: Any,
    quorum: int,
    post_only: bool,
    maker: float,
    taker: float,
    wanted: int,
    min_edge: float,
    top: float,
    least: int,
    cooldown_ns: int,
    end_row: Any,
    opened: Any,
    finished: Any,
    entry_ns: Any,
    open_row: Any,
    open_side: Any,
    open_end: Any,
    busy: Any,
    last_entry: Any,
    side: Any,
    confidence: Any,
    edge: Any,
    level: Any,
    reason: Any,
    window: Any,
    ordered: Any,
    known: Any,
    shown: Any,
    found: Any,
    out_up: Any,
    out_down: Any,
    out_ev: Any,
    out_weights: Any,
) -> tuple[int, int]:
    """Run rows until ``stop``, or until a trade has closed whose result must be learned first."""
    n_found = 0
    n_symbols = p_up.shape[1]
    due = NEVER
    for s in range(n_symbols):
        due = min(due, open_end[s])
    for t in range(row, stop):
        if t >= due or n_found + n_symbols > found.shape[0]:
            return t, n_found
        for i in range(weights.shape[0]):
            out_weights[t, i] = weights[i]
        for s in range(n_symbols):
            out_up[t, s] = blend(p_up[t, s], platt[t, 0], calibrated, weights, scalers[t])
            out_down[t, s] = blend(p_down[t, s], platt[t, 1], calibrated, weights, scalers[t])
            out_ev[t, s] = slope * (out_up[t, s] - out_down[t, s] - s_mean) * atr_frac[t, s]
            shown[0, s] = out_ev[t, s] if complete[t, s] else np.nan
        a, b = t, t + 1
        vote_rows(
            shown, model_ev[a:b], valid[a:b], slip[a:b], quorum, post_only, maker, taker,
            side[a:b], confidence[a:b], edge[a:b], level[a:b], reason[a:b],
        )  # fmt: skip
        for s in range(n_symbols):
            ranked = top > 0.0 and _passes(
                t, edge[t, s], window[s], ordered[s], known, s, 1.0 - top, least
            )
            if not (edge[t, s] > 0.0 and (edge[t, s] >= min_edge or ranked)):
                continue
            following = t + 1 < complete.shape[0] and tradable[t + 1, s]
            if not (complete[t, s] and side[t, s] != 0 and level[t, s] >= wanted and following):
                continue
            k = 0 if side[t, s] > 0 else 1
            if _try_trade(
                t, s, k, close_ns[t], cooldown_ns, end_row, opened, finished, entry_ns,
                open_row, open_side, open_end, busy, last_entry,
            ):  # fmt: skip
                found[n_found, 0] = t
                found[n_found, 1] = s
                found[n_found, 2] = side[t, s]
                n_found += 1
                due = min(due, open_end[s])
    return stop, n_found


def _try_trade(
    t: int,
    s: int,
    k: int,
    now_ns: int,
    cooldown_ns: int,
    end_row: Any,
    opened: Any,
    finished: Any,
    entry_ns: Any,
    open_row: Any,
    open_side: Any,
    open_end: Any,
    busy: Any,
    last_entry: Any,
) -> bool:
    """Enter the reference trade if the symbol is flat and its cooldown over; True if it opened."""
    if t < busy[s] or now_ns - last_entry[s] < cooldown_ns or end_row[t, s, k] == NOT_TRADED:
        return False
    busy[s] = end_row[t, s, k]
    if not opened[t, s, k]:
        return False
    last_entry[s] = entry_ns[t, s, k]
    open_row[s] = t
    open_side[s] = 1 - 2 * k
    open_end[s] = end_row[t, s, k] if finished[t, s, k] else NEVER
    return True


def _passes(
    t: int, value: float, window: Any, ordered: Any, known: Any, s: int, quantile: float, least: int
) -> bool:
    """Push a value into the trailing window; True if it is among the top of the known ones."""
    slot = t % window.shape[0]
    old = window[slot]
    if old == old:
        _remove(ordered, known[s], old)
        known[s] -= 1
    window[slot] = value
    if value != value:
        return False
    _insert(ordered, known[s], value)
    known[s] += 1
    n = known[s]
    return bool(n >= least and value >= ordered[int(quantile * (n - 1))])


def _insert(ordered: Any, n: int, value: float) -> None:
    k = n
    while k > 0 and ordered[k - 1] > value:
        ordered[k] = ordered[k - 1]
        k -= 1
    ordered[k] = value


def _remove(ordered: Any, n: int, value: float) -> None:
    k = 0
    while ordered[k] != value:
        k += 1
    for j in range(k, n - 1):
        ordered[j] = ordered[j + 1]
