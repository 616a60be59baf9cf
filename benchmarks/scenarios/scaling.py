"""Memory an environment takes, and growth with environments and bars."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import set_num_threads

from benchmarks.data import SEED, first_bars, scene
from benchmarks.drive import DRAWS, Drive, make
from benchmarks.framework.metrics import Outcome, median_of
from benchmarks.framework.registry import Options, scenario
from benchmarks.framework.timing import disturbance, in_turn
from envs.vector import TradingVectorEnv

FEW = 4_096
GROWTH = 10


@scenario("memory/per-env", "bytes of every array that grows with the environments")
def memory_per_env(options: Options) -> Outcome:
    """Bytes an environment adds; the market is shared and counted apart."""
    del options
    metrics = {}
    kinds: dict[str, dict[str, Any]] = {
        "bytes_sizing": {"copy": True},
        "bytes_zero_copy": {},
        "bytes_tabular": {"view": "tabular"},
    }
    for name, options_of in kinds.items():
        metrics[name] = median_of([_bytes(make(FEW, **options_of))], "B", "lower", 0.02)
    market: Any = vars(make(1))["_market"]
    shared = sum(a.nbytes for a in vars(market).values() if isinstance(a, np.ndarray)) / 2**20
    metrics["market_mib"] = median_of([shared], "MiB", "lower", 0.02)
    return Outcome(
        metrics, ("zero copy: two alternating observation buffers; copies belong to the caller",)
    )


def _bytes(env: TradingVectorEnv) -> float:
    arrays: dict[int, int] = {}
    for value in (*vars(env).values(), *vars(env.batch).values()):
        if isinstance(value, np.ndarray) and env.num_envs in value.shape[:2]:
            arrays[id(value)] = value.nbytes
    return sum(arrays.values()) / env.num_envs


@scenario("scaling/10x-envs", "4,096 against 40,960 environments, runs in turn")
def ten_times_envs(options: Options) -> Outcome:
    """Time of the same number of steps with ten times the environments."""
    set_num_threads(2)
    steps = 2 if options.quick else 8
    few, many = (Drive(make(n), steps, 2) for n in (FEW, FEW * GROWTH))
    few.begin()
    many.begin()
    a, b = in_turn([few.go, many.go], options.repeats)
    ratio = [y.cpu / x.cpu for x, y in zip(a, b, strict=True)]
    wall = [y.wall / x.wall for x, y in zip(a, b, strict=True)]
    metrics = {
        "cpu_growth": median_of(ratio, "x", "lower", 0.15),
        "wall_growth": median_of(wall, "x", "lower"),
    }
    return Outcome(metrics, ("the runs go on where the last ended",), disturbance(b, 2))


@scenario("scaling/10x-bars", "a tenth of the bars against all, one thread, runs in turn")
def ten_times_bars(options: Options) -> Outcome:
    """Time to walk ten times the bars, and to lay the market out."""
    n = 64
    short, whole = first_bars(GROWTH), scene()
    actions = np.random.default_rng(SEED).integers(0, 76, (DRAWS, n))
    steps = short.market.n_bars // (50 if options.quick else 5)

    def lay_out(at: Any) -> TradingVectorEnv:
        return make(n, at=at)

    few, many = lay_out(short), lay_out(whole)

    def walk(env: TradingVectorEnv, steps: int) -> None:
        env.reset(seed=SEED)
        for k in range(steps):
            env.step(actions[k % DRAWS])

    runs = 3 if options.quick else options.repeats
    a, b = in_turn([lambda: walk(few, steps), lambda: walk(many, GROWTH * steps)], runs)
    c, d = in_turn([lambda: lay_out(short), lambda: lay_out(whole)], runs)
    metrics = {
        "cpu_growth": median_of(
            [y.cpu / x.cpu for x, y in zip(a, b, strict=True)], "x", "lower", 0.15
        ),
        "lay_out_cpu_growth": median_of(
            [y.cpu / x.cpu for x, y in zip(c, d, strict=True)], "x", "lower"
        ),
        "lay_out_s": median_of([t.wall for t in d], "s", "lower"),
    }
    growth = whole.market.n_bars / short.market.n_bars
    return Outcome(metrics, (f"{growth:.2f} times the bars",), disturbance(b, 1))
