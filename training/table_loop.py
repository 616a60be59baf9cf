"""The compiled loop of a training pass: decide, simulate all actions, advance, learn what is due.

``training.table_pass`` hands it the arrays and reads the results.
"""

from __future__ import annotations

from functools import cache
from types import FunctionType
from typing import Any, NamedTuple, cast

import numpy as np

from agents.sizing import table_math
from agents.sizing.table_math import score_actions, update_rows
from envs.core.rules.columns import ATR, ATR_FRAC, CLOSE
from envs.core.rules.columns import REGIME as RUN_REGIME
from envs.core.rules.exits import stop_atr
from envs.core.rules.rounding import from_units, to_units
from envs.core.rules.sizing import size_ladder
from envs.kernel.account import margin_units
from envs.kernel.bars import advance
from envs.kernel.closing import finish
from envs.kernel.compile import compiled, register
from envs.kernel.counterfactual import Entry, fill_outcomes, register_outcomes
from envs.kernel.decisions import equity_of, funds_of, is_blocked, send, state_of, trip_at
from envs.kernel.market import CONFIDENCE, EV, SIDE, contract_at, market_at, rules_at
from envs.kernel.step import register_environment


class Tables(NamedTuple):
    """The agent's tables, written in place, and its parameters as ``parameters_of`` packs them."""

    raw: Any
    eff: Any
    mean: Any
    msq: Any
    all_raw: Any
    all_mean: Any
    all_msq: Any
    parameters: Any


class Rows(NamedTuple):
    """What every candidate row keeps in its place until it is learned.

    Chains by the row at which the last outcome is known: ``head`` and ``tail`` (T + 1,), ``next``
    (N,), -1 where empty. ``free`` (N,) is the stack of free places, so that few of them are used
    and stay in cache. ``seen`` (N, 2) lists row and symbol in the order of decision.
    """

    state: Any
    place: Any
    row: Any
    symbol: Any
    ev: Any
    trip: Any
    mask: Any
    share: Any
    reward: Any
    head: Any
    tail: Any
    next: Any
    free: Any
    seen: Any


class Scratch(NamedTuple):
    """Arrays (A,) reused at every decision, funding stamps, and the counters of the pass."""

    qty: Any
    notional: Any
    clamped: Any
    reasons: Any
    net: Any
    end: Any
    score: Any
    residual: Any
    stamps: Any
    counters: Any


SEQUENCE, DRAWN, TRADES, BAD_ROW, BAD_ACTION, WAITING = range(6)


def pass_rows(
    address: int, slopes: Any, places: Any, overlap: Any, presets: Any, draws: Any,
    epsilon: float, min_confidence: float, reward_kind: int, acc: Any, slots: Any, trades: Any,
    found: Any, tables: Any, kept: Any, scratch: Any, counts: Any, decided: Any, equity: Any,
    first: int, until: int,
) -> None:  # fmt: skip
    """Run the pass from the present row to ``until`` (or the end of the period)."""
    m, r = market_at(address), rules_at(address)
    while acc.row < until and not acc.ruined and scratch.counters[BAD_ROW] < 0:
        for k in range(slots.shape[0]):
            s = int(m.queue[acc.row, k])
            if s < 0:
                break
            if acc.row < acc.last_row:
                decide_row(
                    address, slopes, places, presets, draws, epsilon, min_confidence,
                    reward_kind, acc, slots, tables, kept, scratch, counts, decided, s,
                )  # fmt: skip
        acc.n_trades = 0
        advance(m, r, acc, slots, trades)
        keep_trades(acc, trades, found, scratch)
        equity[acc.row - first] = equity_of(acc)
        learn_chain(slopes, overlap, presets, address, tables, kept, scratch, acc.row)
    if acc.row >= acc.last_row or acc.ruined:
        acc.n_trades = 0
        finish(address, acc, slots, trades)
        keep_trades(acc, trades, found, scratch)
        final = equity_of(acc)
        for i in range(acc.row - first, equity.shape[0]):
            equity[i] = final
        for row in range(acc.row + 1, kept.head.shape[0]):
            learn_chain(slopes, overlap, presets, address, tables, kept, scratch, row)


