"""Stepping many compiled environments: the loops, and what they are handed."""

from __future__ import annotations

from functools import cache
from types import FunctionType
from typing import Any, cast

import numpy as np
from numba import prange

from envs.core.rules.reward import step_reward
from envs.kernel import (
    account,
    bars,
    closing,
    decisions,
    entries,
    market,
    observation,
    paths,
    quiet,
    walking,
)
from envs.kernel.account import wide
from envs.kernel.compile import compiled, register, register_module
from envs.kernel.decisions import equity_of, seek, signal_side, size_action, start, take
from envs.kernel.market import GLANCE, N_SIGNALS, WORLD, Market, market_at, rules_at
from envs.kernel.observation import observe_into
from envs.kernel.pointer import CACHE_LINE, array_at, prefetch
from envs.kernel.state import RUNNING, SLOT, TRADE
from envs.kernel.threads import quiet_threads

FROM_SIGNAL = 2
"""A ``side`` that follows the signal's."""
SERIAL_BELOW = 256
"""Fewer environments than this are stepped on one thread: starting others costs more."""

SLOT_BYTES = SLOT.itemsize
GLANCE_BYTES = GLANCE.itemsize
SIGNAL_BYTES = N_SIGNALS * 8
BARS_AHEAD = 8
ROWS_TRIED = 4
HOT_ACCOUNT = 152

SIZES = ("world", "n_envs", "n_chosen", "n_obs", "n_trades", "account_bytes")
COLUMNS = (
    "accounts", "slots", "trades", "chosen", "sides", "actions", "first", "last", "allowed", "obs",
    "rewards", "states", "numbers", "codes",
)  # fmt: skip
CALL = np.dtype([(n, "i8") for n in (*SIZES, *COLUMNS)])
"""What a call steps: the address of the market's world, sizes, and addresses of columns (N,).

``n_trades`` is the room for trades of an environment. ``chosen`` environments; ``sides`` +1, -1,
0 (none) or ``FROM_SIGNAL``; ``actions``; the next episode's period ``first``..``last`` and
``allowed`` symbols as bits; written: ``obs`` (N, n_obs) float32, ``rewards`` float64, ``states``.
The other columns are int64. Where ``numbers`` is not 0, each step is summed up in ``numbers``
(N, 2): reward, equity; and ``codes`` (N, 7), see below."""
PHASE, STATE, SYMBOL, SIGNAL_SIDE, REASON, TIME_NS, OVERFLOW = range(7)
"""Columns of ``codes``; state and symbol are -1 and the side 0 at an end."""


def step_chosen(call: int, accounts: Any, k: int) -> None:
    """Step (or, after an end, begin) the k-th chosen environment."""
    c = array_at(call, 1, CALL)[0]
    n = c.n_envs
    e = array_at(c.chosen, c.n_chosen, np.int64)[k]
    m, r = market_at(c.world), rules_at(c.world)
    acc, own = accounts[e], array_at(c.slots, (n, m.rows.shape[1]), SLOT)[e]
    trades = array_at(c.trades, (n, c.n_trades), TRADE)[e]
    acc.n_trades = 0
    reward = 0.0
    if acc.phase != RUNNING:
        start(
            m, r, acc, own, array_at(c.first, n, np.int64)[e], array_at(c.last, n, np.int64)[e],
            array_at(c.allowed, n, np.int64)[e],
        )  # fmt: skip
        seek(m, r, acc, own, trades)
        acc.equity = equity_of(acc)
    else:
        if acc.decision >= 0:
            side = array_at(c.sides, n, np.int64)[e]
            if side == FROM_SIGNAL:
                side = signal_side(m, acc)
            take(c.world, acc, own, side, array_at(c.actions, n, np.int64)[e])
        seek(m, r, acc, own, trades)
        equity = equity_of(acc)
        reward = step_reward(acc.equity, equity)
        acc.equity = max(equity, 1e-6 * acc.equity)
    array_at(c.rewards, n, np.float64)[e] = reward
    obs = array_at(c.obs, (n, c.n_obs), np.float32)[e]
    state = observe_into(c.world, acc, own, obs)
    array_at(c.states, n, np.int64)[e] = state
    if c.numbers != 0:
        numbers = array_at(c.numbers, (n, 2), np.float64)[e]
        numbers[0] = reward
        numbers[1] = equity_of(acc)
        codes = array_at(c.codes, (n, 7), np.int64)[e]
        codes[PHASE] = acc.phase
        codes[STATE] = state
        codes[SYMBOL] = acc.decision
        codes[SIGNAL_SIDE] = signal_side(m, acc) if acc.decision >= 0 else 0
        codes[REASON] = acc.reason
        codes[TIME_NS] = m.close_ns[acc.row]
        codes[OVERFLOW] = acc.overflow


