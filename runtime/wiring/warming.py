"""Compiling before it counts: the rules are compiled when they are first called.

A few days are traded in this process on a simulated exchange, with agents of their own, and
forgotten. Otherwise the first close would stand for as long as compiling takes, half a minute where
no cache holds the code. There a process of its own compiles first: what the compiler takes, some
200 MiB, would stay with the trader.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from agents.reinforcement.manager import ReinforcementManager
from envs.core.hooks import HookChain
from envs.core.series import MarketSeries, prepare
from envs.core.tape import VoteTable
from envs.kernel.compile import cache_folder
from envs.market.planted import synthetic_market
from envs.market.synthetic import SyntheticSettings, edge_of
from runtime.bundle import load_bundle
from runtime.driving.lockstep import LockstepDriver
from runtime.driving.sim import sim_parts
from runtime.journal.memory_journal import MemoryJournal
from runtime.kernel import Kernel
from runtime.kernel_parts import KernelParts
from runtime.learning.learning import OnlineLearning
from runtime.logs import quiet
from runtime.signals.cached import CachedSignals
from runtime.subsystems.emergency_stop import EmergencyStop
from runtime.wiring.plan import TradePlan

_LOG = logging.getLogger(__name__)
_SOURCES, _COMPILED = Path(__file__).parents[2], ("envs", "agents", "runtime")
_BARS = 200
_SYMBOLS = 2


async def warm_up_built_in(plan: TradePlan) -> None:
    """The same on a little of the built-in market, where no bars are known beforehand."""
    whole = cache_folder() / f"whole-{stamp_of([_SOURCES / name for name in _COMPILED])}"
    if not whole.exists() and await asyncio.to_thread(_compile_in_a_child, plan):
        whole.touch()
    await _trade_built_in(plan)


def stamp_of(packages: Sequence[Path]) -> str:
    """Digest of where the sources lie and when they were written.

    Numba keeps compiled code by these: a second checkout, or the same one checked out anew, finds
    none of the first's.
    """
    h = sha256()
    for path in sorted(p for package in packages for p in package.rglob("*.py")):
        told = path.stat()
        h.update(f"{path.resolve()}\n{told.st_mtime_ns}\n{told.st_size}\n".encode())
    return h.hexdigest()[:16]


def _compile_in_a_child(plan: TradePlan) -> bool:
    """Let a process of its own compile; whether it came to its end."""
    _LOG.info("compiling the rules, half a minute, once for this version")
    child = get_context("spawn").Process(target=_compile, args=(plan,), daemon=True)
    child.start()
    child.join()
    if child.exitcode:
        _LOG.warning("the rules are compiled in this process: the other ended %s", child.exitcode)
    return child.exitcode == 0


def _compile(plan: TradePlan) -> None:
    asyncio.run(_trade_built_in(plan))


async def _trade_built_in(plan: TradePlan) -> None:
    symbols = tuple(sorted(plan.settings.run.symbols))[:_SYMBOLS]
    wanted = SyntheticSettings(symbols=symbols, n_bars=_BARS + 50, seed=1, edge=edge_of("strong"))
    core = plan.settings.core
    made = synthetic_market(wanted, core.costs, core.signal)
    await warm_up(plan, prepare(made.market, core), made.votes, made.market.n_bars - 10)


async def warm_up(plan: TradePlan, data: MarketSeries, votes: VoteTable, row: int) -> None:
    """Trade the bars before ``row`` in memory; nothing of it is kept."""
    bundle, core = load_bundle(plan.bundle), plan.settings.core
    first = max(1, row - _BARS)
    if first >= row:
        return
    manager = ReinforcementManager(
        bundle.manager.settings, core.signal.horizon_bars, np.random.default_rng(0)
    )
    signals = CachedSignals(
        data, votes, core, manager, bundle.pool_line, bundle.exit_slopes, first_row=first,
        last_row=row,
    )  # fmt: skip
    parts = sim_parts(data, core, signals.row, row)
    await parts.venue.open()
    await parts.feed.open(data.market.symbols, plan.settings.run.timeframe)
    learning = OnlineLearning(signals, core, bundle.table, reward=plan.settings.sizing.reward)
    journal = MemoryJournal()
    stop = EmergencyStop(
        core, core.start_equity_quote, parts.session.now_ns, journal.add, auto_acknowledge=True
    )
    kernel = Kernel(
        KernelParts(
            plan.settings, bundle.table.preset, data.market.symbols, parts.venue, signals,
            learning, journal, stop, bundle.table, HookChain(min_confidence=0.0),
            lambda: parts.session.now_ns, "warm-up",
        )
    )  # fmt: skip
    with quiet():
        await kernel.start()
        await LockstepDriver(kernel, parts.stepper).run()
