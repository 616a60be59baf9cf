"""Stepping many compiled environments: the parallel loops, and what they are handed."""

from __future__ import annotations

import os
from functools import cache
from threading import Lock
from types import FunctionType, ModuleType
from typing import Any, cast

import numba
from numba import prange

from envs.core.rules.reward import step_reward
from envs.kernel import account, bars, closing, decisions, market, observation, paths, quiet
from envs.kernel.compile import compiled, register
from envs.kernel.decisions import equity_of, seek, signal_side, size_action, start, take
from envs.kernel.market import rules_of
from envs.kernel.observation import observe_into
from envs.kernel.state import RUNNING

FROM_SIGNAL = 2
"""A ``side`` that follows the signal's."""
PARALLEL_LOCK = Lock()
"""Held while the parallel loop runs: the workqueue layer must not be entered twice at once."""
SERIAL_BELOW = 256
"""Fewer environments than this are stepped on one thread: starting others costs more."""


def step_one(
    m: Any, acc: Any, slots: Any, trades: Any, side: int, action: int, first: int, last: int,
    allowed: int, out: Any,
) -> tuple[float, int]:  # fmt: skip
    """Step (or, after an end, begin) one environment; return reward and state index.

    ``side`` +1, -1, 0 (none) or ``FROM_SIGNAL``; ``first``..``last`` is the next episode's period.
    """
    r = rules_of(m.constants)
    acc.n_trades = 0
    reward = 0.0
    if acc.phase != RUNNING:
        start(m, r, acc, slots, first, last, allowed)
        seek(m, r, acc, slots, trades)
        acc.equity = equity_of(m, acc, slots)
    else:
        if acc.decision >= 0:
            take(m, r, acc, slots, signal_side(m, acc) if side == FROM_SIGNAL else side, action)
        seek(m, r, acc, slots, trades)
        equity = equity_of(m, acc, slots)
        reward = step_reward(acc.equity, equity)
        acc.equity = max(equity, 1e-6 * acc.equity)
    return reward, observe_into(m, r, acc, slots, out)


def step_serial(
    m: Any, accounts: Any, slots: Any, trades: Any, chosen: Any, sides: Any, actions: Any,
    first: Any, last: Any, allowed: Any, obs: Any, rewards: Any, states: Any,
) -> None:  # fmt: skip
    """Step the chosen environments on this thread."""
    for k in range(chosen.shape[0]):
        e = chosen[k]
        rewards[e], states[e] = step_one(
            m, accounts[e], slots[e], trades[e], sides[e], actions[e], first[e], last[e],
            allowed[e], obs[e],
        )  # fmt: skip


def step_parallel(
    m: Any, accounts: Any, slots: Any, trades: Any, chosen: Any, sides: Any, actions: Any,
    first: Any, last: Any, allowed: Any, obs: Any, rewards: Any, states: Any,
) -> None:  # fmt: skip
    """Step the chosen environments, shared among threads; no result depends on their number."""
    for k in prange(chosen.shape[0]):
        e = chosen[k]
        rewards[e], states[e] = step_one(
            m, accounts[e], slots[e], trades[e], sides[e], actions[e], first[e], last[e],
            allowed[e], obs[e],
        )  # fmt: skip


def start_one(m: Any, acc: Any, slots: Any, first: int, last: int, allowed: int) -> None:
    """Begin an episode without looking for its first decision."""
    start(m, rules_of(m.constants), acc, slots, first, last, allowed)


def fill_masks(m: Any, accounts: Any, slots: Any, sides: Any, out: Any) -> None:
    """Mask (B, A) of the present decisions, True = allowed; all True at an end."""
    r = rules_of(m.constants)
    for e in range(accounts.shape[0]):
        acc = accounts[e]
        for a in range(out.shape[1]):
            out[e, a] = True
            if acc.decision >= 0 and m.actions[a, 0] != 0.0:
                side = signal_side(m, acc) if sides[e] == FROM_SIGNAL else sides[e]
                out[e, a] = size_action(m, r, acc, slots[e], side, a).mask_reason == 0


_COLD = frozenset(
    {"settle_slot", "act_on_level", "finish", "observe_into", "take", "walk_bar", "enter"}
)


_PYTHON = frozenset({"lay_out", "constants_of"})


@cache
def compiled_step(parallel: bool) -> Any:
    """The stepping loop compiled for this process, from the disk cache where possible.

    Threads wait without spinning (Numba's workqueue layer, unless NUMBA_THREADING_LAYER says
    otherwise): spinning ones cost ten times the speed as soon as another process wants a core.
    """
    if parallel and "NUMBA_THREADING_LAYER" not in os.environ:
        config: Any = numba.config
        config.THREADING_LAYER = "workqueue"
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
    for module in (market, account, paths, quiet, closing, bars, decisions, observation):
        _register_module(module)
    register(cast(FunctionType, step_one), inline=False)


def _register_module(module: ModuleType) -> None:
    for name, value in vars(module).items():
        own = isinstance(value, FunctionType) and value.__module__ == module.__name__
        if own and name not in _PYTHON and not name.startswith("_"):
            register(value, inline=name not in _COLD)