def decide_row(
    address: int, slopes: Any, places: Any, presets: Any, draws: Any,
    epsilon: float, min_confidence: float, reward_kind: int, acc: Any, slots: Any, tables: Any,
    kept: Any, scratch: Any, counts: Any, decided: Any, s: int,
) -> None:  # fmt: skip
    """Size one candidate, decide it where it can be executed, and simulate all its actions."""
    m, r = market_at(address), rules_at(address)
    t = acc.row
    i = kept.free[scratch.counters[WAITING]]
    acc.decision = s
    equity = equity_of(acc)
    side = int(m.signals[t, s, SIDE])
    trip = trip_at(m, r, t, s)
    spare = acc.cash - margin_units(acc, slots, s)
    contract = contract_at(m.contracts, s)
    size_ladder(
        funds_of(m, r, acc, slots, s, equity), r.size, contract, m.brackets[s], side,
        int(m.rows[t, s, CLOSE]), m.rows[t, s, ATR_FRAC], trip, presets.sizes, presets.leverages,
        presets.exits, scratch.qty, scratch.notional, scratch.clamped, scratch.reasons,
    )  # fmt: skip
    n = presets.sizes.shape[0]
    any_allowed = False
    for a in range(n):
        kept.mask[i, a] = scratch.reasons[a] == 0
        any_allowed = any_allowed or scratch.reasons[a] == 0
        kept.share[i, a] = scratch.notional[a] / equity if equity > 0.0 else scratch.notional[a]
    state = state_of(m, acc, slots, equity)
    counts.rows[state] += 1
    kept.state[i] = state
    kept.ev[i] = m.signals[t, s, EV] * side
    kept.trip[i] = trip
    open_ = is_blocked(m, r, acc, slots, s) or not m.signals[t, s, CONFIDENCE] >= min_confidence
    before = to_units(equity)
    if not open_ and any_allowed:
        chosen = choose(m, slopes, presets, draws, epsilon, tables, kept, scratch, i, t, s)
        decided[places[t, s]] = True
        counts.actions[chosen] += 1
        counts.states[state] += 1
        if scratch.qty[chosen] > 0:
            send(m, r, acc, slots, side, chosen, scratch.qty[chosen])
    acc.decision = -1
    if places[t, s] < 0:
        return
    entry = Entry(
        t, acc.last_row, s, side, int(m.rows[t, s, RUN_REGIME]), m.rows[t, s, ATR],
        m.rows[t, s, ATR_FRAC], side * int(m.rows[t, s, CLOSE]), spare, from_units(before),
        reward_kind,
    )  # fmt: skip
    fill_outcomes(
        address, entry, scratch.qty, kept.mask[i], scratch.stamps, kept.reward[i], scratch.net,
        scratch.end,
    )  # fmt: skip
    kept.row[i] = t
    kept.symbol[i] = s
    kept.place[i] = places[t, s]
    due = t + 1
    for a in range(n):
        if scratch.end[a] > due:
            due = scratch.end[a]
        if kept.mask[i, a]:
            counts.reward[a] += kept.reward[i, a]
    kept.next[i] = -1
    if kept.head[due] < 0:
        kept.head[due] = i
    else:
        kept.next[kept.tail[due]] = i
    kept.tail[due] = i
    sequence = scratch.counters[SEQUENCE]
    kept.seen[sequence, 0] = t
    kept.seen[sequence, 1] = s
    scratch.counters[SEQUENCE] += 1
    scratch.counters[WAITING] += 1


