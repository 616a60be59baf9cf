"""Drives a vector environment through fixed work, and counts that work exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.data import EPISODE_BARS, SEED, Scene, drawn_tape, scene
from envs.core.types import Int64Array
from envs.kernel.pointer import address_of
from envs.kernel.state import RUNNING
from envs.vector import TradingVectorEnv

WARM_STEPS = 24
"""Steps after a reset before the clock starts: positions are open by then."""
STEPS = 160
DRAWS = 64
GROUPS = 8
"""First episodes have so many different lengths, so that ends fall evenly on the steps."""


@dataclass(frozen=True)
class Work:
    """What a run of steps did: decisions taken, bars and position-bars walked, orders sent."""

    decisions: int
    bar_steps: int
    position_bars: int
    sent: int


def make(
    n: int, density: float = 0.10, at: Scene | None = None, **options: Any
) -> TradingVectorEnv:
    """A vector environment on the scene, every rule on, zero copy, episodes of 2,160 bars."""
    at = at or scene()
    n_bars = None if at.market.n_bars == scene().market.n_bars else at.market.n_bars
    given = {"episode_bars": EPISODE_BARS, "random_start": True, "copy": False, **options}
    return TradingVectorEnv(
        n, at.market, drawn_tape(density, n_bars), None, settings=at.settings, prepared=at.data,
        **given,
    )  # fmt: skip


class Drive:
    """The same seeded steps, as often as wanted: ``begin`` (not timed), then ``go``."""

    def __init__(self, env: TradingVectorEnv, steps: int = STEPS, warm: int = WARM_STEPS) -> None:
        self.env, self.steps, self.warm = env, steps, warm
        rng = np.random.default_rng([SEED, env.num_envs])
        self.actions: Int64Array = rng.integers(0, env.preset.n, (DRAWS, env.num_envs))

    def begin(self) -> None:
        """Reset with the same seed and step until positions are open."""
        self.env.reset(seed=SEED)
        group = np.arange(self.env.num_envs) % GROUPS
        for g in range(1, min(GROUPS, self.env.num_envs)):
            options = {"length": EPISODE_BARS * g // GROUPS, "reset_mask": group == g}
            self.env.reset(options=options)
        for k in range(self.warm):
            self.env.step(self.actions[k % DRAWS])

    def go(self) -> None:
        """The steps that are timed, through the Gymnasium face."""
        step, actions = self.env.step, self.actions
        for k in range(self.steps):
            step(actions[k % DRAWS])

    def go_bare(self) -> None:
        """As many bare calls of the kernel; an environment that ended begins its period again."""
        call, actions = bare_call(self.env), self.actions
        for k in range(self.steps):
            call(actions[k % DRAWS])

    def count(self) -> Work:
        """Do the work of ``go`` once more and count it; position-bars come from the trades.

        Raises:
            ValueError: The environment does not report trades.
        """
        env, acc = self.env, self.env.accounts
        self.begin()
        first_ns = int(env.market.close_ns[0]) - env.market.interval_ns
        decisions = bars = sent = 0
        held = -_held_bars(env, first_ns)
        for k in range(self.steps):
            running, deciding = acc["phase"] == RUNNING, acc["decision"] >= 0
            before = acc["row"].astype(np.int64)
            infos = env.step(self.actions[k % DRAWS])[4]
            # An environment that began walked from its period's first bar to its first decision.
            start = np.where(running, before, first_rows(env))
            bars += int((acc["row"] - start).sum())
            decisions += int((running & deciding).sum())
            sent += int((running & deciding & (infos["reason"] == 0)).sum())
            if "trades" not in infos:
                raise ValueError("counting needs an environment made with trades=True")
            held += _closed_bars(env, infos, first_ns)
        return Work(decisions, bars, held + _held_bars(env, first_ns), sent)


def count_work(n: int, density: float, steps: int) -> Work:
    """Work of a drive, counted on an environment of its own that reports trades."""
    return Drive(make(n, density, trades=True), steps).count()


def bare_call(env: TradingVectorEnv) -> Callable[[Int64Array], None]:
    """The environment's own kernel call on its own arrays, with nothing around it."""
    batch = env.batch
    batch.aim(batch.all, 0)
    address = address_of(batch.call)

    def call(actions: Int64Array) -> None:
        batch.actions[:] = actions
        batch.kernel(address, batch.accounts)

    return call


def first_rows(env: TradingVectorEnv) -> Int64Array:
    """First row of each environment's present episode."""
    return env.batch.first


def written_bytes(env: TradingVectorEnv) -> int:
    """Bytes a step writes out for one environment: observation, reward and state index."""
    b = env.batch
    return int(b.observations[0, 0].nbytes + b.rewards[:1].nbytes + b.states[:1].nbytes)


def _held_bars(env: TradingVectorEnv, first_ns: int) -> int:
    """Bars that the open positions have been held, the present one included."""
    symbols = np.arange(env.market.n_symbols)
    held = (env.accounts["held"][:, None] >> symbols) & 1 != 0
    entry = (env.slots["entry_ns"] - first_ns) // env.market.interval_ns
    rows = env.accounts["row"].astype(np.int64)[:, None]
    return int(np.where(held, rows - entry + 1, 0).sum())


def _closed_bars(env: TradingVectorEnv, infos: dict[str, Any], first_ns: int) -> int:
    trades, n = infos["trades"], infos["n_trades"]
    interval = env.market.interval_ns
    real = (np.arange(trades.shape[1])[None, :] < n[:, None]) & trades["closed"]
    entry = (trades["entry_ns"] - first_ns) // interval
    end = -((first_ns - trades["exit_ns"]) // interval) - 1
    return int(np.where(real, np.maximum(end - entry + 1, 1), 0).sum())