def fetch_ahead(call: int, accounts: Any, k: int) -> None:
    """Ask for what the environments after the k-th will read: most of a step is waiting for it.

    The state of the one after the next; the market of the next, whose row is known by now.
    """
    c = array_at(call, 1, CALL)[0]
    chosen = array_at(c.chosen, c.n_chosen, np.int64)
    w = array_at(c.world, 1, WORLD)[0]
    if k + 2 < c.n_chosen:
        e = chosen[k + 2]
        fetch(c.accounts + e * c.account_bytes, HOT_ACCOUNT)
        for s in range(w.n_symbols):
            prefetch(c.slots + (e * w.n_symbols + s) * SLOT_BYTES)
        fetch(c.obs + e * c.n_obs * 4, c.n_obs * 4)
    if k + 1 < c.n_chosen:
        acc = accounts[chosen[k + 1]]
        t, taken = wide(acc.row), acc.held | acc.waiting
        if acc.decision >= 0:
            fetch(w.signals + (t * w.n_symbols + acc.decision) * SIGNAL_BYTES, SIGNAL_BYTES)
            taken |= 1 << acc.decision
        for s in range(w.n_symbols):
            if (taken >> s) & 1:
                at = w.glances + (s * w.n_bars + t + 1) * GLANCE_BYTES
                fetch(at, 2 * GLANCE_BYTES)
                for k in range(2, BARS_AHEAD):
                    prefetch(at + k * GLANCE_BYTES)
        m = market_at(c.world)
        row, s = likely_decision(m, t, taken)
        if s >= 0:
            at = row * w.n_symbols + s
            fetch(w.signals + at * SIGNAL_BYTES, SIGNAL_BYTES)
            fetch(w.features + at * w.n_features * 4, w.n_features * 4)


def likely_decision(m: Market, t: int, taken: int) -> tuple[int, int]:
    """The next candidate after a row whose symbol is not taken, if it is near; symbol -1 if not."""
    row = t
    for _ in range(ROWS_TRIED):
        row = m.next_row[row + 1]
        if row >= m.rows.shape[0] - 1:
            return row, -1
        for k in range(m.rows.shape[1]):
            s = wide(m.queue[row, k])
            if s < 0:
                break
            if (taken >> s) & 1 == 0:
                return row, s
    return row, -1


def fetch(address: int, n_bytes: int) -> None:
    """Ask for a range of memory, line by line."""
    for k in range(0, n_bytes, CACHE_LINE):
        prefetch(address + k)


def step_serial(call: int, accounts: Any) -> None:
    """Step the chosen environments on this thread."""
    for k in range(array_at(call, 1, CALL)[0].n_chosen):
        fetch_ahead(call, accounts, k)
        step_chosen(call, accounts, k)


def step_parallel(call: int, accounts: Any) -> None:
    """Step the chosen environments, shared among threads; no result depends on their number."""
    for k in prange(array_at(call, 1, CALL)[0].n_chosen):
        fetch_ahead(call, accounts, k)
        step_chosen(call, accounts, k)


def start_one(address: int, acc: Any, slots: Any, first: int, last: int, allowed: int) -> None:
    """Begin an episode without looking for its first decision."""
    start(market_at(address), rules_at(address), acc, slots, first, last, allowed)


def fill_masks(address: int, accounts: Any, slots: Any, sides: Any, out: Any) -> None:
    """Mask (B, A) of the present decisions, True = allowed; all True at an end."""
    m, r = market_at(address), rules_at(address)
    for e in range(accounts.shape[0]):
        acc = accounts[e]
        for a in range(out.shape[1]):
            out[e, a] = True
            if acc.decision >= 0 and m.actions[a, 0] != 0.0:
                side = signal_side(m, acc) if sides[e] == FROM_SIGNAL else sides[e]
                out[e, a] = size_action(m, r, acc, slots[e], side, a).mask_reason == 0


_COLD = frozenset(
    {
        "act_on_level", "catch_up", "enter", "evaluate_fully", "finish", "look_again",
        "observe_into", "report", "rest", "settle_funding", "settle_slot", "step_position", "take",
        "visit", "walk", "walk_bar",
    }
)  # fmt: skip


@cache
def compiled_step(parallel: bool) -> Any:
    """The stepping loop compiled for this process, from the disk cache where possible."""
    quiet_threads()
    register_environment()
    return compiled(step_parallel if parallel else step_serial, parallel)


@cache
def compiled_start() -> Any:
    """``start_one`` compiled for this process."""
    register_environment()
    return compiled(start_one)


@cache
def compiled_masks() -> Any:
    """``fill_masks`` compiled for this process."""
    register_environment()
    return compiled(fill_masks)


def register_environment() -> None:
    """Let compiled code call everything an environment is made of."""
    for module in (
        market,
        account,
        paths,
        quiet,
        closing,
        entries,
        walking,
        bars,
        decisions,
        observation,
    ):
        register_module(module, _COLD)
    register(cast(FunctionType, fetch))
    register(cast(FunctionType, likely_decision))
    register(cast(FunctionType, fetch_ahead))
    register(cast(FunctionType, step_chosen), inline=False)