def choose(
    m: Any, slopes: Any, presets: Any, draws: Any, epsilon: float, tables: Any, kept: Any,
    scratch: Any, i: int, t: int, s: int,
) -> int:  # fmt: skip
    """Greedy action with epsilon, as ``CounterfactualAgent.decide``."""
    p = tables.parameters
    mask, share = kept.mask[i], kept.share[i]
    score_actions(
        tables.raw, tables.eff, tables.mean, tables.msq, tables.all_raw, tables.all_mean,
        tables.all_msq, kept.state[i], mask, share, slopes[t], presets.exits, kept.ev[i],
        kept.trip[i], m.rows[t, s, ATR_FRAC], p[0], p[1] != 0.0, p[2], p[3], p[4], p[5], p[6],
        scratch.score,
    )  # fmt: skip
    best = best_action(scratch.score, mask, share, presets.exits, presets.sizes)
    drawn = scratch.counters[DRAWN]
    scratch.counters[DRAWN] += 1
    if draws[drawn, 0] < epsilon:
        allowed = 0
        for a in range(mask.shape[0]):
            if mask[a]:
                allowed += 1
        wanted = int(draws[drawn, 1] * allowed)
        for a in range(mask.shape[0]):
            if mask[a]:
                if wanted == 0:
                    return a
                wanted -= 1
    return best


def best_action(score: Any, mask: Any, share: Any, exits: Any, sizes: Any) -> int:
    """Highest score; ties: skip first, then the smaller notional at risk."""
    best = -1
    for a in range(score.shape[0]):
        if best < 0 or score[a] > score[best]:
            best = a
    if sizes[0] == 0.0 and not score[best] > 0.0:
        return 0
    if score[best] == -np.inf:
        for a in range(mask.shape[0]):
            if mask[a]:
                return a
    top = score[best]
    for a in range(best + 1, score.shape[0]):
        if score[a] == top and share[a] * stop_atr(exits[a]) < share[best] * stop_atr(exits[best]):
            best = a
    return best


def learn_chain(
    slopes: Any,
    overlap: Any,
    presets: Any,
    address: int,
    tables: Any,
    kept: Any,
    scratch: Any,
    row: int,
) -> None:
    """Learn the rows whose last outcome became known at ``row``, in the order of decision."""
    m = market_at(address)
    p = tables.parameters
    i = kept.head[row]
    kept.head[row] = -1
    while i >= 0:
        t = kept.row[i]
        bad = update_rows(
            tables.raw, tables.eff, tables.mean, tables.msq, tables.all_raw, tables.all_mean,
            tables.all_msq, kept.state[i], kept.reward[i], kept.mask[i], kept.share[i], slopes[t],
            presets.exits, overlap[kept.place[i]], kept.ev[i], kept.trip[i],
            m.rows[t, kept.symbol[i], ATR_FRAC], p[0], p[1] != 0.0, p[7], p[8], scratch.residual,
        )  # fmt: skip
        if bad >= 0 and scratch.counters[BAD_ROW] < 0:
            scratch.counters[BAD_ROW] = i
            scratch.counters[BAD_ACTION] = bad
            return
        scratch.counters[WAITING] -= 1
        kept.free[scratch.counters[WAITING]] = i
        i = kept.next[i]


def keep_trades(acc: Any, trades: Any, found: Any, scratch: Any) -> None:
    """Copy the bar's closed trades out of the environment's report."""
    for k in range(acc.n_trades):
        if trades[k].closed:
            n = scratch.counters[TRADES]
            found[n] = trades[k]
            scratch.counters[TRADES] += 1


class Counts(NamedTuple):
    """Chosen actions, decided states, states of all rows, and summed rewards an action."""

    actions: Any
    states: Any
    rows: Any
    reward: Any


@cache
def compiled_pass() -> Any:
    """``pass_rows`` compiled for this process, from the disk cache where possible."""
    register_environment()
    register_outcomes()
    for helper in table_math.HELPERS:
        register(cast(FunctionType, helper))
    for cold in (score_actions, update_rows, decide_row, learn_chain):
        register(cast(FunctionType, cold), inline=False)
    for hot in (choose, best_action, keep_trades):
        register(cast(FunctionType, hot))
    return compiled(pass_rows)
